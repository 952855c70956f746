using SQLitePCL;

namespace Tvix.Castore.Local;

/// <summary>One connection to an SQLite database, for one thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    private readonly sqlite3 _db;
    private readonly List<SqliteStatement> _statements = [];

    static SqliteDatabase() => Batteries_V2.Init();

    public SqliteDatabase(string path, int busyTimeoutMilliseconds)
    {
        Path = path;
        int code = raw.sqlite3_open_v2(path, out _db, raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE | raw.SQLITE_OPEN_NOMUTEX, null);
        if (code != raw.SQLITE_OK)
        {
            using (_db)
            {
                throw Error(code);
            }
        }

        raw.sqlite3_busy_timeout(_db, busyTimeoutMilliseconds);
    }

    public string Path { get; }

    public int Changes => raw.sqlite3_changes(_db);

    /// <summary>Prepares a statement that lives as long as the connection.</summary>
    public SqliteStatement Prepare(string sql)
    {
        SqliteStatement prepared = PrepareOnce(sql);
        _statements.Add(prepared);
        return prepared;
    }

    /// <summary>Prepares a statement that the caller disposes.</summary>
    public SqliteStatement PrepareOnce(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_db, sql, out sqlite3_stmt statement));
        return new SqliteStatement(this, statement);
    }

    /// <summary>Runs one statement and ignores its rows.</summary>
    public void Execute(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_db, sql, out sqlite3_stmt statement));
        using (statement)
        {
            int code;
            do
            {
                code = raw.sqlite3_step(statement);
            }
            while (code == raw.SQLITE_ROW);

            if (code != raw.SQLITE_DONE)
            {
                throw Error(code);
            }
        }
    }

    public void Check(int code)
    {
        if (code != raw.SQLITE_OK)
        {
            throw Error(code);
        }
    }

    public StorageException Error(int code)
    {
        string message = _db is { IsInvalid: false } ? raw.sqlite3_errmsg(_db).utf8_to_string() : raw.sqlite3_errstr(code).utf8_to_string();
        int primary = code & 0xff;
        return primary switch
        {
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new StorageException($"The index '{Path}' is in use by another process for too long.", isTransient: true),
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB => new StorageException(
                $"The index '{Path}' is damaged ({message}). The data does not depend on it: the index can be rebuilt from the pack files."),
            raw.SQLITE_FULL => new StorageException($"The disk that holds the index '{Path}' is full."),
            _ => new StorageException($"The index '{Path}' failed: {message} (SQLite error {code})."),
        };
    }

    public void Dispose()
    {
        foreach (SqliteStatement statement in _statements)
        {
            statement.Dispose();
        }

        _db.Dispose();
    }
}
