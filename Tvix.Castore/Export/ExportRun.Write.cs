using System.Buffers;
using Tvix.Castore.Blobs;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <content>Writing what is in a batch.</content>
internal sealed partial class ExportRun
{
    private const int CopyBufferSize = 256 << 10;

    private async ValueTask WriteAsync(ExportBatch batch)
    {
        if (_links is not null)
        {
            LinkWhatIsThere(batch);
        }

        BlobContent?[] contents = new BlobContent?[batch.Blobs.Count];
        try
        {
            if (contents.Length > 0)
            {
                await ReadAsync(batch, contents).ConfigureAwait(false);
            }

            for (int i = 0; i < batch.Pieces.Count; i++)
            {
                ExportPiece piece = batch.Pieces[i];
                if (piece.Blob < 0 && !IsEmpty(piece.File))
                {
                    await CopyAsync(piece).ConfigureAwait(false);
                    return; // it is alone
                }
            }

            Write(batch, contents);
        }
        finally
        {
            BlobContent.DisposeAll(contents);
        }
    }

    /// <summary>Makes links for the files that the folder for links has, and leaves the others in the batch.</summary>
    private void LinkWhatIsThere(ExportBatch batch)
    {
        long linked = 0;
        long bytes = 0;
        batch.Filter(piece =>
        {
            if (piece.Parts is not null || !TryLink(piece.Folder, piece.Name, piece.File))
            {
                return true;
            }

            linked++;
            bytes += (long)piece.File.Size;
            return false;
        });
        _counters.AddLinked(linked, bytes);
    }

    private bool TryLink(ExportFolder folder, PathComponent name, Node.File file)
    {
        if (!_links!.TryLink(file, folder, name))
        {
            return false;
        }

        _made = true;
        return true;
    }

    private async ValueTask ReadAsync(ExportBatch batch, BlobContent?[] contents)
    {
        try
        {
            await _blobs.ReadManyAsync(batch.Blobs, contents, Cancelled).ConfigureAwait(false);
        }
        catch (BlobTooLongException e)
        {
            throw new StorageException($"The blob {e.Digest} is larger than the {e.Limit} bytes that its node says.", e);
        }

        foreach (ExportPiece piece in batch.Pieces)
        {
            if (piece.Blob >= 0)
            {
                BlobChunk blob = batch.Blobs[piece.Blob];
                BlobContent content = contents[piece.Blob] ?? throw Missing(blob.Digest);
                CheckSize(blob.Digest, blob.Size, (ulong)content.Memory.Length);
            }
        }
    }

    private void Write(ExportBatch batch, BlobContent?[] contents)
    {
        long files = 0;
        long bytes = 0;
        foreach (ExportPiece piece in batch.Pieces)
        {
            Cancelled.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> content = piece.Blob < 0 ? default : contents[piece.Blob]!.Memory.Span;
            if (piece.Parts is { } parts)
            {
                WriteAt(piece, parts.Descriptor, content, piece.Offset);
                if (parts.Complete(content.Length))
                {
                    _links?.Add(piece.File, piece.Folder, piece.Name, parts.Descriptor);
                    files++;
                }
            }
            else if (_links is not null && TryLink(piece.Folder, piece.Name, piece.File))
            {
                // It has come into the folder since, perhaps from this batch.
                _counters.AddLinked(1, content.Length);
                continue;
            }
            else
            {
                WriteWhole(piece, content);
                files++;
            }

            bytes += content.Length;
        }

        _counters.AddWritten(files, bytes);
    }

    private void WriteWhole(in ExportPiece piece, ReadOnlySpan<byte> content)
    {
        int descriptor = Create(piece.Folder, piece.Name, piece.File.Executable);
        try
        {
            Write(piece, descriptor, content);
            _links?.Add(piece.File, piece.Folder, piece.Name, descriptor);
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }

    /// <summary>Copies a file that is neither small nor known to be kept in small parts.</summary>
    private async ValueTask CopyAsync(ExportPiece piece)
    {
        Node.File file = piece.File;
        Stream stream = await _blobs.OpenReadAsync(file.Digest, Cancelled).ConfigureAwait(false) ?? throw Missing(file.Digest);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBufferSize);
        int descriptor = -1;
        try
        {
            descriptor = Create(piece.Folder, piece.Name, file.Executable);
            ulong copied = 0;
            int read;
            while ((read = await stream.ReadAsync(buffer.AsMemory(0, CopyBufferSize), Cancelled).ConfigureAwait(false)) > 0)
            {
                copied += (ulong)read;
                Write(piece, descriptor, buffer.AsSpan(0, read));
                _counters.AddWritten(0, read);
            }

            CheckSize(file.Digest, file.Size, copied);
            _links?.Add(file, piece.Folder, piece.Name, descriptor);
            _counters.AddWritten(1, 0);
        }
        finally
        {
            if (descriptor >= 0)
            {
                _ = LibC.Close(descriptor);
            }

            ArrayPool<byte>.Shared.Return(buffer);
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    private int Create(ExportFolder folder, PathComponent name, bool executable)
    {
        int descriptor = folder.CreateFile(name, executable);
        _made = true;
        return descriptor;
    }

    private static void Write(in ExportPiece piece, int descriptor, ReadOnlySpan<byte> contents)
    {
        while (!contents.IsEmpty)
        {
            nint written = LibC.Write(descriptor, contents);
            if (written < 0)
            {
                throw piece.Folder.Error(piece.Name, "the file cannot be written");
            }

            contents = contents[(int)written..];
        }
    }

    private static void WriteAt(in ExportPiece piece, int descriptor, ReadOnlySpan<byte> contents, long offset)
    {
        while (!contents.IsEmpty)
        {
            nint written = LibC.WriteAt(descriptor, contents, offset);
            if (written < 0)
            {
                throw piece.Folder.Error(piece.Name, "the file cannot be written");
            }

            contents = contents[(int)written..];
            offset += written;
        }
    }

    private static StorageException Missing(B3Digest digest) => new($"The blob {digest} is missing from the store.");

    private static void CheckSize(B3Digest digest, ulong said, ulong actual)
    {
        if (actual != said)
        {
            throw new StorageException($"The blob {digest} has {actual} bytes; its node says {said}.");
        }
    }
}
