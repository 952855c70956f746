using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>The services that an address stands for.</summary>
/// <param name="Blobs">Where contents are.</param>
/// <param name="Directories">Where directories are.</param>
/// <param name="PathInfos">Where path infos are.</param>
public sealed record StoreServices(IBlobService Blobs, IDirectoryService Directories, IPathInfoService PathInfos)
{
    /// <summary>What is disposed with the store; <see langword="null"/> when nothing is.</summary>
    public IAsyncDisposable? Owner { get; init; }

    /// <summary>
    /// Finds out the size and hash of NARs where the contents are, so that they need not be fetched for it; <see langword="null"/> when
    /// nobody can do better than to read them.
    /// </summary>
    public INarCalculationService? NarCalculation { get; init; }

    /// <summary>Says what the store holds; <see langword="null"/> when nobody can.</summary>
    public IStoreStatisticsSource? Statistics { get; init; }

    /// <summary>Checks what the store holds; <see langword="null"/> when nobody can.</summary>
    public IVerifiableStore? Verifiable { get; init; }
}
