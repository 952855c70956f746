using System.Buffers.Binary;
using Tvix.Castore.Import;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Makes the NAR of a tree that is walked or imported, in pieces of a buffer's size or more.</summary>
internal abstract class NarSink : ITreeSink
{
    private const int BufferSize = 64 << 10;

    private readonly byte[] _buffer = new byte[BufferSize];
    private int _used;
    private ulong _fileSize;
    private int _depth;

    protected NarSink()
    {
        Append(NarWire.Magic);
    }

    /// <summary>The number of bytes of the NAR so far.</summary>
    public ulong Size { get; private set; }

    public void Name(PathComponent name)
    {
        Append(NarWire.Entry);
        AppendString(name.Bytes);
        Append(NarWire.Node);
    }

    public void BeginDirectory()
    {
        _depth++;
        Append(NarWire.Directory);
    }

    public void EndDirectory()
    {
        _depth--;
        EndNode();
    }

    public void BeginFile(ulong size, bool executable)
    {
        Append(executable ? NarWire.Executable : NarWire.Regular);
        Span<byte> length = stackalloc byte[NarWire.LengthLength];
        BinaryPrimitives.WriteUInt64LittleEndian(length, size);
        Append(length);
        _fileSize = size;
    }

    public void Contents(ReadOnlySpan<byte> bytes) => Append(bytes);

    public void EndFile()
    {
        AppendPadding(NarWire.Padding(_fileSize));
        EndNode();
    }

    public void Symlink(SymlinkTarget target)
    {
        Append(NarWire.Symlink);
        AppendString(target.Bytes);
        EndNode();
    }

    /// <summary>Takes the next bytes of the NAR.</summary>
    protected abstract void Write(ReadOnlySpan<byte> bytes);

    /// <summary>Writes what is still in the buffer.</summary>
    protected void FlushBuffer()
    {
        Write(_buffer.AsSpan(0, _used));
        _used = 0;
    }

    private void EndNode()
    {
        Append(NarWire.Close);
        if (_depth > 0)
        {
            Append(NarWire.Close); // of the entry
        }
    }

    private void AppendString(ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[NarWire.LengthLength];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)bytes.Length);
        Append(length);
        Append(bytes);
        AppendPadding(NarWire.Padding(bytes.Length));
    }

    private void AppendPadding(int count) => Append("\0\0\0\0\0\0\0\0"u8[..count]);

    private void Append(ReadOnlySpan<byte> bytes)
    {
        Size += (ulong)bytes.Length;
        if (bytes.Length > BufferSize - _used)
        {
            FlushBuffer();
            if (bytes.Length >= BufferSize)
            {
                Write(bytes);
                return;
            }
        }

        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }
}
