using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>Computes the size and hash of the NAR of a tree while it is imported, and ends the import when they are not what was expected.</summary>
/// <remarks>That happens before the importer stores the directories, so that nothing of such a tree becomes visible.</remarks>
internal sealed class ExpectedNarSink(ContentsImportOptions options) : ITreeSink, IDisposable
{
    private readonly NarHashSink _nar = new();
    private int _depth;
    private NarDigest _found;

    /// <summary>The size and hash of the NAR, after the tree has ended.</summary>
    public NarDigest Found => _found;

    public void BeginDirectory()
    {
        _depth++;
        _nar.BeginDirectory();
    }

    public void Name(PathComponent name) => _nar.Name(name);

    public void EndDirectory()
    {
        _depth--;
        _nar.EndDirectory();
        EndNode();
    }

    public void BeginFile(ulong size, bool executable) => _nar.BeginFile(size, executable);

    public void Contents(ReadOnlySpan<byte> bytes)
    {
        _nar.Contents(bytes);
        if (_nar.Size > options.ExpectedSize)
        {
            throw new NarHashMismatchException(NarMismatch.Size, $"The NAR should have {options.ExpectedSize} bytes, but has more.");
        }
    }

    public void EndFile()
    {
        _nar.EndFile();
        EndNode();
    }

    public void Symlink(SymlinkTarget target)
    {
        _nar.Symlink(target);
        EndNode();
    }

    public void Dispose() => _nar.Dispose();

    private void EndNode()
    {
        if (_depth > 0)
        {
            return;
        }

        _found = _nar.Finish();
        if (options.ExpectedSize is { } size && size != _found.Size)
        {
            throw new NarHashMismatchException(NarMismatch.Size, $"The NAR should have {size} bytes, but has {_found.Size}.");
        }

        if (options.ExpectedSha256 is { } hash && hash != _found.Sha256)
        {
            throw new NarHashMismatchException(
                NarMismatch.NarHash, $"The NAR should have the hash {hash}, but has {_found.Sha256}.", hash.ToNixHash(), _found.Sha256.ToNixHash());
        }
    }
}
