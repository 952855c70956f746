using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>
/// The index of the embedded store: which record lies where. It is derived data, and can be rebuilt from the pack files at any time.
/// </summary>
/// <remarks>
/// <code>
/// meta       (name, value)                            'format' = 1
/// packs      (id, slot, length)                       slot: the writer that appends to it, null when it is full; length: what the index covers
/// objects    (key, rest, pack, offset, stored, size)  chunks, blobs, directories
/// collisions (kind, digest, pack, offset, stored, size)
/// named      (key, time, pack, offset, stored)
/// </code>
/// The key of an object is the first eight bytes of its digest with the kind in the lowest two bits: a table keyed by a number is a third smaller and faster than
/// one keyed by 32 bytes. The remaining bytes stand in the row and are compared; two digests with the same key go to the table of collisions, so that the
/// answer never depends on chance.
/// Readers rent connections from a pool; all writing goes through one connection, guarded by the caller.
/// </remarks>
internal sealed class PackIndex : IDisposable
{
    public const string FileName = "index.db";
    public const int FormatVersion = 1;

    private const int RestOffset = 7; // the low bits of the eighth byte are not in the key

    private readonly string _path;
    private readonly int _busyTimeout;
    private readonly bool _flush;
    private readonly SqliteDatabase _writer;
    private readonly SqliteStatement _insertObject, _insertCollision, _findObject, _insertNamed, _setLength, _begin, _commit;
    private readonly ConcurrentBag<Reader> _readers = [];
    private volatile bool _disposed;

    private PackIndex(string path, int busyTimeout, bool flush)
    {
        _path = path;
        _busyTimeout = busyTimeout;
        _flush = flush;
        _writer = new SqliteDatabase(path, busyTimeout);
        try
        {
            _writer.UseWriteAheadLog();
            _writer.Execute($"pragma synchronous = {(flush ? "normal" : "off")}");
            _writer.Execute("pragma cache_size = -16384");
            CreateSchema();
            _insertObject = _writer.Prepare("insert or ignore into objects values (?, ?, ?, ?, ?, ?)");
            _insertCollision = _writer.Prepare("insert or ignore into collisions values (?, ?, ?, ?, ?, ?)");
            _findObject = _writer.Prepare("select rest from objects where key = ?");
            _insertNamed = _writer.Prepare(
                "insert into named values (?, ?, ?, ?, ?) on conflict (key) do update set time = excluded.time, pack = excluded.pack, "
                + "offset = excluded.offset, stored = excluded.stored where excluded.time > time");
            _setLength = _writer.Prepare("update packs set length = max(length, ?) where id = ?");
            _begin = _writer.Prepare("begin immediate");
            _commit = _writer.Prepare("commit");
        }
        catch
        {
            _writer.Dispose();
            throw;
        }
    }

    public static PackIndex Open(string folder, TimeSpan busyTimeout, bool flush) =>
        new(System.IO.Path.Combine(folder, FileName), (int)busyTimeout.TotalMilliseconds, flush);

    private void CreateSchema()
    {
        using SqliteStatement exists = _writer.PrepareOnce("select count(*) from sqlite_schema where name = 'meta'");
        if (ScalarOf(exists) == 0)
        {
            _writer.Execute("begin immediate");
            if (ScalarOf(exists) == 0) // another process may have been faster
            {
                _writer.Execute("create table meta (name text primary key, value) without rowid");
                _writer.Execute("create table packs (id integer primary key, slot integer unique, length integer not null)");
                _writer.Execute(
                    "create table objects (key integer primary key, rest blob not null, pack integer not null, offset integer not null, "
                    + "stored integer not null, size integer not null)");
                _writer.Execute(
                    "create table collisions (kind integer, digest blob, pack integer not null, offset integer not null, "
                    + "stored integer not null, size integer not null, primary key (kind, digest)) without rowid");
                _writer.Execute(
                    "create table named (key blob primary key, time integer not null, pack integer not null, offset integer not null, "
                    + "stored integer not null) without rowid");
                _writer.Execute($"insert into meta values ('format', {FormatVersion})");
            }

            _writer.Execute("commit");
        }

        using SqliteStatement format = _writer.PrepareOnce("select value from meta where name = 'format'");
        long version = ScalarOf(format);
        if (version != FormatVersion)
        {
            throw new StorageException(
                $"The store at '{System.IO.Path.GetDirectoryName(_path)}' has format {version}; this version of the library knows format {FormatVersion}.");
        }
    }

