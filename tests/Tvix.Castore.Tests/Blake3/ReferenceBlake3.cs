using System.Numerics;
using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blake3;

/// <summary>BLAKE3 as the paper tells it, a block at a time with the scalar kernel: what the fast paths are compared with.</summary>
internal static class ReferenceBlake3
{
    /// <summary>The digest of a message.</summary>
    public static B3Digest Digest(ReadOnlySpan<byte> message) => new(Bytes(Node(message, 0, Blake3Kernels.Root)));

    /// <summary>The chaining value of a subtree that is not the root.</summary>
    public static byte[] ChainingValue(ReadOnlySpan<byte> subtree, ulong firstChunk) => Bytes(Node(subtree, firstChunk, 0));

    private static uint[] Node(ReadOnlySpan<byte> bytes, ulong firstChunk, uint rootFlag)
    {
        uint[] cv = Blake3Kernels.InitialValue.ToArray();
        byte[] block = new byte[64];
        if (bytes.Length <= 1024)
        {
            int blocks = Math.Max(1, (bytes.Length + 63) / 64);
            for (int i = 0; i < blocks; i++)
            {
                ReadOnlySpan<byte> part = bytes[(64 * i)..Math.Min(bytes.Length, 64 * (i + 1))];
                Array.Clear(block);
                part.CopyTo(block);
                uint flags = (i == 0 ? Blake3Kernels.ChunkStart : 0) | (i == blocks - 1 ? Blake3Kernels.ChunkEnd | rootFlag : 0);
                Blake3Kernels.CompressScalar(cv, block, firstChunk, (uint)part.Length, flags);
            }

            return cv;
        }

        int left = (int)BitOperations.RoundUpToPowerOf2((uint)bytes.Length) / 2;
        Bytes(Node(bytes[..left], firstChunk, 0)).CopyTo(block, 0);
        Bytes(Node(bytes[left..], firstChunk + (ulong)(left / 1024), 0)).CopyTo(block, 32);
        Blake3Kernels.CompressScalar(cv, block, 0, 64, Blake3Kernels.Parent | rootFlag);
        return cv;
    }

    private static byte[] Bytes(uint[] words) => MemoryMarshal.AsBytes(words.AsSpan()).ToArray();
}
