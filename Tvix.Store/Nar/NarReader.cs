using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// Reads a NAR forward, one node at a time, with no more memory than names need. It accepts exactly the canonical form and rejects
/// everything else. Spec: nix-formats §4.1 to §4.6.
/// </summary>
/// <remarks>
/// <para>Call <see cref="ReadAsync"/> until it returns <see langword="false"/>: only then is the archive known to be complete. A directory
/// is a <see cref="NarTokenType.Directory"/>, its nodes in name order, and an <see cref="NarTokenType.EndDirectory"/>. Contents of a file
/// that are not read are skipped, but checked like the rest.</para>
/// <para>Not safe for concurrent use. After an exception from a read, the reader can only be disposed.</para>
/// </remarks>
public sealed partial class NarReader : IAsyncDisposable
{
    private readonly NarSource _source;
    private readonly bool _embedded;
    private readonly int _maxDepth;
    private readonly bool _leaveOpen;

    private State _state;
    private bool _endOfInput;
    private long _offset;
    private bool _entryIsOpen; // a node inside a directory was read; the end of its entry comes next

    private readonly NarPath _path = new();
    private int _nameLevel = -1;
    private PathComponent _name;
    private ulong _size;
    private long _remaining; // bytes of the file that were not handed out
    private long _contentsOffset;
    private byte[] _target = [];

    /// <summary>Reads from a stream.</summary>
    /// <param name="stream">The input, disposed with the reader unless the options say otherwise.</param>
    /// <param name="options">How to read; <see langword="null"/> for the defaults.</param>
    public NarReader(Stream stream, NarReaderOptions? options = null)
        : this(stream, options, tap: null)
    {
    }

    /// <summary>Reads from a pipe.</summary>
    /// <param name="pipe">
    /// The input, completed with the reader unless the options say otherwise. In embedded mode it stands right after the archive once
    /// <see cref="ReadAsync"/> has returned <see langword="false"/>.
    /// </param>
    /// <param name="options">How to read; <see langword="null"/> for the defaults.</param>
    public NarReader(PipeReader pipe, NarReaderOptions? options = null)
        : this(new PipeNarSource(pipe ?? throw new ArgumentNullException(nameof(pipe)), tap: null), options)
    {
    }

    /// <summary>Reads from a stream, and gives everything that belongs to the archive to a tap.</summary>
    internal NarReader(Stream stream, NarReaderOptions? options, PipeWriter? tap)
        : this(new StreamNarSource(stream ?? throw new ArgumentNullException(nameof(stream)), options?.Embedded ?? false, tap), options)
    {
    }

    /// <summary>Reads from a pipe, and gives everything that belongs to the archive to a tap.</summary>
    internal NarReader(PipeReader pipe, NarReaderOptions? options, PipeWriter? tap)
        : this(new PipeNarSource(pipe ?? throw new ArgumentNullException(nameof(pipe)), tap), options)
    {
    }

    private NarReader(NarSource source, NarReaderOptions? options)
    {
        options ??= new NarReaderOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxDepth, nameof(options));
        _source = source;
        _embedded = options.Embedded;
        _maxDepth = options.MaxDepth;
        _leaveOpen = options.LeaveOpen;
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

    /// <summary>What the reader stands on.</summary>
    public NarTokenType TokenType { get; private set; }

    /// <summary>
    /// The number of directories around the node that the reader stands on: 0 for the root. A directory's start and end have the same
    /// depth.
    /// </summary>
    public int Depth { get; private set; }

    /// <summary>The number of bytes of the archive that were consumed.</summary>
    public long Offset => _offset;

    /// <summary>
    /// The name of the node in its directory; <see langword="default"/> for the root. At the end of a directory, the name of that
    /// directory.
    /// </summary>
    public PathComponent Name
    {
        get
        {
            if (_name.IsDefault && !NameBytes.IsEmpty)
            {
                _name = PathComponent.FromValid(NameBytes.ToArray());
            }

            return _name;
        }
    }

    /// <summary>The bytes of <see cref="Name"/>, without a copy. Valid until the next call of <see cref="ReadAsync"/>.</summary>
    public ReadOnlySpan<byte> NameBytes => _path.GetName(_nameLevel);

    /// <summary>Whether the file is executable.</summary>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file.</exception>
    public bool IsExecutable
    {
        get
        {
            Require(NarTokenType.File);
            return field;
        }

        private set;
    }

    /// <summary>The length of the file in bytes, as the archive announces it.</summary>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file.</exception>
    public ulong Size
    {
        get
        {
            Require(NarTokenType.File);
            return _size;
        }
    }

    /// <summary>Where the file's contents start, in bytes from the start of the archive; also for an empty file.</summary>
    /// <exception cref="InvalidOperationException">The reader does not stand on a file.</exception>
    public long ContentsOffset
    {
        get
        {
            Require(NarTokenType.File);
            return _contentsOffset;
        }
    }

