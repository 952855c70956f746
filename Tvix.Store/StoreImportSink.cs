using System.Security.Cryptography;
using System.Text;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Castore.References;
using Tvix.Store.Nar;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>All that has to be known of a tree's bytes for its store path, gathered while it is imported: NAR hash, flat hash, references.</summary>
internal sealed class StoreImportSink : ITreeSink, IDisposable
{
    private readonly NarHashSink _nar = new();
    private readonly IncrementalHash? _flat;
    private readonly StorePath[] _candidates;
    private readonly ReferenceScanner? _scanner;
    private ReferenceScan? _scan;

    public StoreImportSink(StoreImportOptions options)
    {
        _flat = options.Method == StoreImportMethod.Flat ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        _candidates = [.. options.ReferenceCandidates.Distinct()];
        _scanner = MakeScanner(_candidates);
    }

    /// <summary>A scanner for the hash parts of store paths; <see langword="null"/> when there are none.</summary>
    public static ReferenceScanner? MakeScanner(StorePath[] candidates) => candidates.Length == 0
        ? null
        : new ReferenceScanner(new ReferencePattern(candidates.Select(path => new ReadOnlyMemory<byte>(Encoding.ASCII.GetBytes(path.Digest.ToString())))));

    /// <summary>The size and hash of the NAR, after the tree has ended.</summary>
    public NarDigest FinishNar() => _nar.Finish();

    /// <summary>The hash of all files' contents, which is that of the file when it is the only one.</summary>
    public Sha256Digest FinishFlat() => new(_flat!.GetHashAndReset());

    /// <summary>The candidates that were found.</summary>
    public IEnumerable<StorePath> FoundReferences => _scanner is null ? [] : _candidates.Where((_, index) => _scanner.IsFound(index));

    public void BeginDirectory() => _nar.BeginDirectory();

    public void Name(PathComponent name) => _nar.Name(name);

    public void EndDirectory() => _nar.EndDirectory();

    public void BeginFile(ulong size, bool executable)
    {
        _nar.BeginFile(size, executable);
        _scan = _scanner?.StartFile();
    }

    public void Contents(ReadOnlySpan<byte> bytes)
    {
        _nar.Contents(bytes);
        _flat?.AppendData(bytes);
        _scan?.Append(bytes);
    }

    public void EndFile() => _nar.EndFile();

    public void Symlink(SymlinkTarget target)
    {
        _nar.Symlink(target);
        _scanner?.Scan(target.Bytes);
    }

    public void Dispose()
    {
        _nar.Dispose();
        _flat?.Dispose();
    }
}
