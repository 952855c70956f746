using System.Buffers;
using System.Security.Cryptography;
using NUnit.Framework;
using Tvix.Store.Nar;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarHasherTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(262_143)]
    [TestCase(262_145)]
    [TestCase(3_000_000)]
    public async Task Finish_WhateverTheWrites_IsTheDigestOfAll(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        NarDigest expected = new((ulong)length, new Sha256Digest(SHA256.HashData(bytes)));
        foreach (int piece in new[] { 100, 70_000, 1_000_000 })
        {
            foreach (bool flush in new[] { true, false })
            {
                await using NarHasher hasher = new();
                for (int at = 0; at < length; at += piece)
                {
                    hasher.Write(bytes.AsSpan(at, Math.Min(piece, length - at)));
                    if (flush)
                    {
                        await hasher.FlushAsync();
                        Assert.That(hasher.UnflushedBytes, Is.LessThan(262_144));
                    }
                }

                Assert.That(await hasher.FinishAsync(), Is.EqualTo(expected));
                Assert.That(await hasher.FinishAsync(), Is.EqualTo(expected));
                Assert.That(hasher.Size, Is.EqualTo((ulong)length));
            }
        }
    }

    [Test]
    public async Task GetMemory_LargeHint_IsGranted()
    {
        await using NarHasher hasher = new();
        hasher.Write<byte>([1, 2, 3]);
        Memory<byte> memory = hasher.GetMemory(1_000_000);
        Assert.That(memory.Length, Is.GreaterThanOrEqualTo(1_000_000));
        memory.Span[..1_000_000].Clear();
        hasher.Advance(1_000_000);
        byte[] whole = [1, 2, 3, .. new byte[1_000_000]];
        Assert.That((await hasher.FinishAsync()).Sha256, Is.EqualTo(Sha256Digest.Compute(whole)));
    }

    [Test]
    public async Task Write_AfterFinishOrDispose_Throws()
    {
        NarHasher hasher = new();
        Assert.Throws<InvalidOperationException>(() => hasher.Advance(1));
        await hasher.FinishAsync();
        Assert.Throws<InvalidOperationException>(() => hasher.GetSpan());
        await hasher.DisposeAsync();
        await hasher.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => hasher.GetSpan());
    }

    [Test]
    public async Task Dispose_InTheMiddle_EndsTheWorker()
    {
        NarHasher hasher = new();
        for (int i = 0; i < 20; i++)
        {
            hasher.Write(new byte[100_000]);
            await hasher.FlushAsync();
        }

        await hasher.DisposeAsync();
        Assert.ThrowsAsync<ObjectDisposedException>(async () => await hasher.FinishAsync());
    }
}
