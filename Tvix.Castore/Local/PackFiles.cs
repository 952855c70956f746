using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Compression;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <summary>Reads records from pack files and checks them. Keeps a bounded number of files open.</summary>
internal sealed partial class PackFiles(string folder) : IDisposable
{
    public const string FolderName = "packs";
    private const int MaxOpenFiles = 64;
    private const int LargePayload = 64 << 10; // from here on a copy costs more than a second call of the system

    private readonly Lock _gate = new();
    private readonly Dictionary<int, SafeFileHandle> _open = [];
    private readonly Queue<int> _order = new(); // oldest first; packs are few and files cheap to open again
    private bool _disposed;

    /// <summary>For tests: is called before a write, and may throw what the system would.</summary>
    public Action<PackOperation>? FaultInjection { get; init; }

    public string Folder { get; } = System.IO.Path.Combine(folder, FolderName);

    public string PathOf(int pack) => System.IO.Path.Combine(Folder, $"{pack:d8}.pack");

    public static int? NumberOf(string path) =>
        System.IO.Path.GetExtension(path) == ".pack" && int.TryParse(System.IO.Path.GetFileNameWithoutExtension(path), out int pack) ? pack : null;

    /// <summary>Reads a record's payload as it stands for, verified: against the digest, or for lists and named values against the record's check.</summary>
    /// <exception cref="DigestMismatchException">The record is damaged or gone.</exception>
    /// <exception cref="StorageException">The disk failed, or the payload is compressed and the system has no zstd.</exception>
    public BlobContent Read(RecordKind kind, B3Digest key, RecordLocation location)
    {
        if (location.StoredLength is < 0 or > RecordHeader.MaxStoredLength)
        {
            throw Damaged(key, location, "the length in the index is absurd");
        }

        if (kind == RecordKind.Chunk && location.IsRaw && location.StoredLength >= LargePayload
            && TryReadRaw(key, location) is { } raw)
        {
            return raw;
        }

        int length = RecordHeader.Size + location.StoredLength;
        byte[] record = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Span<byte> bytes = record.AsSpan(0, length);
            CheckRecord(bytes[..ReadAt(location.Pack, location.Offset, bytes)], kind, key, location, out RecordHeader header);
            return Unpack(in header, bytes[RecordHeader.Size..], location);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(record);
        }
    }

    /// <summary>Reads a chunk the way it is stored; see <see cref="IStoredPieceSource"/> for what is checked.</summary>
    /// <inheritdoc cref="Read"/>
    public StoredPiece ReadStored(B3Digest key, RecordLocation location)
    {
        if (location.LogicalLength > Array.MaxLength || location.StoredLength is < 0 or > RecordHeader.MaxStoredLength)
        {
            throw Damaged(key, location, "the length in the index is absurd");
        }

        if (location.IsRaw)
        {
            BlobContent content = Read(RecordKind.Chunk, key, location);
            return new StoredPiece(content, content.Memory, content.Memory.Length, isZstdFrame: false);
        }

        BlobContent record = BlobContent.Rent(RecordHeader.Size + location.StoredLength);
        try
        {
            Span<byte> bytes = record.Memory.Span;
            CheckRecord(bytes[..ReadAt(location.Pack, location.Offset, bytes)], RecordKind.Chunk, key, location, out RecordHeader header);
            CheckFrame(in header, bytes[RecordHeader.Size..], location);
            return new StoredPiece(record, record.Memory[RecordHeader.Size..], (int)header.LogicalLength, isZstdFrame: true);
        }
        catch
        {
            record.Dispose();
            throw;
        }
    }

    /// <summary>Checks a payload that is passed on compressed, as far as that goes without decompressing it.</summary>
    /// <exception cref="DigestMismatchException">It is not the frame that the record says.</exception>
    private void CheckFrame(in RecordHeader header, ReadOnlySpan<byte> payload, RecordLocation location)
    {
        if (header.Codec != RecordCodec.Zstd || !ZstdFrame.TryMeasure(payload, out ulong length) || length != (ulong)header.LogicalLength)
        {
            throw Damaged(header.Key, location, "the payload is not the frame that its record says");
        }
    }

    /// <summary>Checks what was read of a record against the index.</summary>
    /// <exception cref="DigestMismatchException">What was read is not the whole record that the index tells of.</exception>
    private void CheckRecord(ReadOnlySpan<byte> bytes, RecordKind kind, B3Digest key, RecordLocation location, out RecordHeader header)
    {
        if (bytes.Length < RecordHeader.Size + location.StoredLength)
        {
            throw Damaged(key, location, "the file ends within the record");
        }

        if (!RecordHeader.TryRead(bytes, out header)
            || header.Kind != kind || header.Key != key || header.StoredLength != location.StoredLength || header.LogicalLength != location.LogicalLength
            || !header.IsIntact(bytes, bytes[RecordHeader.Size..]))
        {
            throw Damaged(key, location, "the record is not what the index says");
        }
    }

    /// <summary>Reads a large chunk that is stored as it is straight to where the caller gets it; <see langword="null"/> when the record is something else.</summary>
    private BlobContent? TryReadRaw(B3Digest key, RecordLocation location)
    {
        Span<byte> head = stackalloc byte[RecordHeader.Size];
        if (ReadAt(location.Pack, location.Offset, head) < head.Length
            || !RecordHeader.TryRead(head, out RecordHeader header)
            || header.Kind != RecordKind.Chunk || header.Codec != RecordCodec.Raw || header.Key != key
            || header.StoredLength != location.StoredLength || header.LogicalLength != location.LogicalLength
            || !header.IsIntact(head, default))
        {
            return null; // and let the general way tell what is wrong
        }

        BlobContent content = BlobContent.Rent(location.StoredLength);
        try
        {
            if (ReadAt(location.Pack, location.Offset + RecordHeader.Size, content.Memory.Span) < location.StoredLength)
            {
                throw Damaged(key, location, "the file ends within the record");
            }

            B3Digest actual = Blake3Hasher.HashData(content.Memory.Span);
            return actual == key ? content : throw new DigestMismatchException(key, actual, Describe(location));
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>Decompresses a payload and checks it against the digest, where it has one.</summary>
    private BlobContent Unpack(ref readonly RecordHeader header, ReadOnlySpan<byte> payload, RecordLocation location)
    {
        // A list of chunks stands for the blob, and is itself as long as it is stored.
        long length = header.Kind == RecordKind.Blob ? header.StoredLength : header.LogicalLength;
        if (length > Array.MaxLength)
        {
            throw Damaged(header.Key, location, "the length is absurd");
        }

        BlobContent content = BlobContent.Rent((int)length);
        try
        {
            Span<byte> bytes = content.Memory.Span;
            bool whole = header.Codec switch
            {
                RecordCodec.Raw => payload.Length == bytes.Length && payload.TryCopyTo(bytes),
                _ => Zstd.TryDecompress(payload, bytes, out int written) && written == bytes.Length,
            };
            if (!whole)
            {
                throw Damaged(header.Key, location, "the payload does not have the length that its record gives");
            }

            if (header.Kind is RecordKind.Chunk or RecordKind.Directory)
            {
                B3Digest actual = Blake3Hasher.HashData(bytes);
                if (actual != header.Key)
                {
                    throw new DigestMismatchException(header.Key, actual, Describe(location));
                }
            }

            return content;
        }
        catch (InvalidDataException e)
        {
            content.Dispose();
            throw new DigestMismatchException(header.Key, null, $"{Describe(location)}: {e.Message}", e);
        }
        catch (PlatformNotSupportedException e)
        {
            content.Dispose();
            throw new StorageException($"{header.Key} is stored compressed, and cannot be read here: {e.Message}", e);
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads records one after the other from an offset on, each fully checked. Ends at the first that is not intact, or at the end of the file.
    /// </summary>
    public IEnumerable<(RecordHeader Header, long Offset)> Scan(int pack, long offset)
    {
        long length = LengthOf(pack);
        while (TryReadHeader(pack, offset, length, out RecordHeader header) && IsIntact(pack, offset, in header))
        {
            yield return (header, offset);
            offset += header.TotalLength;
        }
    }

    /// <summary>As <see cref="Scan"/>, but goes on after what is not intact with the next record that is.</summary>
    /// <param name="pack">The pack.</param>
    /// <param name="offset">Where to begin.</param>
    /// <param name="length">Where to end.</param>
    /// <param name="damaged">Is told of every stretch that was left out: where it begins, and its length.</param>
    public IEnumerable<(RecordHeader Header, long Offset)> Salvage(int pack, long offset, long length, Action<long, long> damaged)
    {
        long damagedFrom = -1;
        while (offset < length)
        {
            bool plausible = TryReadHeader(pack, offset, length, out RecordHeader header);
            if (plausible && IsIntact(pack, offset, in header))
            {
                if (damagedFrom >= 0)
                {
                    damaged(damagedFrom, offset - damagedFrom);
                    damagedFrom = -1;
                }

                yield return (header, offset);
                offset += header.TotalLength;
                continue;
            }

            if (damagedFrom < 0)
            {
                damagedFrom = offset;
            }

            // A head that is right by itself tells where the next record is. Otherwise look for anything that looks like one.
            offset = plausible && HasIntactHead(pack, offset, in header) ? offset + header.TotalLength : FindMagic(pack, offset + 1, length);
        }

        if (damagedFrom >= 0)
        {
            damaged(damagedFrom, length - damagedFrom);
        }
    }

    /// <summary>The length of a pack file in bytes; 0 when there is none.</summary>
    public long LengthOf(int pack) => new FileInfo(PathOf(pack)) is { Exists: true } file ? file.Length : 0;

    /// <summary>Reads a head that, by what it says itself, fits into the file. It has yet to be checked.</summary>
    private bool TryReadHeader(int pack, long offset, long fileLength, out RecordHeader header)
    {
        Span<byte> head = stackalloc byte[RecordHeader.Size];
        header = default;
        return fileLength - offset >= head.Length && ReadAt(pack, offset, head) == head.Length
            && RecordHeader.TryRead(head, out header) && fileLength - offset >= header.TotalLength;
    }

    private bool IsIntact(int pack, long offset, ref readonly RecordHeader header)
    {
        if (!RecordHeader.CoversPayload(header.Kind) && !HasIntactHead(pack, offset, in header))
        {
            return false; // before memory is rented for a length that means nothing
        }

        try
        {
            Read(header.Kind, header.Key, new RecordLocation(pack, offset, header.StoredLength, header.LogicalLength)).Dispose();
            return true;
        }
        catch (DigestMismatchException)
        {
            return false;
        }
    }

    private bool HasIntactHead(int pack, long offset, ref readonly RecordHeader header)
    {
        Span<byte> head = stackalloc byte[RecordHeader.Size];
        return !RecordHeader.CoversPayload(header.Kind) && ReadAt(pack, offset, head) == head.Length && header.IsIntact(head, default);
    }

    /// <summary>The next place from <paramref name="offset"/> on where a record may begin; <paramref name="end"/> when there is none.</summary>
    private long FindMagic(int pack, long offset, long end)
    {
        byte[] window = ArrayPool<byte>.Shared.Rent(1 << 16);
        try
        {
            while (offset < end)
            {
                int read = ReadAt(pack, offset, window);
                int found = window.AsSpan(0, read).IndexOf(RecordHeader.MagicBytes);
                if (found >= 0)
                {
                    return Math.Min(offset + found, end);
                }

                if (read < window.Length)
                {
                    break;
                }

                offset += read - (RecordHeader.MagicBytes.Length - 1); // it may lie across the border
            }

            return end;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(window);
        }
    }

    private int ReadAt(int pack, long offset, Span<byte> buffer)
    {
        while (true)
        {
            SafeFileHandle? file = Open(pack);
            if (file is null)
            {
                return 0;
            }

            try
            {
                int total = 0;
                while (total < buffer.Length)
                {
                    int read = RandomAccess.Read(file, buffer[total..], offset + total);
                    if (read == 0)
                    {
                        break;
                    }

                    total += read;
                }

                return total;
            }
            catch (ObjectDisposedException) when (!_disposed)
            {
                // Another thread made room by closing this file between our look-up and the read: open it again.
            }
            catch (IOException e)
            {
                throw new StorageException($"Reading '{PathOf(pack)}' at {offset} failed.", e);
            }
        }
    }

    private SafeFileHandle? Open(int pack)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_open.TryGetValue(pack, out SafeFileHandle? file))
            {
                return file;
            }

            try
            {
                file = File.OpenHandle(PathOf(pack), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.RandomAccess);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new StorageException($"Opening '{PathOf(pack)}' failed.", e);
            }

            if (_open.Count == MaxOpenFiles && _open.Remove(_order.Dequeue(), out SafeFileHandle? oldest))
            {
                oldest.Dispose();
            }

            _open.Add(pack, file);
            _order.Enqueue(pack);
            return file;
        }
    }

    private DigestMismatchException Damaged(B3Digest key, RecordLocation location, string what) => new(key, null, $"{Describe(location)}: {what}");

    private string Describe(RecordLocation location) => $"'{PathOf(location.Pack)}' at {location.Offset}";

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (SafeFileHandle file in _open.Values)
            {
                file.Dispose();
            }

            _open.Clear();
        }
    }
}
