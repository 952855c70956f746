using System.Buffers;
using System.Buffers.Binary;
using Tvix.Castore.Blake3;
using Tvix.Castore.Local;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Remembers the digests of files from one import to the next, so that those that did not change need not be opened.</summary>
/// <remarks>
/// <para>A file is taken for unchanged when its folder (file system, device and inode), name, device, inode, size, and times of modification and of change (<c>mtime</c>, <c>ctime</c>) are the same.
/// Nobody but the kernel sets the time of change, so also an edit that keeps the size and puts the time of modification back is seen. The permissions are looked at
/// anew each time. What is remembered counts only as long as the store has the blob.</para>
/// <para>A file whose times are less than two seconds older than the moment it was looked at is not remembered: it could be written to once more within the same tick of
/// the file system's clock. Nor is one on a file system that is not known to keep honest times of change: only ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs and
/// overlayfs are, unless they are mounted read-only; on network file systems, FUSE and images, every file is read each time.</para>
/// <para>Nor is a file remembered that somebody has open for writing, or mapped, when it is read: the kernel sets the times when a write begins, and the bytes may come later. That is asked with
/// a lease for reading (<c>fcntl(2)</c>), which is given back at once, before the file is read; whoever opens the file for writing at that very moment waits for it, or is told to try again if it
/// was opened with <c>O_NONBLOCK</c>. Only the owner of a file may have one, or a process with the capability <c>CAP_LEASE</c>, and not
/// every file system gives any: where there are none, nothing is remembered.</para>
/// <para>It cannot see what changes a file behind the back of its times:</para>
/// <list type="bullet">
/// <item>writing to the block device;</item>
/// <item>a clock that is set back to the very same tick;</item>
/// <item>a file system that was put back to an earlier snapshot and then given other contents with the same times;</item>
/// <item>an image that is mounted for writing in the place of another one with the same identifier (on XFS and F2FS, that is the device), inodes, sizes and times;</item>
/// <item>a loss of power: what was written over the contents of a file may be on the disk before the new times are, and with <c>lazytime</c> long before;</item>
/// <item>on tmpfs, writing through a memory mapping to a part that was read through it before.</item>
/// </list>
/// <para>It lives in one SQLite file, which any number of processes may use at a time and which must be on a local disk, writable by those only who may write to the store. Nothing that
/// is wrong with it makes an import fail: <see cref="Failure"/> tells of it, and all files are read. An instance may be used by several threads and imports.</para>
/// </remarks>
public sealed class ChangeCache : IDisposable
{
    // rows(id, used, content): id is the beginning of a key, used the time of the last use in seconds since 1970,
    // content = key (32 bytes) value check (the first 16 bytes of the BLAKE3 of both). A row that does not check is no row.
    private const int ApplicationId = 0x54764343; // TvCC
    private const int FormatVersion = 1;
    private const int CheckSize = 16;
    private const int MaxValue = 64 << 20;
    private const int MaxPendingBytes = 4 << 20;
    internal const int MaxPendingUses = 10_000;
    private const long UsedIsRefreshedAfter = 24 * 3600;

    private readonly Lock _gate = new();
    private readonly long _maxBytes;
    private readonly Dictionary<B3Digest, byte[]> _pending = [];
    private readonly HashSet<long> _used = [];
    private Connection? _connection;
    private bool _damaged; // found when it was opened
    private int _pendingBytes;

    private ChangeCache(string path, ChangeCacheOptions options)
    {
        Path = path;
        _maxBytes = options.MaxBytes;
        TimeProvider = options.TimeProvider;
    }

    /// <summary>The file, as an absolute path.</summary>
    public string Path { get; }

    /// <summary>What went wrong with the file; <see langword="null"/> when nothing did. From then on nothing is remembered, and all files are read.</summary>
    /// <remarks>A file that is damaged is removed, so that the next instance starts with an empty one. One that is something else is left alone.</remarks>
    public StorageException? Failure { get; private set; }

    internal TimeProvider TimeProvider { get; }

    /// <summary>Opens a cache; the file, and the folder it is in, are made if they do not exist, for this user only.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
    /// <returns>The cache, which the caller disposes. Look at <see cref="Failure"/>: it is returned even if the file is of no use.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty, or a setting is out of its range.</exception>
    public static ChangeCache Open(string path, ChangeCacheOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        options ??= new ChangeCacheOptions();
        options.Validate();
        ChangeCache cache = new(System.IO.Path.GetFullPath(path), options);
        lock (cache._gate)
        {
            cache.Try(() => cache._connection = Connection.Open(cache.Path, options.BusyTimeoutMilliseconds, out cache._damaged));
        }

        return cache;
    }

