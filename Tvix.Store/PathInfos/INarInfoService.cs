using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>
/// What a path info service may be besides, when <see cref="IPathInfoService.GetAsync"/> may have to fetch the contents first: one that tells what can be told without them.
/// </summary>
/// <remarks>Find it with <see cref="Tvix.Castore.Composition.ServiceCapabilities.Find"/>. All members may be called concurrently; errors are as for path infos.</remarks>
public interface INarInfoService
{
    /// <summary>The path info if its contents need not be fetched; <see langword="null"/> when they need, or there is none.</summary>
    ValueTask<PathInfo?> FindAsync(StorePathDigest digest, CancellationToken cancellationToken = default);

    /// <summary>What is known of a store path without its contents; <see langword="null"/> when there is none. Fetches no contents.</summary>
    /// <returns>A narinfo that was verified as far as it can be alone. Its URL means something to the place that it is from only.</returns>
    ValueTask<NarInfo?> GetNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default);

    /// <summary>Begins to fetch the contents of a store path, or joins in, and gives the NAR while it comes.</summary>
    /// <returns>
    /// The NAR, uncompressed, with as many bytes as its narinfo says, which the caller disposes; or <see langword="null"/> when it cannot be had so, as when the contents are
    /// here, or are being fetched without anybody listening: then the path info says what there is to render. A read of the last bytes waits until everything was verified
    /// and stored, and a read that fails means that the NAR is not what it should be, or did not come: whoever was given all of it was given the right one.
    /// </returns>
    ValueTask<Stream?> OpenNarAsync(StorePathDigest digest, CancellationToken cancellationToken = default);

    /// <summary>The hash parts of all store paths, in no particular order, without fetching any contents.</summary>
    /// <exception cref="NotSupportedException">There is no list; thrown by the call itself.</exception>
    IAsyncEnumerable<StorePathDigest> ListDigestsAsync(CancellationToken cancellationToken = default);
}
