using System.Buffers;
using System.Runtime.InteropServices;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>The entries of an open folder in ascending order of their bytes, in pooled memory.</summary>
internal struct FolderListing : IDisposable
{
    // struct linux_dirent64: inode (8), offset (8), record length (2), type (1), name with a NUL byte
    private const int LengthOffset = 16;
    private const int TypeOffset = 18;
    private const int NameOffset = 19;

    private byte[] _names;
    private Entry[] _entries;
    private int _used;

    public int Count { get; private set; }

    /// <summary>The name at a position, with the NUL byte that the system's calls want.</summary>
    public readonly ReadOnlySpan<byte> NameWithNull(int index) => _names.AsSpan(_entries[index].Offset, _entries[index].Length + 1);

    public readonly PathComponent Name(int index) => PathComponent.FromValid(_names.AsSpan(_entries[index].Offset, _entries[index].Length).ToArray());

    public readonly LibC.FileType Type(int index) => _entries[index].Type;

    /// <summary>Reads all entries. On failure the system's error code is returned; nothing is held then.</summary>
    public static int TryRead(int folder, byte[] buffer, CancellationToken cancellationToken, out FolderListing listing)
    {
        listing = new FolderListing { _names = ArrayPool<byte>.Shared.Rent(4096), _entries = ArrayPool<Entry>.Shared.Rent(128) };
        while (true)
        {
            nint read = LibC.ReadEntries(folder, buffer);
            if (read <= 0)
            {
                if (read < 0)
                {
                    int error = LibC.LastError;
                    listing.Dispose();
                    return error;
                }

                break;
            }

            listing.Add(buffer.AsSpan(0, (int)read));
            if (cancellationToken.IsCancellationRequested)
            {
                listing.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        listing._entries.AsSpan(0, listing.Count).Sort(new ByName(listing._names));
        return 0;
    }

    private void Add(ReadOnlySpan<byte> records)
    {
        while (!records.IsEmpty)
        {
            int length = MemoryMarshal.Read<ushort>(records[LengthOffset..]);
            ReadOnlySpan<byte> name = records[NameOffset..length];
            name = name[..name.IndexOf((byte)0)];
            var type = (LibC.FileType)records[TypeOffset];
            records = records[length..];
            if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
            {
                continue;
            }

            if (_used + name.Length + 1 > _names.Length)
            {
                Grow(ref _names, _used);
            }

            if (Count == _entries.Length)
            {
                Grow(ref _entries, Count);
            }

            name.CopyTo(_names.AsSpan(_used));
            _names[_used + name.Length] = 0;
            _entries[Count++] = new Entry(_used, (byte)name.Length, type);
            _used += name.Length + 1;
        }
    }

    private static void Grow<T>(ref T[] array, int used)
    {
        T[] larger = ArrayPool<T>.Shared.Rent(array.Length * 2);
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }

    public void Dispose()
    {
        if (_names is not null)
        {
            ArrayPool<byte>.Shared.Return(_names);
            ArrayPool<Entry>.Shared.Return(_entries);
            this = default;
        }
    }

    private readonly record struct Entry(int Offset, byte Length, LibC.FileType Type);

    private readonly struct ByName(byte[] names) : IComparer<Entry>
    {
        public int Compare(Entry x, Entry y) => names.AsSpan(x.Offset, x.Length).SequenceCompareTo(names.AsSpan(y.Offset, y.Length));
    }
}