    /// <summary>What is remembered under a key; <see langword="null"/> when nothing is.</summary>
    internal byte[]? Find(B3Digest key)
    {
        lock (_gate)
        {
            if (_pending.TryGetValue(key, out byte[]? content))
            {
                return content[B3Digest.Size..^CheckSize];
            }

            byte[]? value = null;
            Try(() => value = FindStored(key));
            if (_used.Count >= MaxPendingUses)
            {
                Flush();
            }

            return value;
        }
    }

    private byte[]? FindStored(B3Digest key)
    {
        if (_connection is not { } connection)
        {
            return null;
        }

        long id = IdOf(key);
        connection.Find.Bind(1, id);
        try
        {
            if (!connection.Find.Step() || !TryCheck(key, connection.Find.GetBlob(1), out ReadOnlySpan<byte> value))
            {
                return null;
            }

            if (Now() - connection.Find.GetInt64(0) > UsedIsRefreshedAfter)
            {
                _used.Add(id);
            }

            return value.ToArray();
        }
        finally
        {
            connection.Find.Reset();
        }
    }

    /// <summary>Remembers something, in the place of what was remembered under the key. It is in the file after <see cref="Flush"/>.</summary>
    internal void Remember(B3Digest key, ReadOnlySpan<byte> value) => Remember(key, value.Length, value, static (to, value) => value.CopyTo(to));

    /// <summary>Remembers something that is written where it is needed, since it can be large.</summary>
    internal void Remember<TState>(B3Digest key, int length, TState state, SpanAction<byte, TState> write)
        where TState : allows ref struct
    {
        if (length > Math.Min(MaxValue, _maxBytes / 4))
        {
            return;
        }

        byte[] content = new byte[B3Digest.Size + length + CheckSize];
        key.CopyTo(content);
        write(content.AsSpan(B3Digest.Size, length), state);
        CheckOf(content.AsSpan(..^CheckSize), content.AsSpan(^CheckSize..));
        lock (_gate)
        {
            if (_connection is null)
            {
                return;
            }

            _pendingBytes += content.Length - (_pending.TryGetValue(key, out byte[]? former) ? former.Length : 0);
            _pending[key] = content;
            if (_pendingBytes > MaxPendingBytes)
            {
                Flush();
            }
        }
    }

    /// <summary>Writes what is new to the file. When another process is at it for too long, that is forgotten instead.</summary>
    internal void Flush()
    {
        lock (_gate)
        {
            if (_connection is { } connection && (_pending.Count > 0 || _used.Count > 0))
            {
                Try(() => Write(connection));
            }

            _pending.Clear();
            _pendingBytes = 0;
            _used.Clear();
        }
    }

    private void Write(Connection connection)
    {
        long now = Now();
        connection.InTransaction(() =>
        {
            foreach ((B3Digest key, byte[] content) in _pending)
            {
                connection.Insert.Bind(1, IdOf(key));
                connection.Insert.Bind(2, now);
                connection.Insert.Bind(3, content);
                connection.Insert.Run();
            }

            foreach (long id in _used)
            {
                connection.Use.Bind(1, now);
                connection.Use.Bind(2, id);
                connection.Use.Run();
            }

            connection.Shrink(_maxBytes);
        });
    }