    /// <summary>Where the symlink points.</summary>
    /// <exception cref="InvalidOperationException">The reader does not stand on a symlink.</exception>
    public SymlinkTarget Target
    {
        get
        {
            Require(NarTokenType.Symlink);
            return SymlinkTarget.FromValid(_target);
        }
    }

    /// <summary>Moves on to the next node, or to the end of a directory.</summary>
    /// <returns><see langword="false"/> at the end of the archive, which is then complete and well-formed.</returns>
    /// <exception cref="NarFormatException">The input is not a NAR.</exception>
    /// <exception cref="InvalidOperationException">An earlier read failed, or is still under way.</exception>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        switch (_state)
        {
            case State.Start or State.InDirectory:
                return TryStep(out int needed) ? new ValueTask<bool>(true) : ReadSlowAsync(needed, cancellationToken);
            case State.InContents:
                return SkipAndReadAsync(cancellationToken);
            case State.AtEnd:
                return FinishAsync(cancellationToken);
            case State.Done:
                return new ValueTask<bool>(false);
            default:
                throw Misuse();
        }
    }

    /// <summary>Gives back memory, and disposes the input unless the options say otherwise.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_state != State.Disposed)
        {
            _state = State.Disposed;
            await _source.DisposeAsync(_leaveOpen).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> ReadSlowAsync(int needed, CancellationToken cancellationToken)
    {
        State state = _state;
        do
        {
            await FillAsync(needed, needed, cancellationToken).ConfigureAwait(false);
            _state = state;
        }
        while (!TryStep(out needed));
        return true;
    }

    private async ValueTask<bool> SkipAndReadAsync(CancellationToken cancellationToken)
    {
        while (_state == State.InContents)
        {
            await ReadContentsAsync(cancellationToken).ConfigureAwait(false);
        }

        return await ReadAsync(cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<bool> FinishAsync(CancellationToken cancellationToken)
    {
        if (!_embedded)
        {
            await FillAsync(1, 1, cancellationToken).ConfigureAwait(false);
            if (!_endOfInput)
            {
                throw Fail(NarError.TrailingData, _offset, "the archive is over, but the input goes on");
            }
        }

        _state = State.Failed;
        await _source.FinishAsync(cancellationToken).ConfigureAwait(false);
        _state = State.Done;
        SetToken(NarTokenType.End);
        return false;
    }

    /// <summary>
    /// Waits for bytes. Afterwards the window is that long, or <see cref="_endOfInput"/> is set; the caller sets the state.
    /// </summary>
    private async ValueTask FillAsync(int needed, long available, CancellationToken cancellationToken)
    {
        // If this throws, bytes may be lost, so there is no way to go on.
        _state = State.Failed;
        _endOfInput = !await _source.EnsureAsync(needed, available, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Parses the next token if the window has all of it, else says how many bytes the window needs. Nothing changes before the token is
    /// complete.
    /// </summary>
    private bool TryStep(out int needed)
    {
        ReadOnlySpan<byte> window = _source.Window.Span;
        int at = 0;
        if (_state == State.Start)
        {
            return TryMatch(window, ref at, NarWire.Magic, out needed) && TryNode(window, at, default, out needed);
        }

        if (_entryIsOpen && !TryMatch(window, ref at, NarWire.Close, out needed))
        {
            return false;
        }

        if (!TryHave(window, at + NarWire.CloseLength, out needed))
        {
            return _endOfInput && ThrowMismatch(window[at..], at, NarWire.Entry, NarWire.Close);
        }

        if (window[at] == NarWire.Close[0])
        {
            if (!TryMatch(window, ref at, NarWire.Close, out needed))
            {
                return false;
            }

            EndDirectory(at);
            return true;
        }

        if (window[at] != NarWire.Entry[0])
        {
            return ThrowMismatch(window[at..], at, NarWire.Entry, NarWire.Close);
        }

        if (!TryMatch(window, ref at, NarWire.Entry, out needed) || !TryLength(window, ref at, out ulong length, out needed))
        {
            return false;
        }

        if (length is 0 or > PathComponent.MaxLength)
        {
            throw Fail(NarError.InvalidName, _offset + at - NarWire.LengthLength, $"a name of {length} bytes is not allowed");
        }

        if (!TryString(window, ref at, (int)length, out ReadOnlySpan<byte> name, out needed))
        {
            return false;
        }

        CheckName(name, _offset + at - NarWire.Padded(name.Length));
        return TryMatch(window, ref at, NarWire.Node, out needed) && TryNode(window, at, name, out needed);
    }

    private bool TryNode(ReadOnlySpan<byte> window, int at, ReadOnlySpan<byte> name, out int needed)
    {
        if (!TryHave(window, at + NarWire.KindLength, out needed))
        {
            return _endOfInput && ThrowNotANode(window[at..], at);
        }

        switch (window[at + NarWire.KindOffset])
        {
            case NarWire.RegularKind:
                return TryMatch(window, ref at, NarWire.Regular, out needed) && TryFile(window, at, name, executable: false, out needed);
            case NarWire.ExecutableKind:
                return TryMatch(window, ref at, NarWire.Executable, out needed) && TryFile(window, at, name, executable: true, out needed);
            case NarWire.SymlinkKind:
                return TryMatch(window, ref at, NarWire.Symlink, out needed) && TrySymlink(window, at, name, out needed);
            case NarWire.DirectoryKind:
                if (!TryMatch(window, ref at, NarWire.Directory, out needed))
                {
                    return false;
                }

                StartDirectory(at, name);
                return true;
            default:
                return ThrowNotANode(window[at..], at);
        }
    }

    private bool TryFile(ReadOnlySpan<byte> window, int at, ReadOnlySpan<byte> name, bool executable, out int needed)
    {
        if (!TryLength(window, ref at, out ulong size, out needed))
        {
            return false;
        }

        // Offsets are 63 bits; a file that exceeds them cannot be followed by the end of its node.
        if (size > (ulong)(long.MaxValue - _offset - at - 64))
        {
            throw Fail(NarError.SizeOverflow, _offset + at - NarWire.LengthLength, $"no archive can contain a file of {size} bytes");
        }

        int contents = at;
        if (size == 0 && !TryMatch(window, ref at, NarWire.Close, out needed))
        {
            return false;
        }

        _contentsOffset = _offset + contents;
        _size = size;
        _remaining = (long)size;
        IsExecutable = executable;
        Commit(at, name, NarTokenType.File);
        if (size > 0)
        {
            _state = State.InContents;
        }
        else
        {
            EndNode();
        }

        return true;
    }

    private bool TrySymlink(ReadOnlySpan<byte> window, int at, ReadOnlySpan<byte> name, out int needed)
    {
        if (!TryLength(window, ref at, out ulong length, out needed))
        {
            return false;
        }

        if (length is 0 or > SymlinkTarget.MaxLength)
        {
            throw Fail(NarError.InvalidTarget, _offset + at - NarWire.LengthLength, $"a symlink target of {length} bytes is not allowed");
        }

        if (!TryString(window, ref at, (int)length, out ReadOnlySpan<byte> target, out needed))
        {
            return false;
        }

        if (target.Contains((byte)0))
        {
            throw Fail(NarError.InvalidTarget, _offset + at - NarWire.Padded(target.Length), "a symlink target contains a NUL byte");
        }

        if (!TryMatch(window, ref at, NarWire.Close, out needed))
        {
            return false;
        }

        _target = target.ToArray();
        Commit(at, name, NarTokenType.Symlink);
        EndNode();
        return true;
    }

    private void StartDirectory(int consumed, ReadOnlySpan<byte> name)
    {
        if (_path.Depth >= _maxDepth)
        {
            throw Fail(NarError.TooDeep, _offset, $"more than {_maxDepth} directories are inside each other");
        }

        Commit(consumed, name, NarTokenType.Directory);
        _path.Enter();
        _entryIsOpen = false;
        _state = State.InDirectory;
    }

    private void EndDirectory(int consumed)
    {
        _source.Consume(consumed);
        _offset += consumed;
        _path.Leave();
        SetToken(NarTokenType.EndDirectory);
        EndNode();
    }

    private void EndNode()
    {
        _entryIsOpen = true;
        _state = _path.Depth > 0 ? State.InDirectory : State.AtEnd;
    }

    private void Commit(int consumed, ReadOnlySpan<byte> name, NarTokenType token)
    {
        if (_path.Depth > 0)
        {
            _path.SetName(name);
        }

        SetToken(token);
        _source.Consume(consumed);
        _offset += consumed;
    }

    private void SetToken(NarTokenType token)
    {
        TokenType = token;
        Depth = _path.Depth;
        _nameLevel = Depth - 1;
        _name = default;
    }

    private void CheckName(ReadOnlySpan<byte> name, long offset)
    {
        PathComponentError error = PathComponent.Validate(name);
        if (error != PathComponentError.None)
        {
            throw Fail(NarError.InvalidName, offset, $"the name '{ByteText.Show(name)}' is not valid: {PathComponent.Describe(error)}");
        }

        int order = _path.CompareLatest(name);
        if (order == 0)
        {
            throw Fail(NarError.DuplicateName, offset, $"the name '{ByteText.Show(name)}' occurs twice");
        }

        if (order > 0)
        {
            throw Fail(NarError.WrongOrder, offset, $"the name '{ByteText.Show(name)}' comes after one that it sorts before");
        }
    }

    private bool TryHave(ReadOnlySpan<byte> window, int count, out int needed)
    {
        needed = count;
        return window.Length >= count;
    }

    private bool TryMatch(ReadOnlySpan<byte> window, ref int at, ReadOnlySpan<byte> run, out int needed)
    {
        if (TryHave(window, at + run.Length, out needed))
        {
            if (window.Slice(at, run.Length).SequenceEqual(run))
            {
                at += run.Length;
                return true;
            }
        }
        else if (!_endOfInput)
        {
            return false;
        }

        return ThrowMismatch(window[at..], at, run);
    }

    private bool TryLength(ReadOnlySpan<byte> window, ref int at, out ulong length, out int needed)
    {
        if (!TryHave(window, at + NarWire.LengthLength, out needed))
        {
            length = 0;
            return _endOfInput ? throw UnexpectedEnd(window) : false;
        }

        length = BinaryPrimitives.ReadUInt64LittleEndian(window[at..]);
        at += NarWire.LengthLength;
        return true;
    }

    /// <summary>Steps over the bytes of a string and its padding, whose length was read.</summary>
    private bool TryString(ReadOnlySpan<byte> window, ref int at, int length, out ReadOnlySpan<byte> bytes, out int needed)
    {
        int padded = NarWire.Padded(length);
        if (!TryHave(window, at + padded, out needed) && !_endOfInput)
        {
            bytes = default;
            return false;
        }

        ReadOnlySpan<byte> here = window[at..Math.Min(at + padded, window.Length)];
        CheckPadding(here, length, at);
        if (here.Length < padded)
        {
            throw UnexpectedEnd(window);
        }

        bytes = here[..length];
        at += padded;
        return true;
    }

    /// <summary>Checks that what follows the first <paramref name="length"/> bytes is zero.</summary>
    private void CheckPadding(ReadOnlySpan<byte> bytes, int length, long at)
    {
        if (bytes.Length <= length)
        {
            return;
        }

        int bad = bytes[length..].IndexOfAnyExcept((byte)0);
        if (bad >= 0)
        {
            throw Fail(NarError.BadPadding, _offset + at + length + bad, "padding is not zero");
        }
    }

    [DoesNotReturn]
    private bool ThrowNotANode(ReadOnlySpan<byte> actual, int at) =>
        ThrowMismatch(actual, at, NarWire.Regular, NarWire.Executable, NarWire.Symlink, NarWire.Directory);

    /// <summary>Says what is wrong with bytes that are none of the given runs, or only their start.</summary>
    [DoesNotReturn]
    private bool ThrowMismatch(
        ReadOnlySpan<byte> actual,
        long at,
        ReadOnlySpan<byte> run,
        ReadOnlySpan<byte> or = default,
        ReadOnlySpan<byte> or2 = default,
        ReadOnlySpan<byte> or3 = default)
    {
        // The run that agrees with the input for longest is taken for the one that was meant.
        int same = actual.CommonPrefixLength(run);
        Consider(actual, or, ref run, ref same);
        Consider(actual, or2, ref run, ref same);
        Consider(actual, or3, ref run, ref same);
        if (same == actual.Length)
        {
            throw UnexpectedEnd(_source.Window.Span);
        }

        if (NarWire.IsPadding(run, same))
        {
            throw Fail(NarError.BadPadding, _offset + at + same, "padding is not zero");
        }

        throw run == NarWire.Magic && same < NarWire.LengthLength + "nix-archive-1".Length
            ? Fail(NarError.BadMagic, _offset + at + same, "the input is not a NAR")
            : Fail(NarError.UnexpectedToken, _offset + at + same, $"not what the format allows after the {same} bytes before it");

        static void Consider(ReadOnlySpan<byte> actual, ReadOnlySpan<byte> candidate, ref ReadOnlySpan<byte> run, ref int same)
        {
            int length = actual.CommonPrefixLength(candidate);
            if (length > same)
            {
                run = candidate;
                same = length;
            }
        }
    }

    private NarFormatException UnexpectedEnd(ReadOnlySpan<byte> window) =>
        Fail(NarError.UnexpectedEnd, _offset + window.Length, "the input ends inside the archive");

    private NarFormatException Fail(NarError error, long offset, string what)
    {
        _state = State.Failed;
        string path = _path.ToString();
        string where = path.Length > 0 ? $"at byte {offset}, near '{path}'" : $"at byte {offset}";
        return new NarFormatException(error, offset, $"Malformed NAR, {where}: {what}.");
    }

    private void Require(NarTokenType token)
    {
        if (TokenType != token)
        {
            throw new InvalidOperationException($"The reader stands on {TokenType}, not on {token}.");
        }
    }

    private Exception Misuse() => _state == State.Disposed
        ? new ObjectDisposedException(nameof(NarReader))
        : new InvalidOperationException("The reader failed, or is still busy with an earlier call.");
}
