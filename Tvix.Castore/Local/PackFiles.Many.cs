using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

/// <content>Many chunks at once.</content>
internal sealed partial class PackFiles
{
    private const int MaxGap = 4 << 10; // what is cheaper to read than to leave out
    private const int MaxGroup = 1 << 20; // what is read before any of it is hashed; it should stay in the processor's cache meanwhile

    /// <summary>
    /// Reads chunks, verified, in the order in which they lie on disk: neighbours with one call of the system, and hashed side by side. The head of a record
    /// that is not compressed is not looked at, as the digest vouches for all that the caller gets.
    /// </summary>
    /// <param name="chunks">The chunks; gets sorted.</param>
    /// <param name="contents">Receives the bytes of each at its index. After an exception, some may be there.</param>
    /// <param name="unpack">Whether what is compressed is decompressed; if not, its frame is the content, checked as by <see cref="ReadStored"/>.</param>
    /// <inheritdoc cref="Read"/>
    public void ReadMany(List<PlacedChunk> chunks, Span<BlobContent?> contents, bool unpack)
    {
        chunks.Sort();
        int[] places = new int[chunks.Count];
        ReadOnlySpan<PlacedChunk> rest = CollectionsMarshal.AsSpan(chunks);
        while (!rest.IsEmpty)
        {
            int count = PlanGroup(rest, places, out int length);
            ReadGroup(rest[..count], places, length, contents, unpack);
            rest = rest[count..];
        }
    }

    /// <summary>Finds how many chunks go into one array, and where in it their records are put.</summary>
    private int PlanGroup(ReadOnlySpan<PlacedChunk> chunks, Span<int> places, out int length)
    {
        length = 0;
        for (int i = 0; i < chunks.Length; i++)
        {
            RecordLocation at = chunks[i].Location;
            if (at.StoredLength is < 0 or > RecordHeader.MaxStoredLength)
            {
                throw Damaged(chunks[i].Digest, at, "the length in the index is absurd");
            }

            int place = i > 0 && IsNext(chunks[i - 1].Location, at) ? places[i - 1] + (int)(at.Offset - chunks[i - 1].Location.Offset) : length;
            int end = place + RecordHeader.Size + at.StoredLength;
            if (i > 0 && end > MaxGroup)
            {
                return i;
            }

            places[i] = place;
            length = Math.Max(length, end);
        }

        return chunks.Length;
    }

    /// <summary>Whether a record is read together with the one before it, which may be the same.</summary>
    private static bool IsNext(RecordLocation before, RecordLocation at) =>
        at.Pack == before.Pack && at.Offset - (before.Offset + RecordHeader.Size + before.StoredLength) <= MaxGap;

    private void ReadGroup(ReadOnlySpan<PlacedChunk> chunks, ReadOnlySpan<int> places, int length, Span<BlobContent?> contents, bool unpack)
    {
        SharedArray array = new(length);
        try
        {
            for (int start = 0; start < chunks.Length;)
            {
                int end = start + 1;
                while (end < chunks.Length && IsNext(chunks[end - 1].Location, chunks[end].Location))
                {
                    end++;
                }

                ReadRun(chunks[start..end], places[start..end], array, contents, unpack);
                start = end;
            }

            CheckRaw(chunks, contents);
        }
        finally
        {
            array.Release();
        }
    }

    private void ReadRun(ReadOnlySpan<PlacedChunk> chunks, ReadOnlySpan<int> places, SharedArray array, Span<BlobContent?> contents, bool unpack)
    {
        RecordLocation first = chunks[0].Location;
        int end = places[^1] + RecordHeader.Size + chunks[^1].Location.StoredLength;
        int read = ReadAt(first.Pack, first.Offset, array.Array.AsSpan(places[0]..end));
        for (int i = 0; i < chunks.Length; i++)
        {
            (B3Digest digest, RecordLocation at, int index) = chunks[i];
            int length = RecordHeader.Size + at.StoredLength;
            if (places[i] + length > places[0] + read)
            {
                throw Damaged(digest, at, "the file ends within the record");
            }

            if (at.IsRaw)
            {
                contents[index] = BlobContent.OfShared(array, places[i] + RecordHeader.Size, at.StoredLength);
            }
            else
            {
                ReadOnlySpan<byte> record = array.Array.AsSpan(places[i], length);
                CheckRecord(record, RecordKind.Chunk, digest, at, out RecordHeader header);
                if (unpack)
                {
                    contents[index] = Unpack(in header, record[RecordHeader.Size..], at);
                    continue;
                }

                CheckFrame(in header, record[RecordHeader.Size..], at);
                contents[index] = BlobContent.OfShared(array, places[i] + RecordHeader.Size, at.StoredLength);
            }
        }
    }

    /// <summary>Holds what was not unpacked to its digests.</summary>
    private void CheckRaw(ReadOnlySpan<PlacedChunk> chunks, Span<BlobContent?> contents)
    {
        ReadOnlyMemory<byte>[] messages = new ReadOnlyMemory<byte>[chunks.Length];
        int count = 0;
        foreach (ref readonly PlacedChunk chunk in chunks)
        {
            if (chunk.Location.IsRaw)
            {
                messages[count++] = contents[chunk.Index]!.Memory;
            }
        }

        B3Digest[] actual = new B3Digest[count];
        Blake3Hasher.HashMany(messages.AsSpan(0, count), actual);
        count = 0;
        foreach (ref readonly PlacedChunk chunk in chunks)
        {
            if (chunk.Location.IsRaw && actual[count++] != chunk.Digest)
            {
                // As one that is alone, which tells what is wrong.
                contents[chunk.Index]!.Dispose();
                contents[chunk.Index] = null;
                contents[chunk.Index] = Read(RecordKind.Chunk, chunk.Digest, chunk.Location);
            }
        }
    }
}