    /// <summary>Does something with the file, and remembers what goes wrong with it.</summary>
    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (StorageException e) when (e.IsTransient)
        {
            // Another process is at it. To have remembered nothing does no harm.
        }
        catch (Exception e) when (e is StorageException or IOException or UnauthorizedAccessException)
        {
            bool damaged = _connection?.Database.IsDamaged ?? _damaged;
            _connection?.Dispose();
            _connection = null;
            Failure = new StorageException($"The change cache '{Path}' is not used: {e.Message}{(damaged && Remove() ? " It has been removed." : "")}", e);
        }
    }

    private bool Remove()
    {
        try
        {
            // What another process that has it open still writes goes nowhere; should it take the new file's log with it, that file is damaged in its turn.
            File.Delete(Path);
            File.Delete(Path + "-wal");
            File.Delete(Path + "-shm");
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private long Now() => TimeProvider.GetUtcNow().ToUnixTimeSeconds();

    private static long IdOf(B3Digest key)
    {
        Span<byte> bytes = stackalloc byte[B3Digest.Size];
        key.CopyTo(bytes);
        return BinaryPrimitives.ReadInt64BigEndian(bytes);
    }

    private static void CheckOf(ReadOnlySpan<byte> keyAndValue, Span<byte> check)
    {
        Span<byte> hash = stackalloc byte[B3Digest.Size];
        Blake3Hasher.HashData(keyAndValue, hash);
        hash[..CheckSize].CopyTo(check);
    }

    private static bool TryCheck(B3Digest key, ReadOnlySpan<byte> content, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (content.Length < B3Digest.Size + CheckSize || new B3Digest(content[..B3Digest.Size]) != key)
        {
            return false;
        }

        Span<byte> check = stackalloc byte[CheckSize];
        CheckOf(content[..^CheckSize], check);
        value = content[B3Digest.Size..^CheckSize];
        return check.SequenceEqual(content[^CheckSize..]);
    }

    /// <summary>Writes what is new, and closes the file.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Flush();
            _connection?.Dispose();
            _connection = null;
        }
    }

    /// <summary>The open file.</summary>
    private sealed class Connection : IDisposable
    {
        private const int MinPageSize = 512;
        private const int ApplicationIdOffset = 68; // https://www.sqlite.org/fileformat2.html#the_database_header

        private readonly SqliteStatement _begin, _commit;

        private Connection(SqliteDatabase database)
        {
            Database = database;
            Find = database.Prepare("select used, content from rows where id = ?");
            Insert = database.Prepare("insert or replace into rows values (?, ?, ?)");
            Use = database.Prepare("update rows set used = ? where id = ?");
            _begin = database.Prepare("begin immediate");
            _commit = database.Prepare("commit");
        }

        public SqliteDatabase Database { get; }

        public SqliteStatement Find { get; }

        public SqliteStatement Insert { get; }

        public SqliteStatement Use { get; }

        /// <summary>Opens the file. When that fails, <paramref name="damaged"/> says whether the file is damaged and certainly one of ours.</summary>
        public static Connection Open(string path, int busyTimeoutMilliseconds, out bool damaged)
        {
            damaged = false;
            MakeFile(path);
            SqliteDatabase database = new(path, busyTimeoutMilliseconds, "file");
            try
            {
                CheckFormat(database);
                database.UseWriteAheadLog();
                database.Execute("pragma synchronous = off"); // what a crash leaves of it is held to its checks
                return new Connection(database);
            }
            catch
            {
                bool isDamaged = database.IsDamaged;
                database.Dispose();
                damaged = isDamaged && IsOurs(path);
                throw;
            }
        }

        private static void MakeFile(string path)
        {
            FileInfo file = new(path);
            if (file.Exists)
            {
                if (file.Length is > 0 and < MinPageSize)
                {
                    throw new StorageException("It is not a database."); // SQLite would take it for an empty one
                }
            }
            else
            {
                string folder = System.IO.Path.GetDirectoryName(path)!;
                FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete };
                if (OperatingSystem.IsWindows())
                {
                    Directory.CreateDirectory(folder);
                }
                else
                {
                    Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                    options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
                }

                new FileStream(path, options).Dispose();
            }
        }

        /// <summary>Whether the file certainly begins like one of ours.</summary>
        private static bool IsOurs(string path)
        {
            Span<byte> header = stackalloc byte[ApplicationIdOffset + sizeof(int)];
            try
            {
                using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                return file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length
                    && header.StartsWith("SQLite format 3\0"u8) && BinaryPrimitives.ReadInt32BigEndian(header[ApplicationIdOffset..]) == ApplicationId;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false; // what is wrong with the database is the error to tell
            }
        }

        private static void CheckFormat(SqliteDatabase database)
        {
            if (Number(database, "pragma application_id") == 0 && Number(database, "select count(*) from sqlite_schema") == 0)
            {
                database.Execute("begin immediate");
                if (Number(database, "select count(*) from sqlite_schema") == 0) // another process may have been faster
                {
                    database.Execute($"pragma application_id = {ApplicationId}");
                    database.Execute($"pragma user_version = {FormatVersion}");
                    database.Execute("create table rows (id integer primary key, used integer not null, content blob not null)");
                    database.Execute("create index rows_used on rows (used)");
                }

                database.Execute("commit");
            }

            if (Number(database, "pragma application_id") != ApplicationId)
            {
                throw new StorageException("It is a database of something else.");
            }

            long version = Number(database, "pragma user_version");
            if (version != FormatVersion)
            {
                throw new StorageException($"It has format {version}; this version of the library knows format {FormatVersion}.");
            }
        }

        public void InTransaction(Action action)
        {
            _begin.Run();
            try
            {
                action();
                _commit.Run();
            }
            catch
            {
                try
                {
                    Database.Execute("rollback");
                }
                catch (StorageException)
                {
                    // SQLite has rolled back by itself; the first error is the one to tell.
                }

                throw;
            }
        }

        /// <summary>Forgets what was not used for longest, until what is left has no more than so many bytes.</summary>
        public void Shrink(long maxBytes)
        {
            long pageSize = Number(Database, "pragma page_size");
            while ((Number(Database, "pragma page_count") - Number(Database, "pragma freelist_count")) * pageSize > maxBytes)
            {
                Database.Execute("delete from rows where id in (select id from rows order by used limit (select max(1, count(*) / 4) from rows))");
                if (Database.Changes == 0)
                {
                    return;
                }
            }
        }

        private static long Number(SqliteDatabase database, string query)
        {
            using SqliteStatement statement = database.PrepareOnce(query);
            long value = statement.Step() ? statement.GetInt64(0) : 0;
            statement.Reset();
            return value;
        }

        public void Dispose() => Database.Dispose();
    }
}
