using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>A folder that is open as long as anybody has something to make in it. Its maker holds it, too.</summary>
/// <param name="parent">The folder it is in; <see langword="null"/> for the one that the tree is written to.</param>
/// <param name="name">Its name in there.</param>
/// <param name="descriptor">What the system knows it by.</param>
internal sealed class ExportFolder(ExportFolder? parent, PathComponent name, int descriptor)
{
    private const uint FileMode = 0x1b6; // 0666
    private const uint ExecutableMode = 0x1ff; // 0777

    private int _users = 1;

    public ExportFolder? Parent => parent;

    public PathComponent Name => name;

    public int Descriptor => descriptor;

    public bool IsTop => parent is null;

    public void Retain() => Interlocked.Increment(ref _users);

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _ = LibC.Close(descriptor);
        }
    }

    /// <summary>Makes a file, and opens it for writing, and for reading, as what is cloned must be.</summary>
    /// <exception cref="ExportException">The system does not let it, or there is something of this name.</exception>
    public int CreateFile(PathComponent child, bool executable)
    {
        Span<byte> terminated = child.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]);
        int file = LibC.OpenAt(
            descriptor, terminated, LibC.ReadWrite | LibC.Create | LibC.Exclusive | LibC.NoFollow, executable ? ExecutableMode : FileMode);
        return file >= 0 ? file : throw Error(child, "the file cannot be made");
    }

    /// <summary>What the system's last error on this thread means for a name in this folder.</summary>
    public ExportException Error(PathComponent child, string reason)
    {
        IOException cause = LibC.ErrorOf(LibC.LastError);
        if (IsTop)
        {
            // The root is the empty path, which would not tell.
            return new ExportException(default, child.IsDefault ? $"{reason}: {cause.Message}" : $"at '{child}' {reason}: {cause.Message}", cause);
        }

        List<byte> path = [];
        Append(path);
        path.AddRange(child.Bytes);
        return new ExportException(path.ToArray(), $"{reason}: {cause.Message}", cause);
    }

    // Paths are relative to the root of the tree, which is the first folder in the one at the top. A tree may be deeper than the stack.
    private void Append(List<byte> path)
    {
        Stack<PathComponent> names = new();
        for (ExportFolder folder = this; folder.Parent is { IsTop: false } above; folder = above)
        {
            names.Push(folder.Name);
        }

        foreach (PathComponent component in names)
        {
            path.AddRange(component.Bytes);
            path.Add((byte)'/');
        }
    }
}
