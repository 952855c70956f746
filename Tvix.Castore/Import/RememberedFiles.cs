using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>What a <see cref="ChangeCache"/> knows of the files of one folder, or of one file that is imported by itself.</summary>
/// <remarks>
/// <code>
/// value = { length of the name (1 byte) name inode size (8 each) mtime ctime (8 seconds, 4 nanoseconds each) digest (32) }
/// </code>
/// Little-endian, names in ascending order of their bytes. A file that is imported by itself has the empty name.
/// <para>The walk calls <see cref="TryFind"/> and <see cref="Saw"/>; <see cref="Remember"/> is called when it is through with the folder and the digests are known.</para>
/// </remarks>
internal sealed class RememberedFiles
{
    private const int FixedSize = 1 + 8 + 8 + 12 + 12 + B3Digest.Size;
    private const int MarginSeconds = 2;

    private readonly ChangeCache _cache;
    private readonly B3Digest _key;
    private readonly ulong _device;
    private readonly long _lookedAt; // in seconds
    private readonly byte[]? _remembered;
    private readonly List<Seen> _seen = [];
    private int _at;
    private bool _isNew; // something that was not remembered
    private bool _hasUnsafe; // something that cannot be remembered yet

    private RememberedFiles(ChangeCache cache, B3Digest key, ulong device)
    {
        _cache = cache;
        _key = key;
        _device = device;
        _lookedAt = cache.TimeProvider.GetUtcNow().ToUnixTimeSeconds();
        _remembered = cache.Find(key);
    }

    /// <summary>A file that was seen.</summary>
    /// <param name="Entry">Which entry of the directory it becomes.</param>
    /// <param name="Inode">Its inode.</param>
    /// <param name="Size">Its size.</param>
    /// <param name="Modified">When it was written to.</param>
    /// <param name="Changed">When it or its inode was changed.</param>
    private readonly record struct Seen(int Entry, ulong Inode, ulong Size, LibC.FileTime Modified, LibC.FileTime Changed);

    /// <summary>Whether anything is remembered; also that there were no files.</summary>
    public bool Any => _remembered is not null;

    /// <summary>What is known of the files in a folder, or of a file that is no folder's entry; <see langword="null"/> where nothing can be remembered.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="place">The folder or file, open.</param>
    /// <param name="status">What it is.</param>
    public static RememberedFiles? Of(ChangeCache cache, int place, in LibC.FileStatus status)
    {
        LibC.FileSystem fileSystem = LibC.FileSystemOf(place);
        return HasHonestTimes(fileSystem) ? new RememberedFiles(cache, KeyOf(in status, fileSystem), status.Device) : null;
    }

    /// <summary>What is known of the files in a folder, or of a file that is no folder's entry; <see langword="null"/> also when it is not there.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="path">The folder or file. The path ends with a NUL byte.</param>
    public static RememberedFiles? At(ChangeCache cache, ReadOnlySpan<byte> path)
    {
        int place = LibC.OpenAt(LibC.CurrentFolder, path, LibC.PathOnly | LibC.NoFollow);
        if (place < 0)
        {
            return null;
        }

        try
        {
            return LibC.Stat(place, out LibC.FileStatus status) == 0 ? Of(cache, place, in status) : null;
        }
        finally
        {
            _ = LibC.Close(place);
        }
    }

    /// <summary>Where the files of a folder, or a file, are remembered.</summary>
    internal static B3Digest KeyOf(in LibC.FileStatus status, LibC.FileSystem fileSystem)
    {
        Span<byte> place = stackalloc byte[32];
        BinaryPrimitives.WriteInt64LittleEndian(place, status.Type == LibC.FileType.Folder ? 1 : 2);
        BinaryPrimitives.WriteUInt64LittleEndian(place[8..], status.Device);
        BinaryPrimitives.WriteUInt64LittleEndian(place[16..], status.Inode);
        BinaryPrimitives.WriteUInt64LittleEndian(place[24..], fileSystem.Identifier); // after another one was mounted there, the device may have the same number
        return Blake3Hasher.HashData(place);
    }

    /// <summary>The digest of a file if it is unchanged. Files are asked for in ascending order of their names.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="status">What it is now.</param>
    /// <param name="digest">The digest.</param>
    public bool TryFind(ReadOnlySpan<byte> name, in LibC.FileStatus status, out B3Digest digest)
    {
        while (_remembered is not null && _remembered.Length - _at >= FixedSize)
        {
            ReadOnlySpan<byte> entry = _remembered.AsSpan(_at);
            int length = entry[0];
            if (entry.Length < FixedSize + length)
            {
                break;
            }

            int order = entry.Slice(1, length).SequenceCompareTo(name);
            if (order > 0)
            {
                break;
            }

            _at += FixedSize + length;
            if (order == 0)
            {
                digest = new B3Digest(entry.Slice(FixedSize + length - B3Digest.Size, B3Digest.Size));
                return status.Device == _device && IsSame(entry[(1 + length)..], in status);
            }
        }

        digest = default;
        return false;
    }

