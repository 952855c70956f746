using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// Writes a NAR forward, one node at a time. What it writes is always in canonical form. Spec: nix-formats §4.1 to §4.4, §4.7.
/// </summary>
/// <remarks>
/// <para>The archive is over with <see cref="CompleteAsync"/>, which refuses while a directory is open. A writer that is disposed before
/// that has written no archive: what it buffered is not sent, and a pipe that it does not leave open is completed with an error, so that
/// its reader cannot take the output for whole.
/// </para>
/// <para>Each node is given its name: <see langword="default"/> for the root, and names in strictly ascending order of their bytes in each
/// directory.</para>
/// <para>Not safe for concurrent use. After an exception that is not an <see cref="ArgumentException"/>, the writer can only be
/// disposed.</para>
/// </remarks>
public sealed class NarWriter : IAsyncDisposable
{
    private const int FlushLength = 64 * 1024;

    // From here on contents go around the pipe's buffer, where the pipe can do that.
    private const int LargeLength = 32 * 1024;

    // What is asked of the pipe as room for one read from a stream.
    private const int ReadLength = 16 * 1024;

    // The longest that can stand between two variable parts, with room for a name: entry, name, node, kind and length.
    private const int MaxHeaderLength = 48 + 8 + 256 + 48 + 64 + 8;

    private readonly PipeWriter _pipe;
    private readonly bool _leaveOpen;
    private readonly NarPath _path = new();
    private State _state;
    private ulong _remaining;
    private int _padding;
    private int _unflushed;

    /// <summary>Writes to a pipe.</summary>
    /// <param name="pipe">Where the archive goes.</param>
    /// <param name="leaveOpen">Whether the pipe stays open; otherwise it is completed when the writer is completed or disposed.</param>
    public NarWriter(PipeWriter pipe, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(pipe);
        _pipe = pipe;
        _leaveOpen = leaveOpen;
    }

    /// <summary>Writes to a stream.</summary>
    /// <param name="stream">Where the archive goes.</param>
    /// <param name="leaveOpen">Whether the stream stays open; otherwise it is disposed when the writer is completed or disposed.</param>
    public NarWriter(Stream stream, bool leaveOpen = false)
        : this(PipeWriter.Create(stream, new StreamPipeWriterOptions(minimumBufferSize: FlushLength, leaveOpen: leaveOpen)))
    {
    }

    private enum State
    {
        Start,
        InDirectory,
        InContents,
        AtEnd,
        Done,
        Failed,
        Disposed,
    }

    /// <summary>The innermost open directory, for messages; empty for the root.</summary>
    internal string ParentPath => _path.ParentToString();

    /// <summary>The latest entry of the innermost open directory, for messages; empty for the root.</summary>
    internal string LatestPath => _path.ToString();

    /// <summary>The number of bytes of the archive so far.</summary>
    public ulong BytesWritten { get; private set; }

