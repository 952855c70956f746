using NUnit.Framework;
using Tvix.Castore.Compression;
using Tvix.Castore.Tests.Chunking;

namespace Tvix.Castore.Tests.Compression;

[TestFixture]
public sealed class ZstdFrameTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(255)]
    [TestCase(256)]
    [TestCase(65_791)]
    [TestCase(65_792)]
    [TestCase(400_000)]
    public void TryMeasure_WhatTheLibraryMakes_GivesTheLength(int length)
    {
        foreach (byte[] data in new[] { TestData.Lcg(1, length), new byte[length] })
        {
            byte[] frame = Zstd.Compress(data);
            Assert.That((ZstdFrame.TryMeasure(frame, out ulong measured), measured), Is.EqualTo((true, (ulong)length)));
            Assert.That(ZstdFrame.TryMeasure([.. frame, 0], out _), Is.False, "something follows");
            Assert.That(ZstdFrame.TryMeasure([.. frame, .. frame], out _), Is.False, "two frames");
        }
    }

    [Test]
    public void TryMeasure_ATruncatedFrame_IsRefused()
    {
        byte[] frame = Zstd.Compress([.. TestData.Lcg(2, 3000), .. new byte[200_000]]);
        for (int length = 0; length < frame.Length; length++)
        {
            Assert.That(ZstdFrame.TryMeasure(frame.AsSpan(0, length), out _), Is.False, $"{length} bytes");
        }
    }

    [TestCase("28b52ffd00581100000001", "no content size")]
    [TestCase("29b52ffd2001090000aa", "another magic")]
    [TestCase("28b52ffd2801090000aa", "a reserved bit")]
    [TestCase("28b52ffd210101090000aa", "a dictionary")]
    [TestCase("28b52ffd20010f0000aa", "a reserved type of block")]
    [TestCase("28b52ffd2001080000aa", "no last block")]
    [TestCase("28b52ffd2401090000aa", "a checksum that is not there")]
    [TestCase("28b52ffd2001ffffffaa", "a block that is too long")]
    public void TryMeasure_SomethingElse_IsRefused(string hex, string why) =>
        Assert.That(ZstdFrame.TryMeasure(Convert.FromHexString(hex), out _), Is.False, why);

    [TestCase("28b52ffd2001090000aa", 1)] // raw
    [TestCase("28b52ffd20050b0000aa", 5)] // one byte, repeated
    [TestCase("28b52ffd2401090000aa00000000", 1)] // with a checksum
    public void TryMeasure_FramesMadeByHand_GivesTheLength(string hex, int length) =>
        Assert.That((ZstdFrame.TryMeasure(Convert.FromHexString(hex), out ulong measured), measured), Is.EqualTo((true, (ulong)length)));

    [TestCase(1)]
    [TestCase(300)]
    [TestCase(70_000)]
    [TestCase(ZstdFrame.MaxBlockLength)]
    public void WriteRawHead_BeforeContents_MakesAFrameThatTheLibraryReads(int length)
    {
        byte[] data = TestData.Lcg(3, length);
        byte[] frame = new byte[ZstdFrame.RawHeadLength + length];
        ZstdFrame.WriteRawHead(frame, length);
        data.CopyTo(frame.AsSpan(ZstdFrame.RawHeadLength));
        Assert.That(Zstd.Decompress(frame, length), Is.EqualTo(data));
        Assert.That((ZstdFrame.TryMeasure(frame, out ulong measured), measured), Is.EqualTo((true, (ulong)length)));
    }

    [TestCase(0)]
    [TestCase(ZstdFrame.MaxBlockLength + 1)]
    public void WriteRawHead_OfALengthThatNoBlockHas_Throws(int length) =>
        Assert.That(() => ZstdFrame.WriteRawHead(new byte[12], length), Throws.InstanceOf<ArgumentOutOfRangeException>());
}