    private static long ScalarOf(SqliteStatement statement)
    {
        bool found = statement.Step();
        long value = found ? statement.GetInt64(0) : 0;
        statement.Reset();
        return value;
    }

    // ---- writing: the caller makes sure that one thread at a time is here ----

    /// <summary>Adds rows and notes up to where the index covers a pack, in one transaction.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="pack">The pack.</param>
    /// <param name="packLength">Up to where the index now covers it.</param>
    /// <param name="toDisk">Whether the index is on disk when this returns; otherwise a power loss may take it back.</param>
    public void Commit(List<IndexRow> rows, int pack, long packLength, bool toDisk = false)
    {
        InTransaction(toDisk, () =>
        {
            ReadOnlySpan<IndexRow> span = CollectionsMarshal.AsSpan(rows);
            using KeyOrder order = new(span.Length);
            for (int i = 0; i < span.Length; i++)
            {
                order.Keys[i] = KeyOf(span[i].Kind, span[i].Key);
            }

            foreach (int i in order.Sort())
            {
                Insert(in span[i]);
            }

            _setLength.Bind(1, packLength);
            _setLength.Bind(2, pack);
            _setLength.Run();
        });
    }

    private void Insert(ref readonly IndexRow row)
    {
        RecordLocation at = row.Location;
        Span<byte> digest = stackalloc byte[B3Digest.Size];
        row.Key.CopyTo(digest);
        if (row.Kind == RecordKind.Named)
        {
            _insertNamed.Bind(1, digest);
            _insertNamed.Bind(2, row.Time);
            _insertNamed.Bind(3, at.Pack);
            _insertNamed.Bind(4, at.Offset);
            _insertNamed.Bind(5, at.StoredLength);
            _insertNamed.Run();
            return;
        }

        long key = KeyOf(row.Kind, row.Key);
        _insertObject.Bind(1, key);
        _insertObject.Bind(2, digest[RestOffset..]);
        _insertObject.Bind(3, at.Pack);
        _insertObject.Bind(4, at.Offset);
        _insertObject.Bind(5, at.StoredLength);
        _insertObject.Bind(6, at.LogicalLength);
        _insertObject.Run();
        if (_writer.Changes != 0)
        {
            return;
        }

        _findObject.Bind(1, key);
        bool same = _findObject.Step() && _findObject.GetBlob(0).SequenceEqual(digest[RestOffset..]);
        _findObject.Reset();
        if (!same)
        {
            _insertCollision.Bind(1, (int)row.Kind);
            _insertCollision.Bind(2, digest);
            _insertCollision.Bind(3, at.Pack);
            _insertCollision.Bind(4, at.Offset);
            _insertCollision.Bind(5, at.StoredLength);
            _insertCollision.Bind(6, at.LogicalLength);
            _insertCollision.Run();
        }
    }

    /// <summary>The pack that the writer of a slot appends to, and up to where the index covers it.</summary>
    public (int Pack, long Length)? FindPackOfSlot(int slot)
    {
        using SqliteStatement find = _writer.PrepareOnce("select id, length from packs where slot = ?");
        find.Bind(1, slot);
        (int, long)? found = find.Step() ? (find.GetInt32(0), find.GetInt64(1)) : null;
        find.Reset();
        return found;
    }

    /// <summary>Closes the pack of a slot, if it has one, and gives it a new one. On disk when this returns.</summary>
    public int BeginPack(int slot)
    {
        int pack = 0;
        InTransaction(toDisk: true, () => // that a pack exists must not be forgotten
        {
            _writer.Execute($"update packs set slot = null where slot = {slot}");
            _writer.Execute($"insert into packs (slot, length) values ({slot}, 0)");
            using SqliteStatement last = _writer.PrepareOnce("select max(id) from packs");
            pack = checked((int)ScalarOf(last));
        });
        return pack;
    }

    /// <summary>Notes a closed pack whose records are all in the index.</summary>
    public void AddPack(int pack, long length) =>
        _writer.Execute($"insert into packs values ({pack}, null, {length}) on conflict (id) do update set length = max(length, excluded.length)");

    private void InTransaction(bool toDisk, Action action)
    {
        toDisk &= _flush;
        if (toDisk)
        {
            _writer.Execute("pragma synchronous = full");
        }

        try
        {
            InTransaction(action);
        }
        finally
        {
            if (toDisk)
            {
                _writer.Execute("pragma synchronous = normal");
            }
        }
    }