    /// <summary>Writes a symlink.</summary>
    /// <exception cref="ArgumentException">The name is out of order, or missing, or given for the root; or there is no target.</exception>
    /// <exception cref="InvalidOperationException">No node can stand here.</exception>
    public ValueTask WriteSymlinkAsync(PathComponent name, SymlinkTarget target, CancellationToken cancellationToken = default)
    {
        if (target.IsDefault)
        {
            throw new ArgumentException("The target is empty.", nameof(target));
        }

        BeginNode(name);
        Span<byte> span = _pipe.GetSpan(MaxHeaderLength + NarWire.Padded(target.Length) + (2 * NarWire.CloseLength));
        int written = WriteHead(span, name);
        written += Copy(NarWire.Symlink, span[written..]);
        written += NarWire.WriteString(span[written..], target.Bytes);
        written += WriteEndOfNode(span[written..]);
        Advance(written);
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Starts a directory; its entries come next, then <see cref="EndDirectoryAsync"/>.</summary>
    /// <exception cref="ArgumentException">The name is out of order, or missing, or given for the root.</exception>
    /// <exception cref="InvalidOperationException">No node can stand here.</exception>
    public ValueTask BeginDirectoryAsync(PathComponent name, CancellationToken cancellationToken = default)
    {
        BeginNode(name);
        Span<byte> span = _pipe.GetSpan(MaxHeaderLength);
        int written = WriteHead(span, name);
        written += Copy(NarWire.Directory, span[written..]);
        Advance(written);
        _path.Enter();
        _state = State.InDirectory;
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Ends the innermost directory.</summary>
    /// <exception cref="InvalidOperationException">No directory is open, or the contents of a file are not complete.</exception>
    public ValueTask EndDirectoryAsync(CancellationToken cancellationToken = default)
    {
        if (_state != State.InDirectory)
        {
            throw Misuse();
        }

        _path.Leave();
        Advance(WriteEndOfNode(_pipe.GetSpan(2 * NarWire.CloseLength)));
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Writes a file whose contents are at hand.</summary>
    /// <exception cref="ArgumentException">The name is out of order, or missing, or given for the root.</exception>
    /// <exception cref="InvalidOperationException">No node can stand here.</exception>
    public ValueTask WriteFileAsync(
        PathComponent name, bool executable, ReadOnlyMemory<byte> contents, CancellationToken cancellationToken = default)
    {
        WriteFileHead(name, executable, (ulong)contents.Length);
        return contents.IsEmpty ? FlushIfFullAsync(cancellationToken) : WriteContentsAsync(contents, cancellationToken);
    }

    /// <summary>Writes a file whose contents come from a stream.</summary>
    /// <param name="name">The file's name.</param>
    /// <param name="executable">Whether it is executable.</param>
    /// <param name="size">The number of bytes that <paramref name="contents"/> has left.</param>
    /// <param name="contents">Read to its end; stays open.</param>
    /// <param name="cancellationToken">Ends the call; the writer has failed then.</param>
    /// <exception cref="ArgumentException">The name is out of order, or missing, or given for the root.</exception>
    /// <exception cref="EndOfStreamException"><paramref name="contents"/> ended early; the archive cannot be completed.</exception>
    /// <exception cref="InvalidDataException">
    /// <paramref name="contents"/> has more bytes than announced; the archive cannot be completed.
    /// </exception>
    /// <exception cref="InvalidOperationException">No node can stand here.</exception>
    public async ValueTask WriteFileAsync(
        PathComponent name, bool executable, ulong size, Stream contents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        WriteFileHead(name, executable, size);
        State after = _state;
        _state = State.Failed; // unless this gets to its end
        while (_remaining > 0)
        {
            Memory<byte> memory = _pipe.GetMemory(ReadLength);
            memory = memory[..(int)Math.Min((ulong)memory.Length, _remaining)];
            int read = await contents.ReadAsync(memory, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                throw new EndOfStreamException($"The contents of a file end {_remaining} bytes short of the {size} announced.");
            }

            Advance(read);
            _remaining -= (uint)read;
            if (_unflushed >= FlushLength)
            {
                await FlushAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        // The read that returns 0 is also where a stream that checks its whole tells of damage.
        byte[] probe = ArrayPool<byte>.Shared.Rent(1);
        try
        {
            if (await contents.ReadAsync(probe.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) != 0)
            {
                throw new InvalidDataException($"The contents of a file have more than the {size} bytes that were announced.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(probe);
        }

        _state = after;
        if (size > 0)
        {
            EndContents();
        }

        await FlushIfFullAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Starts a file whose contents come with <see cref="WriteContentsAsync"/>, exactly as many bytes as announced. An empty file is over
    /// at once.
    /// </summary>
    /// <exception cref="ArgumentException">The name is out of order, or missing, or given for the root.</exception>
    /// <exception cref="InvalidOperationException">No node can stand here.</exception>
    public ValueTask BeginFileAsync(PathComponent name, bool executable, ulong size, CancellationToken cancellationToken = default)
    {
        WriteFileHead(name, executable, size);
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Writes contents of the file that was begun. With its last byte, the file is over.</summary>
    /// <exception cref="ArgumentException">These are more bytes than the file has left.</exception>
    /// <exception cref="InvalidOperationException">No file was begun, or it is complete.</exception>
    public ValueTask WriteContentsAsync(ReadOnlyMemory<byte> contents, CancellationToken cancellationToken = default)
    {
        if (_state != State.InContents)
        {
            throw Misuse();
        }

        if ((ulong)contents.Length > _remaining)
        {
            throw new ArgumentException($"The file has only {_remaining} bytes left, not {contents.Length}.", nameof(contents));
        }

        if (contents.Length >= LargeLength)
        {
            return WriteLargeAsync(contents, cancellationToken);
        }

        _pipe.Write(contents.Span);
        Account(contents.Length);
        TakeContents(contents.Length);
        return FlushIfFullAsync(cancellationToken);
    }

    /// <summary>Where the contents of the latest file start, in bytes from the start of the archive.</summary>
    internal ulong ContentsOffset { get; private set; }

    /// <summary>Counts contents of the file that was begun, all that are left, without writing them.</summary>
    internal void SkipContents()
    {
        if (_state == State.InContents)
        {
            BytesWritten = checked(BytesWritten + _remaining);
            _remaining = 0;
            EndContents();
        }
    }

    /// <summary>Counts contents of the file that was begun, which were written to the pipe by other means.</summary>
    internal void SkipContents(int count)
    {
        BytesWritten = checked(BytesWritten + (uint)count);
        TakeContents(count);
    }

    /// <summary>Ends the archive and sends everything that is buffered.</summary>
    /// <exception cref="InvalidOperationException">
    /// There is no root, a directory is open, or the contents of a file are not complete.
    /// </exception>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_state != State.AtEnd)
        {
            throw Misuse();
        }

        await FlushAsync(cancellationToken).ConfigureAwait(false);
        _state = State.Done;
        if (!_leaveOpen)
        {
            await _pipe.CompleteAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Lets go of the output. Without <see cref="CompleteAsync"/> before, a pipe that is not left open is completed with an error.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        bool complete = _state is State.Done or State.Disposed;
        _state = State.Disposed;
        if (!complete && !_leaveOpen)
        {
            await _pipe.CompleteAsync(new InvalidOperationException("The NAR was not completed.")).ConfigureAwait(false);
        }
    }

    private static int Copy(ReadOnlySpan<byte> run, Span<byte> destination)
    {
        run.CopyTo(destination);
        return run.Length;
    }

    private void BeginNode(PathComponent name)
    {
        if (_state == State.Start)
        {
            if (!name.IsDefault)
            {
                throw new ArgumentException("The root has no name.", nameof(name));
            }

            return;
        }

        if (_state != State.InDirectory)
        {
            throw Misuse();
        }

        if (name.IsDefault)
        {
            throw new ArgumentException("An entry of a directory needs a name.", nameof(name));
        }

        if (_path.CompareLatest(name.Bytes) >= 0)
        {
            throw new ArgumentException($"'{name}' does not sort after the entry before it.", nameof(name));
        }

        _path.SetName(name.Bytes);
    }

    private static int WriteHead(Span<byte> destination, PathComponent name)
    {
        if (name.IsDefault)
        {
            return Copy(NarWire.Magic, destination);
        }

        int written = Copy(NarWire.Entry, destination);
        written += NarWire.WriteString(destination[written..], name.Bytes);
        return written + Copy(NarWire.Node, destination[written..]);
    }

    private void WriteFileHead(PathComponent name, bool executable, ulong size)
    {
        BeginNode(name);
        Span<byte> span = _pipe.GetSpan(MaxHeaderLength + (2 * NarWire.CloseLength));
        int written = WriteHead(span, name);
        written += Copy(executable ? NarWire.Executable : NarWire.Regular, span[written..]);
        BinaryPrimitives.WriteUInt64LittleEndian(span[written..], size);
        written += NarWire.LengthLength;
        ContentsOffset = BytesWritten + (uint)written;
        if (size == 0)
        {
            written += WriteEndOfNode(span[written..]);
        }
        else
        {
            _remaining = size;
            _padding = NarWire.Padding(size);
            _state = State.InContents;
        }

        Advance(written);
    }

    /// <summary>Writes the end of a node and, where there is one, of its entry.</summary>
    private int WriteEndOfNode(Span<byte> destination)
    {
        int written = Copy(NarWire.Close, destination);
        if (_path.Depth == 0)
        {
            _state = State.AtEnd;
            return written;
        }

        _state = State.InDirectory;
        return written + Copy(NarWire.Close, destination[written..]);
    }

    private void TakeContents(int count)
    {
        _remaining -= (uint)count;
        if (_remaining == 0)
        {
            EndContents();
        }
    }

    private void EndContents()
    {
        Span<byte> span = _pipe.GetSpan(8 + (2 * NarWire.CloseLength));
        span[.._padding].Clear();
        Advance(_padding + WriteEndOfNode(span[_padding..]));
    }

    private async ValueTask WriteLargeAsync(ReadOnlyMemory<byte> contents, CancellationToken cancellationToken)
    {
        _state = State.Failed;
        Check(await _pipe.WriteAsync(contents, cancellationToken).ConfigureAwait(false));
        _state = State.InContents;
        Account(contents.Length);
        _unflushed = 0;
        TakeContents(contents.Length);
    }

    private void Advance(int count)
    {
        _pipe.Advance(count);
        Account(count);
    }

    private void Account(int count)
    {
        BytesWritten = checked(BytesWritten + (uint)count);
        _unflushed += count;
    }

    private ValueTask FlushIfFullAsync(CancellationToken cancellationToken)
    {
        if (_unflushed < FlushLength)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.CompletedTask;
        }

        return FlushAsync(cancellationToken);
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        State state = _state;
        _state = State.Failed;
        Check(await _pipe.FlushAsync(cancellationToken).ConfigureAwait(false));
        _state = state;
        _unflushed = 0;
    }

    internal static void Check(FlushResult result)
    {
        if (result.IsCanceled)
        {
            throw new OperationCanceledException("Writing to the pipe was cancelled.");
        }

        if (result.IsCompleted)
        {
            throw new IOException("Whoever reads the archive has stopped reading.");
        }
    }

    private Exception Misuse() => _state switch
    {
        State.Disposed => new ObjectDisposedException(nameof(NarWriter)),
        State.Start => new InvalidOperationException("The archive has no root yet."),
        State.InDirectory => new InvalidOperationException($"The directory '{_path}' is still open, and no contents can stand there."),
        State.InContents => new InvalidOperationException($"The file at '{_path}' still lacks {_remaining} bytes."),
        State.AtEnd => new InvalidOperationException("The archive has its root already."),
        State.Done => new InvalidOperationException("The archive is complete."),
        _ => new InvalidOperationException("The writer failed, or is still busy with an earlier call."),
    };
}
