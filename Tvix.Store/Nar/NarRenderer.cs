using System.IO.Pipelines;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Compression;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Writes the NAR of a tree whose blobs and directories are in a store. Spec: nix-formats §4.9.</summary>
/// <remarks>
/// Small blobs and directories are fetched ahead of their turn, within a budget, where the store does not answer at once. Safe for
/// concurrent use.
/// </remarks>
public sealed partial class NarRenderer
{
    private readonly IBlobService _blobs;
    private readonly IDirectoryService _directories;
    private readonly NarRenderOptions _options;
    private readonly IStoredPieceSource? _pieces;

    /// <summary>Makes a renderer.</summary>
    /// <param name="blobs">Where the blobs are.</param>
    /// <param name="directories">Where the directories are.</param>
    /// <param name="options">How far to read ahead; <see langword="null"/> for the defaults.</param>
    public NarRenderer(IBlobService blobs, IDirectoryService directories, NarRenderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(blobs);
        ArgumentNullException.ThrowIfNull(directories);
        _blobs = blobs;
        _directories = directories;
        _options = options ?? new NarRenderOptions();
        _options.Validate();
        _pieces = ServiceCapabilities.Find<IStoredPieceSource>(blobs);
    }

    /// <summary>Writes the NAR of a tree to a pipe.</summary>
    /// <param name="root">The root of the tree.</param>
    /// <param name="destination">
    /// Where the NAR goes. Flushed, but not completed; after an exception it holds the beginning of a NAR.
    /// </param>
    /// <param name="cancellationToken">Ends the rendering.</param>
    /// <returns>The number of bytes written.</returns>
    /// <exception cref="StorageException">
    /// A blob or directory is missing, has another length than recorded, or could not be read; the message says where.
    /// </exception>
    /// <exception cref="DigestMismatchException">The stored data is damaged.</exception>
    public async Task<ulong> RenderAsync(Node root, PipeWriter destination, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(destination);
        NarWriter writer = new(destination, leaveOpen: true);
        await using (writer.ConfigureAwait(false))
        {
            await RenderAsync(root, writer, frames: null, cancellationToken).ConfigureAwait(false);
            return writer.BytesWritten;
        }
    }

    /// <summary>Writes the NAR of a tree to a stream, which stays open.</summary>
    /// <inheritdoc cref="RenderAsync(Node, PipeWriter, CancellationToken)"/>
    public async Task<ulong> RenderAsync(Node root, Stream destination, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(destination);
        NarWriter writer = new(destination, leaveOpen: true);
        await using (writer.ConfigureAwait(false))
        {
            await RenderAsync(root, writer, frames: null, cancellationToken).ConfigureAwait(false);
            return writer.BytesWritten;
        }
    }

    /// <param name="root">The root of the tree.</param>
    /// <param name="writer">Where everything goes that was not stored as a frame.</param>
    /// <param name="frames">Where frames of the store go, which then has to be one that can give them.</param>
    /// <param name="cancellationToken">Ends the rendering.</param>
    private async Task RenderAsync(Node root, NarWriter writer, ZstdFrameWriter? frames, CancellationToken cancellationToken)
    {
        using CancellationTokenSource reads = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Walk walk = new(this, root, frames is null ? null : _pieces, reads.Token);
        try
        {
            while (await walk.NextAsync().ConfigureAwait(false) is { Step: not Step.None } item)
            {
                await (item.Step switch
                {
                    Step.EndOfDirectory => writer.EndDirectoryAsync(cancellationToken),
                    Step.FilePiece => WriteChunkAsync(writer, frames, item, cancellationToken),
                    _ => WriteNodeAsync(writer, frames, item, cancellationToken),
                }).ConfigureAwait(false);
            }

            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await reads.CancelAsync().ConfigureAwait(false);
            await walk.DisposeAsync().ConfigureAwait(false);
        }
    }

    private ValueTask WriteNodeAsync(NarWriter writer, ZstdFrameWriter? frames, Item item, CancellationToken cancellationToken) => item.Node switch
    {
        Node.Directory => writer.BeginDirectoryAsync(item.Name, cancellationToken),
        Node.Symlink symlink => writer.WriteSymlinkAsync(item.Name, symlink.Target, cancellationToken),
        Node.File file when IsEmpty(file) =>
            writer.WriteFileAsync(item.Name, file.Executable, ReadOnlyMemory<byte>.Empty, cancellationToken),
        Node.File file when item.Step == Step.FileHead => writer.BeginFileAsync(item.Name, file.Executable, file.Size, cancellationToken),
        Node.File file when item.Step == Step.Node && (item.Batch is not null || IsSmall(file)) =>
            WriteWholeAsync(writer, frames, item, file, cancellationToken),
        Node.File file => WriteLargeAsync(writer, item.Name, file, cancellationToken),
        _ => throw new ArgumentException("Not a kind of node.", nameof(item)),
    };