    private void InTransaction(Action action)
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
                _writer.Execute("rollback");
            }
            catch (StorageException)
            {
                // SQLite has rolled back by itself; the first error is the one to tell.
            }

            throw;
        }
    }

    // ---- reading: any number of threads ----

    /// <summary>Rents a connection; dispose it to give it back.</summary>
    public Reader Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_readers.TryTake(out Reader? reader))
        {
            return reader;
        }

        SqliteDatabase database = new(_path, _busyTimeout);
        try
        {
            database.Execute("pragma query_only = 1");
            database.Execute("pragma cache_size = -4096");
            return new Reader(this, database);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    private void Return(Reader reader)
    {
        _readers.Add(reader);
        if (_disposed)
        {
            CloseReaders();
        }
    }

    private void CloseReaders()
    {
        while (_readers.TryTake(out Reader? reader))
        {
            reader.Close();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        CloseReaders();
        _writer.Dispose();
    }

    private static long KeyOf(RecordKind kind, B3Digest digest) => (long)((digest.Prefix64 & ~3ul) | (uint)kind);

    /// <summary>A connection for reading, for one thread at a time. What it sees is what was committed when a call began.</summary>
    public sealed class Reader : IDisposable
    {
        private readonly PackIndex _index;
        private readonly SqliteDatabase _database;
        private readonly SqliteStatement _find, _findCollision, _findNamed, _findTime, _begin, _end;

        internal Reader(PackIndex index, SqliteDatabase database)
        {
            _index = index;
            _database = database;
            _find = database.Prepare("select rest, pack, offset, stored, size from objects where key = ?");
            _findCollision = database.Prepare("select pack, offset, stored, size from collisions where kind = ? and digest = ?");
            _findNamed = database.Prepare("select pack, offset, stored from named where key = ?");
            _findTime = database.Prepare("select time from named where key = ?");
            _begin = database.Prepare("begin");
            _end = database.Prepare("commit");
        }

        public bool TryFind(RecordKind kind, B3Digest digest, out RecordLocation location)
        {
            Span<byte> bytes = stackalloc byte[B3Digest.Size];
            digest.CopyTo(bytes);
            if (kind == RecordKind.Named)
            {
                return TryFindNamed(bytes, out location);
            }

            _find.Bind(1, KeyOf(kind, digest));
            bool taken = _find.Step();
            bool found = taken && _find.GetBlob(0).SequenceEqual(bytes[RestOffset..]);
            location = found ? LocationAt(_find, 1) : default;
            _find.Reset();
            if (taken && !found)
            {
                _findCollision.Bind(1, (int)kind);
                _findCollision.Bind(2, bytes);
                found = _findCollision.Step();
                location = found ? LocationAt(_findCollision, 0) : default;
                _findCollision.Reset();
            }

            return found;
        }

        /// <summary>Looks up many objects, which share one snapshot, and each page of the index is read once.</summary>
        /// <param name="kind">What they are; not <see cref="RecordKind.Named"/>.</param>
        /// <param name="digests">Their digests.</param>
        /// <param name="locations">Receives where each is; <see langword="null"/> for one that is not there.</param>
        public void FindMany(RecordKind kind, ReadOnlySpan<B3Digest> digests, Span<RecordLocation?> locations)
        {
            using KeyOrder order = new(digests.Length);
            for (int i = 0; i < digests.Length; i++)
            {
                order.Keys[i] = KeyOf(kind, digests[i]);
            }

            _begin.Run();
            try
            {
                foreach (int i in order.Sort())
                {
                    locations[i] = TryFind(kind, digests[i], out RecordLocation location) ? location : null;
                }
            }
            finally
            {
                _end.Run();
            }
        }

        private bool TryFindNamed(ReadOnlySpan<byte> key, out RecordLocation location)
        {
            _findNamed.Bind(1, key);
            bool found = _findNamed.Step();
            location = found ? new RecordLocation(_findNamed.GetInt32(0), _findNamed.GetInt64(1), _findNamed.GetInt32(2), _findNamed.GetInt64(2)) : default;
            _findNamed.Reset();
            return found;
        }

        /// <summary>The time of a named value; 0 when there is none.</summary>
        public long FindTime(B3Digest key)
        {
            Span<byte> bytes = stackalloc byte[B3Digest.Size];
            key.CopyTo(bytes);
            _findTime.Bind(1, bytes);
            return ScalarOf(_findTime);
        }

        /// <summary>The keys of named values in ascending order, after a given one; at most <paramref name="limit"/>.</summary>
        public List<(B3Digest Key, RecordLocation Location)> ListNamed(B3Digest? after, int limit)
        {
            using SqliteStatement list = _database.PrepareOnce(
                after is null ? "select key, pack, offset, stored from named order by key limit ?"
                : "select key, pack, offset, stored from named where key > ?2 order by key limit ?1");
            list.Bind(1, limit);
            if (after is { } key)
            {
                list.Bind(2, key.ToByteArray());
            }

            List<(B3Digest, RecordLocation)> page = [];
            while (list.Step())
            {
                page.Add((new B3Digest(list.GetBlob(0)), new RecordLocation(list.GetInt32(1), list.GetInt64(2), list.GetInt32(3), list.GetInt64(3))));
            }

            return page;
        }

        /// <summary>Every row, or those of one kind, in the order in which the records lie on disk. SQLite sorts, on disk if need be.</summary>
        public IEnumerable<IndexRow> ListByLocation(RecordKind? kind = null)
        {
            using SqliteStatement list = _database.PrepareOnce(
                "select * from (select pack, offset, stored, size, key & 3 as kind, null, key, rest, 0 from objects "
                + "union all select pack, offset, stored, size, kind, digest, 0, null, 0 from collisions "
                + "union all select pack, offset, stored, stored, 4, key, 0, null, time from named) "
                + (kind is { } only ? $"where kind = {(int)only} " : "") + "order by 1, 2");
            byte[] digest = new byte[B3Digest.Size];
            while (list.Step())
            {
                if (list.IsNull(5))
                {
                    BinaryPrimitives.WriteInt64BigEndian(digest, list.GetInt64(6));
                    list.GetBlob(7).CopyTo(digest.AsSpan(RestOffset));
                }
                else
                {
                    list.GetBlob(5).CopyTo(digest);
                }

                yield return new IndexRow((RecordKind)list.GetInt32(4), new B3Digest(digest), LocationAt(list, 0), list.GetInt64(8));
            }
        }

        /// <summary>The packs, by number.</summary>
        public List<(int Pack, int? Slot, long Length)> ListPacks() => ListPacks("select id, slot, length from packs order by id");

        /// <summary>The packs that a writer appends to, or did when it ended.</summary>
        public List<(int Pack, int? Slot, long Length)> ListOpenPacks() => ListPacks("select id, slot, length from packs where slot is not null");

        private List<(int Pack, int? Slot, long Length)> ListPacks(string query)
        {
            using SqliteStatement list = _database.PrepareOnce(query);
            List<(int, int?, long)> packs = [];
            while (list.Step())
            {
                packs.Add((list.GetInt32(0), list.IsNull(1) ? null : list.GetInt32(1), list.GetInt64(2)));
            }

            return packs;
        }

        /// <summary>For each kind, by its number: how many records there are, what they stand for and what they take, in bytes. Reads the whole index once.</summary>
        public (long Count, long LogicalBytes, long StoredBytes)[] Sum()
        {
            var sums = new (long, long, long)[(int)RecordKind.Named + 1];
            string columns = string.Join(", ", Enumerable.Range(1, (int)RecordKind.Directory).Select(
                kind => $"count(*) filter (where kind = {kind}), coalesce(sum(size) filter (where kind = {kind}), 0), coalesce(sum(stored) filter (where kind = {kind}), 0)"));
            using SqliteStatement objects = _database.PrepareOnce(
                $"select {columns} from (select key & 3 as kind, size, stored from objects union all select kind, size, stored from collisions)");
            objects.Step();
            for (int kind = 1; kind <= (int)RecordKind.Directory; kind++)
            {
                int column = 3 * (kind - 1);
                sums[kind] = (objects.GetInt64(column), objects.GetInt64(column + 1), objects.GetInt64(column + 2));
            }

            using SqliteStatement named = _database.PrepareOnce("select count(*), coalesce(sum(stored), 0) from named");
            named.Step();
            sums[(int)RecordKind.Named] = (named.GetInt64(0), named.GetInt64(1), named.GetInt64(1));
            return sums;
        }

        public void Dispose() => _index.Return(this);

        internal void Close() => _database.Dispose();

        private static RecordLocation LocationAt(SqliteStatement row, int column) =>
            new(row.GetInt32(column), row.GetInt64(column + 1), row.GetInt32(column + 2), row.GetInt64(column + 3));
    }
}
