using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blake3;

[TestFixture]
public sealed class Blake3TreeTests
{
    private static readonly byte[] Data = MakeData();

    [Test]
    public void SubtreeChainingValue_AnyLengthAndPlace_EqualsReference(
        [Values(1, 64, 1023, 1024, 1025, 4096, 65_537, 262_144, 262_145, 600_001)] int length,
        [Values(0UL, 1024UL, 0xFFFF_FC00UL, 0x1_0000_0000UL)] ulong firstChunk)
    {
        byte[] cv = new byte[32];
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(0, length), firstChunk, cv);
        Assert.That(cv, Is.EqualTo(ReferenceBlake3.ChainingValue(Data.AsSpan(0, length), firstChunk)));
    }

    [Test]
    public void RootDigest_OfTwoSubtrees_EqualsWholeHash([Values(1025, 2048, 2049, 65_536, 300_000, 1_000_000)] int length)
    {
        int left = (int)Blake3Tree.LeftLength((nuint)length);
        byte[] cvs = new byte[64];
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(0, left), 0, cvs);
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(left, length - left), (ulong)left / 1024, cvs.AsSpan(32));
        Assert.That(
            Blake3Tree.RootDigest(cvs.AsSpan(0, 32), cvs.AsSpan(32)), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, length))));
    }

    [Test]
    public void RootDigest_OfARowOfSubtrees_EqualsWholeHash([Values(1, 4, 16, 64)] int chunks)
    {
        int size = chunks * 1024;
        for (int length = size + 1; length < 40 * size && length <= Data.Length; length += size - 100)
        {
            int count = (length + size - 1) / size;
            byte[] cvs = new byte[count * 32];
            for (int i = 0; i < count; i++)
            {
                Blake3Tree.SubtreeChainingValue(
                    Data.AsSpan(i * size, Math.Min(size, length - (i * size))), (ulong)(i * chunks), cvs.AsSpan(32 * i));
            }

            Assert.That(Blake3Tree.RootDigest(cvs), Is.EqualTo(Blake3Hasher.HashData(Data.AsSpan(0, length))), $"{length} bytes");
        }
    }

    [Test]
    public void ParentChainingValue_OfTwoSubtrees_EqualsTheirSubtree()
    {
        byte[] left = new byte[32], right = new byte[32], parent = new byte[32], whole = new byte[32];
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(0, 4096), 8, left);
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(4096, 1500), 12, right);
        Blake3Tree.SubtreeChainingValue(Data.AsSpan(0, 5596), 8, whole);
        Blake3Tree.ParentChainingValue(left, right, parent);
        Assert.That(parent, Is.EqualTo(whole));
    }

    [TestCase(1025, 1024)]
    [TestCase(2048, 1024)]
    [TestCase(2049, 2048)]
    [TestCase(4096, 2048)]
    [TestCase(5000, 4096)]
    public void LeftLength_AnyLength_IsTheLargestPowerOfTwoThatLeavesSomething(int length, int left) =>
        Assert.That(Blake3Tree.LeftLength((nuint)length), Is.EqualTo((nuint)left));

    [Test]
    public void SubtreeChainingValue_NoBytes_Throws() =>
        Assert.That(() => Blake3Tree.SubtreeChainingValue([], 0, new byte[32]), Throws.ArgumentException);

    [Test]
    public void SubtreeChainingValue_TooLittleRoom_Throws() =>
        Assert.That(() => Blake3Tree.SubtreeChainingValue([1], 0, new byte[31]), Throws.ArgumentException);

    [Test]
    public void ParentChainingValue_WrongLength_Throws() =>
        Assert.That(() => Blake3Tree.ParentChainingValue(new byte[31], new byte[32], new byte[32]), Throws.ArgumentException);

    private static byte[] MakeData()
    {
        byte[] data = new byte[1_000_000];
        new Random(7).NextBytes(data);
        return data;
    }
}
