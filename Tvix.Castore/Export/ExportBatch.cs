using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>A file, or a part of one, that is to be written.</summary>
/// <param name="Folder">Where it goes.</param>
/// <param name="Name">Its name there.</param>
/// <param name="File">What it is.</param>
/// <param name="Blob">The place of its contents among the blobs of the batch; -1 if it is empty, or streamed.</param>
/// <param name="Parts">The file that this is a part of; <see langword="null"/> for a whole one.</param>
/// <param name="Offset">Where the part begins.</param>
internal readonly record struct ExportPiece(ExportFolder Folder, PathComponent Name, Node.File File, int Blob, ExportParts? Parts = null, long Offset = 0);

/// <summary>Files that are found, read, checked and written together. Holds their folders until it is disposed.</summary>
internal sealed class ExportBatch : IDisposable
{
    // What is read should stay in the processor's cache until it is written.
    private const int MaxBytes = 256 << 10;
    private const int MaxPieces = 256;
    private const int MaxFolders = 24; // which are open

    private readonly List<BlobChunk> _blobs = [];
    private readonly List<ExportPiece> _pieces = [];
    private long _bytes;
    private int _folders;

    public List<BlobChunk> Blobs => _blobs;

    public List<ExportPiece> Pieces => _pieces;

    /// <summary>Whether there is room for another piece. There always is for the first.</summary>
    public bool Fits(ExportFolder folder, long size) =>
        _pieces.Count == 0
        || (_pieces.Count < MaxPieces && _bytes + size <= MaxBytes && (_folders < MaxFolders || _pieces[^1].Folder == folder));

    public void Add(ExportPiece piece, BlobChunk? blob)
    {
        if (_pieces.Count == 0 || _pieces[^1].Folder != piece.Folder)
        {
            _folders++;
        }

        if (blob is { } contents)
        {
            piece = piece with { Blob = _blobs.Count };
            _blobs.Add(contents);
            _bytes += (long)contents.Size;
        }

        piece.Folder.Retain();
        piece.Parts?.Retain();
        _pieces.Add(piece);
    }

    /// <summary>Lets go of the pieces that are done already.</summary>
    /// <param name="isToDo">Whether a piece is yet to be written; called once for each.</param>
    public void Filter(Func<ExportPiece, bool> isToDo)
    {
        BlobChunk[] blobs = [.. _blobs];
        _blobs.Clear();
        int count = 0;
        int next = 0;
        try
        {
            for (; next < _pieces.Count; next++)
            {
                ExportPiece piece = _pieces[next];
                if (!isToDo(piece))
                {
                    Release(piece);
                    continue;
                }

                if (piece.Blob >= 0)
                {
                    _blobs.Add(blobs[piece.Blob]);
                    piece = piece with { Blob = _blobs.Count - 1 };
                }

                _pieces[count++] = piece;
            }
        }
        finally
        {
            _pieces.RemoveRange(count, next - count); // after an exception the rest is still held
        }
    }

    public void Dispose()
    {
        foreach (ExportPiece piece in _pieces)
        {
            Release(piece);
        }

        _pieces.Clear();
    }

    private static void Release(in ExportPiece piece)
    {
        piece.Parts?.Release();
        piece.Folder.Release();
    }
}