    private static bool IsSame(ReadOnlySpan<byte> entry, in LibC.FileStatus status)
    {
        Span<byte> now = stackalloc byte[FixedSize - 1 - B3Digest.Size];
        Write(now, status.Inode, status.Length, status.Modified, status.Changed);
        return entry[..now.Length].SequenceEqual(now);
    }

    private static void Write(Span<byte> to, ulong inode, ulong size, LibC.FileTime modified, LibC.FileTime changed)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, inode);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], size);
        BinaryPrimitives.WriteInt64LittleEndian(to[16..], modified.Seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(to[24..], modified.Nanoseconds);
        BinaryPrimitives.WriteInt64LittleEndian(to[28..], changed.Seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(to[36..], changed.Nanoseconds);
    }

    /// <summary>A file is unchanged.</summary>
    /// <param name="entry">Which entry of the directory it becomes.</param>
    /// <param name="status">What it is.</param>
    public void SawUnchanged(int entry, in LibC.FileStatus status) =>
        _seen.Add(new Seen(entry, status.Inode, status.Length, status.Modified, status.Changed));

    /// <summary>Whether a file can be remembered by what it is now, provided that it is still that when it has been read from here on.</summary>
    /// <param name="file">The file, just opened.</param>
    /// <param name="status">What it is.</param>
    public bool IsSafe(int file, in LibC.FileStatus status)
    {
        // What is mounted on a name in the folder may be on any file system. And the kernel sets the times when a write begins, so they do not tell of the bytes that one
        // under way is still to change; but its writer has the file open.
        return status.Device == _device && IsOlder(status.Modified) && IsOlder(status.Changed) && LibC.HasNoWriter(file);
    }

    /// <summary>A file was read.</summary>
    /// <param name="entry">Which entry of the directory it becomes.</param>
    /// <param name="status">What it was before it was read, and is still.</param>
    /// <param name="isSafe">What <see cref="IsSafe"/> said before it was read.</param>
    public void SawRead(int entry, in LibC.FileStatus status, bool isSafe)
    {
        if (isSafe)
        {
            SawUnchanged(entry, in status);
            _isNew = true;
        }
        else
        {
            _hasUnsafe = true;
        }
    }

    /// <summary>Whether whatever is written to the file from now on gets another time.</summary>
    private bool IsOlder(LibC.FileTime time) => time.Seconds < _lookedAt - MarginSeconds; // rounded down, both: it is between two and three seconds

    /// <summary>Whether it is a file system of this machine that sets the time of change of a file whenever something about it changes.</summary>
    /// <remarks>One that is mounted read-only may be an image, made with any times, beside others with the same.</remarks>
    internal static bool HasHonestTimes(LibC.FileSystem fileSystem) => fileSystem.IsWritable && fileSystem.Kind
        is 0xEF53 // ext2, ext3, ext4
        or 0x58465342 // XFS
        or 0x9123683E // Btrfs
        or 0xF2F52010 // F2FS
        or 0x2FC12FC1 // ZFS
        or 0xCA451A4E // bcachefs
        or 0x01021994 // tmpfs
        or 0x794C7630; // overlayfs

    /// <summary>Remembers the files, now that their digests are known.</summary>
    /// <param name="entries">All entries of the directory, in the order of the walk.</param>
    public void Remember(ReadOnlySpan<DirectoryEntry> entries)
    {
        // What has gone since does no harm.
        if (!_isNew && (_remembered is not null || _hasUnsafe))
        {
            return;
        }

        int length = 0;
        foreach (Seen seen in _seen)
        {
            length = checked(length + FixedSize + entries[seen.Entry].Name.Length);
        }

        _cache.Remember(_key, length, entries, WriteAll);
    }

    private void WriteAll(Span<byte> rest, ReadOnlySpan<DirectoryEntry> entries)
    {
        foreach (ref readonly Seen seen in CollectionsMarshal.AsSpan(_seen))
        {
            ReadOnlySpan<byte> name = entries[seen.Entry].Name.Bytes;
            rest[0] = (byte)name.Length;
            name.CopyTo(rest[1..]);
            rest = rest[(1 + name.Length)..];
            Write(rest, seen.Inode, seen.Size, seen.Modified, seen.Changed);
            ((Node.File)entries[seen.Entry].Node).Digest.CopyTo(rest[(FixedSize - 1 - B3Digest.Size)..]);
            rest = rest[(FixedSize - 1)..];
        }
    }
}
