using System.Numerics;
using System.Runtime.CompilerServices;
using Tvix.Castore.Model;

namespace Tvix.Castore.Blake3;

/// <summary>The tree above the kernels: chaining values of subtrees, of parents, and the root.</summary>
/// <remarks>A subtree is a run of chunks that stands below one node: its first chunk's index is a multiple of its number of chunks
/// rounded up to a power of two. Chaining values are 32 bytes, and differ from the digest of the same bytes as a whole message.</remarks>
internal static unsafe class Blake3Tree
{
    public const int ChunkSize = Blake3Kernels.ChunkSize;
    public const int ChainingValueSize = Blake3Kernels.ChainingValueSize;

    /// <summary>The most chunks whose chaining values are gathered on the stack (8 KiB) and joined level by level.</summary>
    private const int StackChunks = 256;

    /// <summary>The chaining value of a subtree that is not the whole message.</summary>
    /// <param name="subtree">The bytes below the node, at least 1.</param>
    /// <param name="firstChunkIndex">The index of the first chunk in the message.</param>
    /// <param name="cv">Receives 32 bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="subtree"/> is empty or <paramref name="cv"/> is too short.</exception>
    public static void SubtreeChainingValue(ReadOnlySpan<byte> subtree, ulong firstChunkIndex, Span<byte> cv)
    {
        if (subtree.IsEmpty || cv.Length < ChainingValueSize)
        {
            throw new ArgumentException("A subtree has at least one byte and a chaining value of 32 bytes.");
        }

        fixed (byte* input = subtree, output = cv)
        {
            Subtree(input, (nuint)subtree.Length, firstChunkIndex, output);
        }
    }

    /// <summary>The chaining value of a parent that is not the root.</summary>
    /// <param name="left">32 bytes.</param>
    /// <param name="right">32 bytes.</param>
    /// <param name="cv">Receives 32 bytes.</param>
    public static void ParentChainingValue(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> cv) => Join(left, right, 0, cv);

    /// <summary>The digest of a message of more than one chunk, from the two children of its root.</summary>
    /// <param name="left">32 bytes.</param>
    /// <param name="right">32 bytes.</param>
    public static B3Digest RootDigest(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> digest = stackalloc byte[ChainingValueSize];
        Join(left, right, Blake3Kernels.Root, digest);
        return new B3Digest(digest);
    }

    /// <summary>The digest of a message from the chaining values of its subtrees, from left to right: all of the same power of two of
    /// chunks but the last, which may be smaller.</summary>
    /// <param name="cvs">At least two values of 32 bytes; overwritten.</param>
    public static B3Digest RootDigest(Span<byte> cvs)
    {
        fixed (byte* row = cvs)
        {
            Reduce(row, (nuint)cvs.Length / ChainingValueSize, 2);
        }

        return RootDigest(cvs[..ChainingValueSize], cvs.Slice(ChainingValueSize, ChainingValueSize));
    }

    /// <summary>As <see cref="RootDigest(Span{byte})"/>, for subtrees that are not the whole message.</summary>
    /// <param name="cvs">At least one value of 32 bytes; overwritten.</param>
    /// <param name="cv">Receives 32 bytes.</param>
    public static void Reduce(Span<byte> cvs, Span<byte> cv)
    {
        fixed (byte* row = cvs)
        {
            Reduce(row, (nuint)cvs.Length / ChainingValueSize, 1);
        }

        cvs[..ChainingValueSize].CopyTo(cv);
    }

    /// <summary>The digest of a whole message.</summary>
    /// <param name="message">The message; may be empty.</param>
    /// <param name="digest">Receives 32 bytes.</param>
    public static void Root(ReadOnlySpan<byte> message, Span<byte> digest)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(digest.Length, ChainingValueSize, nameof(digest));
        fixed (byte* input = message, output = digest)
        {
            if (message.Length <= ChunkSize)
            {
                Blake3Kernels.HashOne(input, (uint)message.Length, 0, Blake3Kernels.Root, output);
            }
            else
            {
                Root(input, (nuint)message.Length, output);
            }
        }
    }

    /// <summary>How many bytes of a message longer than one chunk are below the left child of its root: the largest power of two
    /// of chunks that leaves at least a byte for the right child.</summary>
    public static nuint LeftLength(nuint length) => (nuint)BitOperations.RoundUpToPowerOf2((ulong)length) / 2;

    /// <summary>Joins a row of chaining values pair by pair until so many are left; an odd one goes up as it is.</summary>
    /// <param name="cvs">The row, overwritten.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="target">1, or 2 to keep the children of the root.</param>
    public static void Reduce(byte* cvs, nuint count, nuint target)
    {
        while (count > target)
        {
            nuint parents = count / 2;
            Blake3Kernels.HashParents(cvs, parents, cvs);
            if ((count & 1) != 0)
            {
                Unsafe.CopyBlockUnaligned(cvs + (parents * ChainingValueSize), cvs + ((count - 1) * ChainingValueSize), ChainingValueSize);
                parents++;
            }

            count = parents;
        }
    }

    /// <summary>The digest of a message of more than one chunk.</summary>
    [SkipLocalsInit]
    private static void Root(byte* input, nuint length, byte* output)
    {
        byte* children = stackalloc byte[2 * ChainingValueSize];
        if (length <= StackChunks * ChunkSize)
        {
            byte* cvs = stackalloc byte[StackChunks * ChainingValueSize];
            Blake3Kernels.HashChunks(input, length, 0, cvs);
            Reduce(cvs, (length + ChunkSize - 1) / ChunkSize, 2);
            Blake3Kernels.HashParent(cvs, Blake3Kernels.Root, output);
            return;
        }

        nuint left = LeftLength(length);
        Subtree(input, left, 0, children);
        Subtree(input + left, length - left, left / ChunkSize, children + ChainingValueSize);
        Blake3Kernels.HashParent(children, Blake3Kernels.Root, output);
    }

    [SkipLocalsInit]
    private static void Subtree(byte* input, nuint length, ulong firstChunkIndex, byte* output)
    {
        if (length > StackChunks * ChunkSize)
        {
            byte* children = stackalloc byte[2 * ChainingValueSize];
            nuint left = LeftLength(length);
            Subtree(input, left, firstChunkIndex, children);
            Subtree(input + left, length - left, firstChunkIndex + (left / ChunkSize), children + ChainingValueSize);
            Blake3Kernels.HashParent(children, 0, output);
            return;
        }

        SmallSubtree(input, length, firstChunkIndex, output);
    }

    [SkipLocalsInit]
    private static void SmallSubtree(byte* input, nuint length, ulong firstChunkIndex, byte* output)
    {
        byte* cvs = stackalloc byte[StackChunks * ChainingValueSize];
        Blake3Kernels.HashChunks(input, length, firstChunkIndex, cvs);
        Reduce(cvs, (length + ChunkSize - 1) / ChunkSize, 1);
        Unsafe.CopyBlockUnaligned(output, cvs, ChainingValueSize);
    }

    private static void Join(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, uint flags, Span<byte> output)
    {
        if (left.Length != ChainingValueSize || right.Length != ChainingValueSize || output.Length < ChainingValueSize)
        {
            throw new ArgumentException("A chaining value has 32 bytes.");
        }

        byte* children = stackalloc byte[2 * ChainingValueSize];
        left.CopyTo(new Span<byte>(children, ChainingValueSize));
        right.CopyTo(new Span<byte>(children + ChainingValueSize, ChainingValueSize));
        fixed (byte* destination = output)
        {
            Blake3Kernels.HashParent(children, flags, destination);
        }
    }
}
