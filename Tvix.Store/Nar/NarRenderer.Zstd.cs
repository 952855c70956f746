using System.IO.Pipelines;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Compression;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarRenderer
{
    // The latency of those who ask is saved by compressing at all; more than the fastest level would only keep them waiting.
    private const int StreamLevel = Zstd.MinLevel;

    /// <summary>Writes the NAR of a tree to a pipe, compressed with zstd as far as the store keeps it so: as a sequence of frames.</summary>
    /// <remarks>
    /// <para>From a store that is an <see cref="IStoredPieceSource"/>, what it keeps compressed is passed on as it is, and the rest is put in frames that do not compress; nothing is
    /// compressed or decompressed. What was compressed is then not checked against its digest: the reader does that with the digest of the NAR.</para>
    /// <para>What comes from others is compressed here, as fast as zstd can, where the system has libzstd, and otherwise put in frames that do not compress.</para>
    /// </remarks>
    /// <param name="root">The root of the tree.</param>
    /// <param name="destination">
    /// Where the frames go. Flushed, but not completed; after an exception it holds the beginning of the frames, which may end with a whole one.
    /// </param>
    /// <param name="cancellationToken">Ends the rendering.</param>
    /// <returns>The number of bytes of the NAR.</returns>
    /// <exception cref="StorageException">
    /// A blob or directory is missing, has another length than recorded, or could not be read; the message says where.
    /// </exception>
    /// <exception cref="DigestMismatchException">The stored data is damaged.</exception>
    public async Task<ulong> RenderZstdAsync(Node root, PipeWriter destination, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(destination);
        if (_pieces is null && Zstd.IsAvailable)
        {
            return await RenderCompressingAsync(root, destination, cancellationToken).ConfigureAwait(false);
        }

        ZstdFrameWriter frames = new(destination);
        NarWriter writer = new(frames, leaveOpen: true);
        await using (writer.ConfigureAwait(false))
        {
            if (_pieces is null)
            {
                await RenderAsync(root, writer, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await RenderStoredAsync(_pieces, root, writer, frames, cancellationToken).ConfigureAwait(false);
            }

            NarWriter.Check(await frames.FinishAsync(cancellationToken).ConfigureAwait(false));
            return writer.BytesWritten;
        }
    }

    private async Task<ulong> RenderCompressingAsync(Node root, PipeWriter destination, CancellationToken cancellationToken)
    {
        ZstdCompressionStream compressing = new(destination.AsStream(leaveOpen: true), StreamLevel);
        await using (compressing.ConfigureAwait(false))
        {
            try
            {
                return await RenderAsync(root, compressing, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                compressing.Abandon();
                throw;
            }
        }
    }

    /// <summary>Writes a tree one node at a time. A store that can give pieces has them at hand, so there is nothing to read ahead for.</summary>
    private async Task RenderStoredAsync(
        IStoredPieceSource pieces, Node root, NarWriter writer, ZstdFrameWriter frames, CancellationToken cancellationToken)
    {
        TreeDirectories directories = new(_directories, root);
        Stack<(CastoreDirectory Directory, int Next)> open = new();
        await WriteNodeAsync(default, root).ConfigureAwait(false);
        while (open.TryPop(out (CastoreDirectory Directory, int Next) top))
        {
            if (top.Next == top.Directory.Count)
            {
                await writer.EndDirectoryAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            open.Push((top.Directory, top.Next + 1));
            DirectoryEntry entry = top.Directory[top.Next];
            await WriteNodeAsync(entry.Name, entry.Node).ConfigureAwait(false);
        }

        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);

        async ValueTask WriteNodeAsync(PathComponent name, Node node)
        {
            switch (node)
            {
                case Node.Directory directory:
                    await writer.BeginDirectoryAsync(name, cancellationToken).ConfigureAwait(false);
                    open.Push((await directories.GetAsync(directory.Digest, writer.ParentPath, cancellationToken).ConfigureAwait(false), 0));
                    break;
                case Node.Symlink symlink:
                    await writer.WriteSymlinkAsync(name, symlink.Target, cancellationToken).ConfigureAwait(false);
                    break;
                case Node.File file:
                    await WriteStoredFileAsync(pieces, writer, frames, name, file, cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    throw new ArgumentException("Not a kind of node.", nameof(root));
            }
        }
    }

    private async ValueTask WriteStoredFileAsync(
        IStoredPieceSource pieces, NarWriter writer, ZstdFrameWriter frames, PathComponent name, Node.File file, CancellationToken cancellationToken)
    {
        if (IsEmpty(file))
        {
            await writer.BeginFileAsync(name, file.Executable, file.Size, cancellationToken).ConfigureAwait(false);
            return;
        }

        IReadOnlyList<BlobChunk> chunks = [];
        using StoredPiece? whole = await pieces.ReadStoredAsync(file.Digest, cancellationToken).ConfigureAwait(false);
        if (whole is null)
        {
            chunks = await _blobs.GetChunksAsync(file.Digest, cancellationToken).ConfigureAwait(false) ?? throw MissingBlob(writer, name, file);
            if (chunks.Count == 0)
            {
                await WriteLargeAsync(writer, name, file, cancellationToken).ConfigureAwait(false); // there, but not as a piece
                return;
            }
        }

        UInt128 size = whole is not null ? (UInt128)whole.Size : chunks.Aggregate(UInt128.Zero, static (sum, chunk) => sum + chunk.Size);
        if (size != file.Size)
        {
            throw WrongLength(writer, name, file);
        }

        await writer.BeginFileAsync(name, file.Executable, file.Size, cancellationToken).ConfigureAwait(false);
        if (whole is not null)
        {
            await WritePieceAsync(writer, frames, whole, cancellationToken).ConfigureAwait(false);
            return;
        }

        foreach (BlobChunk chunk in chunks.Where(static chunk => chunk.Size > 0))
        {
            using StoredPiece piece = await pieces.ReadStoredAsync(chunk.Digest, cancellationToken).ConfigureAwait(false)
                ?? throw new StorageException($"The chunk {chunk.Digest} of the blob {file.Digest} is missing.");
            if ((ulong)piece.Size != chunk.Size)
            {
                throw new StorageException($"The chunk {chunk.Digest} has {piece.Size} bytes, not {chunk.Size} as the list of chunks of the blob {file.Digest} says.");
            }

            await WritePieceAsync(writer, frames, piece, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async ValueTask WritePieceAsync(NarWriter writer, ZstdFrameWriter frames, StoredPiece piece, CancellationToken cancellationToken)
    {
        if (!piece.IsZstdFrame)
        {
            await writer.WriteContentsAsync(piece.Memory, cancellationToken).ConfigureAwait(false);
            return;
        }

        NarWriter.Check(await frames.WriteFrameAsync(piece.Memory, cancellationToken).ConfigureAwait(false));
        writer.SkipContents(piece.Size);
    }
}
