using Tvix.Castore.Import;

namespace Tvix.Store.Nar;

/// <summary>Makes NARs straight from disk, without a store.</summary>
public static class FileSystemNarWriter
{
    /// <summary>Writes the NAR of a file, a folder or a symbolic link, as <c>nix-store --dump</c> does.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="destination">Where the NAR goes. It is written synchronously on another thread, in large pieces, and stays open.</param>
    /// <param name="options">How the tree is read; <see langword="null"/> for the defaults.</param>
    /// <param name="progress">Is told how far the reading has come.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The number of bytes written.</returns>
    /// <remarks>Memory is bounded: beside the buffers there is the listing of the folders that are open.</remarks>
    /// <exception cref="ImportException">Something cannot be read, is of an unsupported kind, or changed meanwhile.</exception>
    /// <exception cref="PlatformNotSupportedException">The operating system is not Linux.</exception>
    public static async ValueTask<ulong> WriteAsync(
        string path,
        Stream destination,
        FileSystemImportOptions? options = null,
        IProgress<ImportProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        StreamSink sink = new(destination);
        await FileSystemImporter.WalkAsync(path, sink, options, progress, cancellationToken).ConfigureAwait(false);
        sink.Finish();
        return sink.Size;
    }

    private sealed class StreamSink(Stream destination) : NarSink
    {
        public void Finish() => FlushBuffer();

        protected override void Write(ReadOnlySpan<byte> bytes) => destination.Write(bytes);
    }
}
