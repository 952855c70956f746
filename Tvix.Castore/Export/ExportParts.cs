using Tvix.Castore.Interop;

namespace Tvix.Castore.Export;

/// <summary>A file whose parts are written by several, in any order. Its maker holds it, too; the last to let go closes it.</summary>
/// <param name="descriptor">What the system knows the open file by.</param>
/// <param name="length">How many bytes it gets.</param>
internal sealed class ExportParts(int descriptor, long length)
{
    private int _users = 1;
    private long _missing = length;

    public int Descriptor => descriptor;

    public void Retain() => Interlocked.Increment(ref _users);

    /// <summary>Takes note of bytes that were written; <see langword="true"/> when they were the last.</summary>
    public bool Complete(int bytes) => Interlocked.Add(ref _missing, -bytes) == 0;

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _ = LibC.Close(descriptor);
        }
    }
}
