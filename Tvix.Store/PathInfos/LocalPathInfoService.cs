using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Keeps path infos in an embedded store, beside what they describe. As durable as the store, and visible to every process that uses it.</summary>
/// <remarks>The value is the protobuf message of <see cref="PathInfo.Encode"/>; the key is the digest of the store path.</remarks>
/// <param name="store">The store, which stays the caller's.</param>
public sealed class LocalPathInfoService(LocalStore store) : IPathInfoService
{
    private const int PageSize = 256;

    /// <inheritdoc/>
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using BlobContent? content = store.Read(RecordKind.Named, KeyOf(digest));
        return new(content is null ? null : PathInfo.Decode(content.Memory.Span));
    }

    /// <inheritdoc/>
    public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        cancellationToken.ThrowIfCancellationRequested();
        await store.PutNamedAsync(KeyOf(pathInfo.StorePath.Digest), pathInfo.Encode(), cancellationToken).ConfigureAwait(false);
        return pathInfo;
    }

    /// <inheritdoc/>
    /// <remarks>What is put or replaced meanwhile may or may not be seen. In ascending order of the digests' bytes.</remarks>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) => ListAsync(skipDamaged: false, cancellationToken);

    /// <summary>As the public one, but may go on after records that are damaged.</summary>
    internal async IAsyncEnumerable<PathInfo> ListAsync(bool skipDamaged, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        B3Digest? after = null;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            List<(B3Digest Key, RecordLocation Location)> page = ListPage(after);
            if (page.Count == 0)
            {
                yield break;
            }

            foreach ((B3Digest key, RecordLocation location) in page)
            {
                cancellationToken.ThrowIfCancellationRequested();
                PathInfo pathInfo;
                try
                {
                    using BlobContent content = store.Read(RecordKind.Named, key, location);
                    pathInfo = PathInfo.Decode(content.Memory.Span);
                }
                catch (DigestMismatchException) when (skipDamaged)
                {
                    continue;
                }

                yield return pathInfo;
            }

            after = page[^1].Key;
        }
    }

    private List<(B3Digest Key, RecordLocation Location)> ListPage(B3Digest? after)
    {
        using PackIndex.Reader index = store.RentIndex();
        return index.ListNamed(after, PageSize);
    }

    private static B3Digest KeyOf(StorePathDigest digest)
    {
        Span<byte> key = stackalloc byte[B3Digest.Size];
        key.Clear();
        digest.CopyTo(key);
        return new B3Digest(key);
    }

    internal static StorePathDigest DigestOf(B3Digest key)
    {
        Span<byte> bytes = stackalloc byte[B3Digest.Size];
        key.CopyTo(bytes);
        return new StorePathDigest(bytes[..StorePathDigest.Size]);
    }
}
