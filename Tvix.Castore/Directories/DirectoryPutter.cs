using Tvix.Castore.Model;

namespace Tvix.Castore.Directories;

/// <summary>Uploads the directories of one tree, leaves first.</summary>
/// <remarks>
/// A putter is used by one caller at a time. A directory may only refer to directories put before into the same putter, whose recorded
/// sizes must be right; putting a directory again is fine. An exception from <see cref="PutAsync"/> may concern an earlier directory. After
/// any exception the putter can only be disposed.
/// </remarks>
public abstract class DirectoryPutter : IAsyncDisposable
{
    /// <summary>Adds a directory.</summary>
    /// <exception cref="InvalidDirectoryException">A child was not put before, or its recorded size is wrong.</exception>
    /// <exception cref="InvalidOperationException">The upload is complete.</exception>
    public abstract ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default);

    /// <summary>Stores everything that was put.</summary>
    /// <returns>The digest of the root.</returns>
    /// <exception cref="InvalidDirectoryException">Nothing was put, or what was put has more than one root.</exception>
    /// <exception cref="InvalidOperationException">The upload is complete already, or failed.</exception>
    public abstract ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default);

    /// <summary>Lets go of the upload; what was not completed is discarded.</summary>
    public abstract ValueTask DisposeAsync();
}
