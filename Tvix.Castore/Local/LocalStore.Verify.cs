using System.Runtime.CompilerServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Local;

public sealed partial class LocalStore : IVerifiableStore, IStoreStatisticsSource
{
    private const int ProgressEvery = 256;

    /// <inheritdoc/>
    public ValueTask<StoreStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        State state = Opened;
        using PackIndex.Reader index = state.Index.Rent();
        (long Count, long LogicalBytes, long StoredBytes)[] sums = index.Sum();
        return new(new StoreStatistics
        {
            Chunks = sums[(int)RecordKind.Chunk].Count,
            ChunkedBlobs = sums[(int)RecordKind.Blob].Count,
            Directories = sums[(int)RecordKind.Directory].Count,
            NamedValues = sums[(int)RecordKind.Named].Count,
            UniqueBytes = sums[(int)RecordKind.Chunk].LogicalBytes + sums[(int)RecordKind.Directory].LogicalBytes,
            StoredBytes = index.ListPacks().Sum(pack => new FileInfo(state.Files.PathOf(pack.Pack)) is { Exists: true } file ? file.Length : 0),
            IndexBytes = Directory.EnumerateFiles(Path, PackIndex.FileName + "*").Sum(file => new FileInfo(file).Length),
        });
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Records are read in the order in which they lie on disk. What is stored while this runs may or may not be checked. Memory grows with the number of damaged
    /// objects only.
    /// </remarks>
    public async IAsyncEnumerable<StoreDamage> VerifyAsync(
        IProgress<VerifyProgress>? progress = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding); // reading and hashing everything is not for the caller's thread
        State state = Opened;
        using PackIndex.Reader index = state.Index.Rent();
        using PackIndex.Reader lookUps = state.Index.Rent();
        foreach ((int pack, _, long length) in index.ListPacks())
        {
            FileInfo file = new(state.Files.PathOf(pack));
            if (length > 0 && (!file.Exists || file.Length < length))
            {
                yield return new StoreDamage(
                    StoreDamageKind.File, null, $"The pack '{file.FullName}' should have {length} bytes but has {(file.Exists ? file.Length : 0)}.");
            }
        }

        long total = index.Sum().Sum(sum => sum.Count);
        long objects = 0;
        long bytes = 0;
        HashSet<B3Digest> damagedChunks = [];
        HashSet<B3Digest> damagedLists = [];
        foreach (IndexRow row in index.ListByLocation())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (VerifyRecord(lookUps, row) is { } damage)
            {
                if (row.Kind == RecordKind.Chunk)
                {
                    damagedChunks.Add(row.Key);
                }
                else if (row.Kind == RecordKind.Blob)
                {
                    damagedLists.Add(row.Key);
                }

                yield return damage;
            }

            bytes += row.Location.StoredLength;
            if (++objects % ProgressEvery == 0)
            {
                progress?.Report(new VerifyProgress(objects, bytes, total));
            }
        }

        // Blobs of several chunks once more, as a whole: after the pass over the records, since a blob may lie before a damaged chunk.
        foreach (IndexRow row in index.ListByLocation(RecordKind.Blob))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!damagedLists.Contains(row.Key) && VerifyBlob(lookUps, row, damagedChunks, cancellationToken) is { } damage)
            {
                yield return damage;
            }
        }

        progress?.Report(new VerifyProgress(objects, bytes, total));
    }

    /// <summary>Checks one record by itself, and for directories that what they refer to is there.</summary>
    private StoreDamage? VerifyRecord(PackIndex.Reader lookUps, IndexRow row)
    {
        try
        {
            using BlobContent content = Read(row.Kind, row.Key, row.Location);
            if (row.Kind == RecordKind.Directory)
            {
                foreach (DirectoryEntry entry in CastoreDirectory.DecodeHashed(row.Key, content.Memory.Span, Path).Entries)
                {
                    B3Digest? missing = entry.Node switch
                    {
                        Node.Directory child when !lookUps.TryFind(RecordKind.Directory, child.Digest, out _) => child.Digest,
                        Node.File file when !lookUps.TryFind(RecordKind.Chunk, file.Digest, out _) && !lookUps.TryFind(RecordKind.Blob, file.Digest, out _) => file.Digest,
                        _ => null,
                    };
                    if (missing is not null)
                    {
                        return new StoreDamage(StoreDamageKind.Directory, row.Key, $"The directory {row.Key} refers to {missing} as '{entry.Name}', which is missing.");
                    }
                }
            }

            return null;
        }
        catch (CastoreException e) when (e.InnerException is not PlatformNotSupportedException) // that says nothing about the record
        {
            return new StoreDamage(DamageKindOf(row.Kind), row.Key, e.Message);
        }
    }

    private StoreDamage? VerifyBlob(PackIndex.Reader lookUps, IndexRow row, HashSet<B3Digest> damagedChunks, CancellationToken cancellationToken)
    {
        try
        {
            Blake3Hasher whole = new();
            ulong length = 0;
            using BlobContent list = Read(RecordKind.Blob, row.Key, row.Location);
            foreach (BlobChunk chunk in LocalBlobService.ParseChunkList(list.Memory.Span))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (damagedChunks.Contains(chunk.Digest))
                {
                    return new StoreDamage(StoreDamageKind.Blob, row.Key, $"The blob {row.Key} cannot be read: its chunk {chunk.Digest} at {length} is damaged.");
                }

                if (!lookUps.TryFind(RecordKind.Chunk, chunk.Digest, out RecordLocation location))
                {
                    return new StoreDamage(StoreDamageKind.Blob, row.Key, $"The blob {row.Key} cannot be read: its chunk {chunk.Digest} at {length} is missing.");
                }

                using BlobContent content = Read(RecordKind.Chunk, chunk.Digest, location);
                whole.AppendData(content.Memory.Span);
                length += chunk.Size;
            }

            B3Digest actual = whole.GetCurrentDigest();
            return actual == row.Key && length == (ulong)row.Location.LogicalLength
                ? null
                : new StoreDamage(StoreDamageKind.Blob, row.Key, $"The chunks of {row.Key} add up to {actual} with {length} bytes.");
        }
        catch (DigestMismatchException e)
        {
            return new StoreDamage(StoreDamageKind.Blob, row.Key, e.Message);
        }
    }

    private static StoreDamageKind DamageKindOf(RecordKind kind) => kind switch
    {
        RecordKind.Chunk => StoreDamageKind.Chunk,
        RecordKind.Blob => StoreDamageKind.Blob,
        RecordKind.Directory => StoreDamageKind.Directory,
        _ => StoreDamageKind.NamedValue,
    };
}
