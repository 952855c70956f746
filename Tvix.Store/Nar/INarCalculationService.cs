using Tvix.Castore;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Finds out size and hash of the NAR of a tree, which a path info needs.</summary>
/// <remarks>All members may be called concurrently.</remarks>
public interface INarCalculationService
{
    /// <summary>The size and SHA-256 of the tree's NAR.</summary>
    /// <exception cref="StorageException">A blob or directory is missing, or a backend could not answer.</exception>
    /// <exception cref="DigestMismatchException">The stored data is damaged.</exception>
    ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default);
}
