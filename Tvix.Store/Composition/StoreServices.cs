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

    /// <summary>
    /// For a store that keeps archives of contents and not contents, as a binary cache does: makes its path infos over blobs and directories that are elsewhere, which
    /// contents are then brought into, or read from. <see langword="null"/> for all others.
    /// </summary>
    public Func<IBlobService, IDirectoryService, IPathInfoService>? PathInfosOver { get; init; }

    /// <summary>These services, unless contents can be in other ones: then with contents there.</summary>
    internal StoreServices WithContentsOf(StoreServices other) => PathInfosOver is null
        ? this
        : this with { Blobs = other.Blobs, Directories = other.Directories, PathInfos = PathInfosOver(other.Blobs, other.Directories), Statistics = null, Verifiable = null };
}