    private static bool IsEmpty(Node.File file) => file.Size == 0 && file.Digest == B3Digest.Empty;

    private bool IsSmall(Node.File file) => file.Size <= (ulong)_options.SmallBlobBytes;

    private async ValueTask WriteWholeAsync(
        NarWriter writer, ZstdFrameWriter? frames, Item item, Node.File file, CancellationToken cancellationToken)
    {
        StoredPiece? piece;
        try
        {
            piece = item.Batch is { } batch ? await batch.TakeAsync(item.Index).ConfigureAwait(false)
                : (item.Reading is { } reading ? await reading.ConfigureAwait(false) : item.Content) is { } content ? new StoredPiece(content)
                : null;
        }
        catch (BlobTooLongException e)
        {
            throw WrongLength(writer, item.Name, file, e); // what a blob that exceeds the limit, its recorded size, is answered with
        }

        if (piece is null && frames is not null)
        {
            await WriteInChunksAsync(writer, frames, item.Name, file, cancellationToken).ConfigureAwait(false);
            return;
        }

        using (piece ?? throw MissingBlob(writer, item.Name, file))
        {
            if ((ulong)piece.Size != file.Size)
            {
                throw WrongLength(writer, item.Name, file);
            }

            if (!piece.IsZstdFrame)
            {
                await writer.WriteFileAsync(item.Name, file.Executable, piece.Memory, cancellationToken).ConfigureAwait(false);
                return;
            }

            await writer.BeginFileAsync(item.Name, file.Executable, file.Size, cancellationToken).ConfigureAwait(false);
            await WritePieceAsync(writer, frames, piece, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask WriteChunkAsync(NarWriter writer, ZstdFrameWriter? frames, Item item, CancellationToken cancellationToken)
    {
        BlobChunk chunk = item.Batch!.Blobs[item.Index];
        Node.File file = (Node.File)item.Node!;
        StoredPiece? piece;
        try
        {
            piece = await item.Batch.TakeAsync(item.Index).ConfigureAwait(false);
        }
        catch (BlobTooLongException e)
        {
            throw WrongChunk(chunk, file, e);
        }

        using (piece)
        {
            await WriteChunkAsync(writer, frames, file, chunk, piece, cancellationToken).ConfigureAwait(false);
        }
    }

    private static ValueTask WriteChunkAsync(
        NarWriter writer, ZstdFrameWriter? frames, Node.File file, BlobChunk chunk, StoredPiece? piece, CancellationToken cancellationToken)
    {
        if (piece is null)
        {
            throw new StorageException($"The chunk {chunk.Digest} of the blob {file.Digest} is missing.");
        }

        return (ulong)piece.Size == chunk.Size ? WritePieceAsync(writer, frames, piece, cancellationToken) : throw WrongChunk(chunk, file);
    }

    private static async ValueTask WritePieceAsync(NarWriter writer, ZstdFrameWriter? frames, StoredPiece piece, CancellationToken cancellationToken)
    {
        if (!piece.IsZstdFrame)
        {
            await writer.WriteContentsAsync(piece.Memory, cancellationToken).ConfigureAwait(false);
            return;
        }

        NarWriter.Check(await frames!.WriteFrameAsync(piece.Memory, cancellationToken).ConfigureAwait(false));
        writer.SkipContents(piece.Size);
    }

    private async ValueTask WriteLargeAsync(NarWriter writer, PathComponent name, Node.File file, CancellationToken cancellationToken)
    {
        Stream contents = await _blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false)
            ?? throw MissingBlob(writer, name, file);
        await using (contents.ConfigureAwait(false))
        {
            try
            {
                await writer.WriteFileAsync(name, file.Executable, file.Size, contents, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
            {
                throw WrongLength(writer, name, file, e);
            }
        }
    }

    private static StorageException MissingBlob(NarWriter writer, PathComponent name, Node.File file) =>
        new($"The blob {file.Digest} of {Place(writer, name)} is missing.");

    private static StorageException WrongLength(NarWriter writer, PathComponent name, Node.File file, Exception? cause = null) =>
        new($"The blob {file.Digest} of {Place(writer, name)} does not have the {file.Size} bytes that are recorded for it.", cause);

    private static StorageException WrongChunk(BlobChunk chunk, Node.File file, Exception? cause = null) =>
        new($"The chunk {chunk.Digest} does not have the {chunk.Size} bytes that the list of chunks of the blob {file.Digest} says.", cause);

    private static string Place(NarWriter writer, PathComponent name)
    {
        if (name.IsDefault)
        {
            return "the root";
        }

        string parent = writer.ParentPath;
        return parent.Length > 0 ? $"'{parent}/{name}'" : $"'{name}'";
    }
}
