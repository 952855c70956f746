using Tvix.Castore;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store;

public sealed partial class TvixStore
{
    /// <summary>
    /// Imports a file, a folder or a symbolic link as the contents of a store path whose path info is known from elsewhere. No path info is
    /// stored: that is for the caller to do, with the root that this gives.
    /// </summary>
    /// <param name="path">Where it is on disk.</param>
    /// <param name="options">What is known of the contents; <see langword="null"/> for nothing.</param>
    /// <param name="progress">Is told how far the import has come.</param>
    /// <param name="cancellationToken">Ends the import.</param>
    /// <returns>The root, and the size and hash of the NAR.</returns>
    /// <exception cref="NarHashMismatchException">The contents are not those that the options expect. No directory of the tree is visible.</exception>
    /// <exception cref="ImportException">Something cannot be read, is of an unsupported kind, or changed meanwhile.</exception>
    /// <exception cref="StorageException">A service failed.</exception>
    public async ValueTask<NarIngestResult> ImportContentsAsync(
        string path, ContentsImportOptions? options = null, IProgress<ImportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new ContentsImportOptions();
        using ExpectedNarSink sink = new(options);
        FileSystemImporter importer = new(Blobs, Directories, options.FileSystem);
        Node root = await importer.ImportAsync(path, sink, progress, cancellationToken).ConfigureAwait(false);
        return new NarIngestResult(root, sink.Found.Size, sink.Found.Sha256);
    }
}
