using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Receives a tree while it is imported, contents included: depth first, names in ascending order of their bytes. That is the order of a NAR.</summary>
/// <remarks>
/// <code>
/// tree      = directory | file | symlink
/// directory = BeginDirectory { Name tree } EndDirectory
/// file      = BeginFile { Contents } EndFile
/// symlink   = Symlink
/// </code>
/// Called by one thread at a time, but not always the same. What a method throws ends the import.
/// </remarks>
public interface ITreeSink
{
    /// <summary>A directory begins.</summary>
    void BeginDirectory();

    /// <summary>The name of what comes next, in the directory that is open.</summary>
    void Name(PathComponent name);

    /// <summary>The directory that was begun last ends.</summary>
    void EndDirectory();

    /// <summary>A file begins.</summary>
    /// <param name="size">The length of its contents in bytes.</param>
    /// <param name="executable">Whether the owner may execute it.</param>
    void BeginFile(ulong size, bool executable);

    /// <summary>A piece of the file's contents. The memory is valid during the call only.</summary>
    void Contents(ReadOnlySpan<byte> bytes);

    /// <summary>The file ends; all of its contents have come.</summary>
    void EndFile();

    /// <summary>A symbolic link.</summary>
    void Symlink(SymlinkTarget target);
}
