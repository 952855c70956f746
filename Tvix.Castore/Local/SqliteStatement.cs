using SQLitePCL;

namespace Tvix.Castore.Local;

/// <summary>A prepared statement, for one thread at a time. Parameters and columns count from one and zero, as in SQLite.</summary>
internal sealed class SqliteStatement(SqliteDatabase database, sqlite3_stmt statement) : IDisposable
{
    public void Bind(int parameter, long value) => database.Check(raw.sqlite3_bind_int64(statement, parameter, value));

    public void Bind(int parameter, ReadOnlySpan<byte> value) => database.Check(raw.sqlite3_bind_blob(statement, parameter, value));

    /// <summary>Moves to the next row; <see langword="false"/> at the end, where the statement is reset.</summary>
    public bool Step()
    {
        int code = raw.sqlite3_step(statement);
        if (code == raw.SQLITE_ROW)
        {
            return true;
        }

        if (code != raw.SQLITE_DONE)
        {
            StorageException error = database.Error(code);
            raw.sqlite3_reset(statement);
            throw error;
        }

        raw.sqlite3_reset(statement);
        return false;
    }

    /// <summary>Runs to the end and ignores the rows.</summary>
    public void Run()
    {
        while (Step())
        {
        }
    }

    public void Reset() => raw.sqlite3_reset(statement);

    public long GetInt64(int column) => raw.sqlite3_column_int64(statement, column);

    public int GetInt32(int column) => checked((int)GetInt64(column));

    public bool IsNull(int column) => raw.sqlite3_column_type(statement, column) == raw.SQLITE_NULL;

    /// <summary>The bytes of a column, valid until the next step.</summary>
    public ReadOnlySpan<byte> GetBlob(int column) => raw.sqlite3_column_blob(statement, column);

    public void Dispose() => statement.Dispose();
}
