using SQLitePCL;

namespace Tvix.Castore.Local;

/// <summary>One connection to an SQLite database, for one thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    private const string Index = "index";

    private readonly string _what;
    private readonly int _busyTimeout;
    private readonly sqlite3 _db;
    private readonly List<SqliteStatement> _statements = [];

    static SqliteDatabase() => Batteries_V2.Init();

    /// <summary>Opens a database, which is made if it does not exist.</summary>
    /// <param name="path">The file.</param>
    /// <param name="busyTimeoutMilliseconds">How long to wait for other processes.</param>
    /// <param name="what">What it is, for messages.</param>
    public SqliteDatabase(string path, int busyTimeoutMilliseconds, string what = Index)
    {
        _what = what;
        _busyTimeout = busyTimeoutMilliseconds;
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

    /// <summary>Whether SQLite has found the file to be damaged.</summary>
    public bool IsDamaged { get; private set; }

    public int Changes => raw.sqlite3_changes(_db);

    /// <summary>
    /// Has the database keep a write-ahead log. SQLite does not wait when two processes do that to a new file at the same moment, one of them is refused at once; so this waits.
    /// </summary>
    public void UseWriteAheadLog()
    {
        const int PauseMilliseconds = 5;
        long deadline = Environment.TickCount64 + _busyTimeout;
        while (true)
        {
            try
            {
                Execute("pragma journal_mode = wal");
                return;
            }
            catch (StorageException e) when (e.IsTransient && Environment.TickCount64 < deadline)
            {
                Thread.Sleep(PauseMilliseconds);
            }
        }
    }

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
        IsDamaged |= primary == raw.SQLITE_CORRUPT;
        return primary switch
        {
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new StorageException($"The {_what} '{Path}' is in use by another process for too long.", isTransient: true),
            raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB => new StorageException(
                $"The {_what} '{Path}' is damaged ({message}).{(_what == Index ? " The data does not depend on it: the index can be rebuilt from the pack files." : "")}"),
            raw.SQLITE_FULL => new StorageException($"The disk that holds the {_what} '{Path}' is full."),
            _ => new StorageException($"The {_what} '{Path}' failed: {message} (SQLite error {code})."),
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
