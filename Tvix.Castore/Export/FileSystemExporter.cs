using System.Text;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>Writes trees to disk, as they were imported: names and symlink targets byte by byte, and the executable bit.</summary>
/// <remarks>
/// Files get mode 0666, or 0777 when executable, and folders 0777, less the process's umask, unless files are hard links (<see cref="FileSystemExportOptions.LinkFolder"/>). Everything is made
/// new, relative to the open folder it belongs in: nothing that exists is overwritten, and no link is followed, least of all one just written. Contents are verified before they are written.
/// Several files are read and written at a time, within a fixed budget of memory.
/// </remarks>
/// <param name="blobs">Where contents come from.</param>
/// <param name="directories">Where directories come from.</param>
/// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
public sealed class FileSystemExporter(IBlobService blobs, IDirectoryService directories, FileSystemExportOptions? options = null)
{
    /// <summary>Writes a tree.</summary>
    /// <param name="root">What to write.</param>
    /// <param name="path">Where its root goes. Nothing may be there yet; the folder it is in must exist.</param>
    /// <param name="progress">Is told how far the export has come, once at a time.</param>
    /// <param name="cancellationToken">Ends the export.</param>
    /// <returns>What was made.</returns>
    /// <exception cref="ArgumentException"><paramref name="path"/> is none, or its last component cannot be a name; or the options are wrong.</exception>
    /// <exception cref="ExportException">The disk refused something, such as a name or a path that exists. What was written has been removed.</exception>
    /// <exception cref="StorageException">A service failed, or does not have something of the tree.</exception>
    /// <exception cref="DigestMismatchException">Something of the tree is damaged in the store.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system is not Linux.</exception>
    public async ValueTask<ExportResult> ExportAsync(
        Node root, string path, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentException.ThrowIfNullOrEmpty(path);
        FileSystemExportOptions settings = options ?? new FileSystemExportOptions();
        settings.Validate();
        LibC.ThrowIfNotLinux();
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string parent = Path.GetDirectoryName(full) ?? throw new ArgumentException($"'{path}' is the root of the file system.", nameof(path));
        PathComponent name = new(Path.GetFileName(full));
        ExportCounters counters = new(progress);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using ExportRun run = new(blobs, directories, [.. Encoding.UTF8.GetBytes(parent), 0], settings, counters, stop);
        await run.RunAsync(root, name).ConfigureAwait(false);
        counters.ReportEnd();
        return counters.GetResult(run.LinkFailure);
    }
}
