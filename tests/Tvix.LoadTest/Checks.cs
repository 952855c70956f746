using System.Buffers;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Client;

namespace Tvix.LoadTest;

/// <summary>Whether what was acknowledged is there, and right.</summary>
internal static class Checks
{
    public static async Task<string?> FindFaultAsync(GrpcStore store, KnownBlob blob, CancellationToken cancellationToken)
    {
        Stream? stream = await store.Blobs.OpenReadAsync(blob.Digest, cancellationToken);
        if (stream is null)
        {
            return "a blob is not there";
        }

        await using (stream)
        {
            byte[] actual = ArrayPool<byte>.Shared.Rent(blob.Size + 1);
            int length = await stream.ReadAtLeastAsync(actual, blob.Size + 1, throwOnEndOfStream: false, cancellationToken);
            bool same = actual.AsSpan(0, length).SequenceEqual(KnownBlob.Contents(blob.Seed, blob.Size));
            ArrayPool<byte>.Shared.Return(actual);
            return same ? null : "a blob has other bytes";
        }
    }

    public static async Task<string?> FindFaultAsync(GrpcStore store, KnownTree tree, CancellationToken cancellationToken)
    {
        if (await store.PathInfos.GetAsync(tree.Info.StorePath.Digest, cancellationToken) is not { } info)
        {
            return "a path info is not there";
        }

        if (!info.Equals(tree.Info))
        {
            return "a path info says something else";
        }

        HashSet<B3Digest> digests = [.. tree.RootToLeaves.Select(directory => directory.Digest)];
        await foreach (CastoreDirectory directory in store.Directories.GetClosureAsync(tree.RootToLeaves[0].Digest, cancellationToken))
        {
            if (!digests.Remove(directory.Digest))
            {
                return "a tree has other directories";
            }
        }

        return digests.Count == 0 ? null : "directories of a tree are missing";
    }
}
