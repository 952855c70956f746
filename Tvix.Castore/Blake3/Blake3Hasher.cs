using System.Numerics;
using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <summary>Computes BLAKE3 digests: at once, incrementally, of many messages side by side, and of files on all cores.</summary>
/// <remarks>
/// <para>Only the plain hash mode with 32 bytes of output is offered. The static members are safe for use by many threads; an
/// instance is for one thread at a time.</para>
/// <para>A message is cut into chunks of 1,024 bytes (the last may be shorter; an empty message is one empty chunk), the leaves of a
/// binary tree. The left subtree of a node is always full and holds the largest power of two of chunks that leaves something for the
/// right:</para>
/// <code>
///              root              5 chunks: the left subtree of the root has 4, the right 1
///             /    \
///          node     4            chunk  = a chain of compressions over its blocks of 64 bytes, with the chunk's index as counter
///         /    \                 parent = one compression of the two chaining values below it (2 x 32 bytes), with counter 0
///      node    node              root   = the topmost of these, be it a chunk or a parent, compressed with the flag ROOT
///      /  \    /  \
///     0    1  2    3
/// </code>
/// <para>A chaining value depends on the bytes of its subtree and on the index of the first chunk, and on nothing to the left or the
/// right of it. So chunks are hashed side by side in the lanes of SIMD registers, subtrees on several cores, and any subtree can be
/// checked by itself when the values of its siblings up to the root are known. Source: the BLAKE3 paper, sections 2.1 to 2.7.</para>
/// </remarks>
public sealed partial class Blake3Hasher
{
    /// <summary>The length of a digest in bytes.</summary>
    public const int HashSizeInBytes = B3Digest.Size;

    private const int ChunkSize = Blake3Tree.ChunkSize;
    private const int ValueSize = Blake3Tree.ChainingValueSize;
    private const int MaxBufferSize = 64 * ChunkSize;

    // Bytes not yet compressed. The last byte of the message stays here until it is known not to be the last. It starts small, for
    // most blobs are, and what is compressed from it has MaxBufferSize bytes: enough to fill all lanes on several levels of the tree.
    private byte[] _buffer = [];
    private int _buffered;

    // Chaining values of full subtrees to the left of the buffer, from large to small: one for each bit of the number of chunks.
    // A value is joined with its left neighbour only when more follows, for what is topmost at the end becomes the root.
    private byte[] _stack = [];
    private int _depth;
    private ulong _chunks;

    /// <summary>Takes more of the message.</summary>
    /// <param name="source">The next bytes; they are not kept after the call.</param>
    public void AppendData(ReadOnlySpan<byte> source)
    {
        while (!source.IsEmpty)
        {
            if (_buffered == 0 && source.Length > MaxBufferSize)
            {
                // The largest subtree that may stand here, straight from the caller's memory. _chunks is a multiple of the chunks
                // of a full buffer, and so stays one.
                ulong size = BitOperations.RoundUpToPowerOf2((ulong)source.Length) / 2;
                ulong limit = _chunks == 0 ? size : (ulong)ChunkSize << BitOperations.TrailingZeroCount(_chunks);
                int length = (int)Math.Min(size, limit);
                Push(source[..length]);
                source = source[length..];
                continue;
            }

            if (_buffered == MaxBufferSize)
            {
                Push(_buffer);
                _buffered = 0;
                continue;
            }

            int taken = Math.Min(source.Length, MaxBufferSize - _buffered);
            if (_buffered + taken > _buffer.Length)
            {
                Array.Resize(ref _buffer, Math.Max(ChunkSize, (int)BitOperations.RoundUpToPowerOf2((uint)(_buffered + taken))));
            }

            source[..taken].CopyTo(_buffer.AsSpan(_buffered));
            _buffered += taken;
            source = source[taken..];
        }
    }

    /// <summary>The digest of what was appended so far; appending may go on.</summary>
    public B3Digest GetCurrentDigest()
    {
        Span<byte> digest = stackalloc byte[HashSizeInBytes];
        Finish(digest);
        return new B3Digest(digest);
    }

    /// <summary>Writes the digest of what was appended so far; appending may go on.</summary>
    /// <param name="destination">At least <see cref="HashSizeInBytes"/> bytes.</param>
    /// <returns>The number of bytes written: <see cref="HashSizeInBytes"/>.</returns>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public int GetCurrentHash(Span<byte> destination) =>
        TryGetCurrentHash(destination, out int written) ? written : throw TooShort(nameof(destination));

    /// <summary>Writes the digest of what was appended so far; <see langword="false"/> when there is too little room for it.</summary>
    /// <param name="destination">Room for <see cref="HashSizeInBytes"/> bytes.</param>
    /// <param name="bytesWritten"><see cref="HashSizeInBytes"/> or 0.</param>
    public bool TryGetCurrentHash(Span<byte> destination, out int bytesWritten)
    {
        bytesWritten = 0;
        if (destination.Length < HashSizeInBytes)
        {
            return false;
        }

        Finish(destination);
        bytesWritten = HashSizeInBytes;
        return true;
    }

    /// <summary>The digest of what was appended, and a fresh start.</summary>
    public B3Digest GetDigestAndReset()
    {
        B3Digest digest = GetCurrentDigest();
        Reset();
        return digest;
    }

    /// <summary>Forgets everything that was appended.</summary>
    public void Reset()
    {
        _buffered = 0;
        _depth = 0;
        _chunks = 0;
    }

    private static ArgumentException TooShort(string name) => new($"A BLAKE3 digest needs {HashSizeInBytes} bytes.", name);

    /// <summary>Takes a full, aligned subtree that is not the end of the message.</summary>
    private void Push(ReadOnlySpan<byte> subtree)
    {
        ulong chunks = (ulong)subtree.Length / ChunkSize;
        JoinDownTo(BitOperations.PopCount(_chunks));
        if ((_depth + 1) * ValueSize > _stack.Length)
        {
            Array.Resize(ref _stack, Math.Max(8 * ValueSize, _stack.Length * 2));
        }

        Blake3Tree.SubtreeChainingValue(subtree, _chunks, _stack.AsSpan(_depth * ValueSize, ValueSize));
        _depth++;
        _chunks += chunks;
    }

    /// <summary>Joins the two topmost values until so many are left.</summary>
    private void JoinDownTo(int depth)
    {
        for (; _depth > depth; _depth--)
        {
            Span<byte> left = _stack.AsSpan((_depth - 2) * ValueSize, ValueSize);
            Blake3Tree.ParentChainingValue(left, _stack.AsSpan((_depth - 1) * ValueSize, ValueSize), left);
        }
    }

    [SkipLocalsInit]
    private void Finish(Span<byte> destination)
    {
        if (_chunks == 0)
        {
            Blake3Tree.Root(_buffer.AsSpan(0, _buffered), destination);
            return;
        }

        // Something is always in the buffer, for only what is not the end of the message is pushed.
        JoinDownTo(BitOperations.PopCount(_chunks));
        Span<byte> right = stackalloc byte[ValueSize];
        Blake3Tree.SubtreeChainingValue(_buffer.AsSpan(0, _buffered), _chunks, right);
        for (int i = _depth - 1; i > 0; i--)
        {
            Blake3Tree.ParentChainingValue(_stack.AsSpan(i * ValueSize, ValueSize), right, right);
        }

        Blake3Tree.RootDigest(_stack.AsSpan(0, ValueSize), right).CopyTo(destination);
    }
}
