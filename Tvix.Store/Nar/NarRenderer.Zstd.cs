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
            await RenderAsync(root, writer, _pieces is null ? null : frames, cancellationToken).ConfigureAwait(false);
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

    /// <summary>Writes a small file that the store does not keep in one piece, one chunk at a time.</summary>
    private async ValueTask WriteInChunksAsync(
        NarWriter writer, ZstdFrameWriter frames, PathComponent name, Node.File file, CancellationToken cancellationToken)
    {
        IReadOnlyList<BlobChunk> chunks = await _blobs.GetChunksAsync(file.Digest, cancellationToken).ConfigureAwait(false) ?? throw MissingBlob(writer, name, file);
        if (chunks.Count == 0)
        {
            await WriteLargeAsync(writer, name, file, cancellationToken).ConfigureAwait(false); // there, but not as a piece
            return;
        }

        if (chunks.Aggregate(UInt128.Zero, static (sum, chunk) => sum + chunk.Size) != file.Size)
        {
            throw WrongLength(writer, name, file);
        }

        await writer.BeginFileAsync(name, file.Executable, file.Size, cancellationToken).ConfigureAwait(false);
        foreach (BlobChunk chunk in chunks.Where(static chunk => chunk.Size > 0))
        {
            using StoredPiece? piece = await _pieces!.ReadStoredAsync(chunk.Digest, cancellationToken).ConfigureAwait(false);
            await WriteChunkAsync(writer, frames, file, chunk, piece, cancellationToken).ConfigureAwait(false);
        }
    }
}
