using NUnit.Framework;
using Tvix.Castore.Chunking;

namespace Tvix.Castore.Tests.Chunking;

[TestFixture]
public sealed class ChunkingParametersTests
{
    [Test]
    public void Default_Sizes_AreThePublishedOnes()
    {
        ChunkingParameters parameters = ChunkingParameters.Default;
        using (Assert.EnterMultipleScope())
        {
            Assert.That((parameters.MinSize, parameters.AverageSize, parameters.MaxSize), Is.EqualTo((131_072, 262_144, 524_288)));
            Assert.That(parameters.MaskBeforeCentre, Is.EqualTo(0x0000d91707537000));
            Assert.That(parameters.MaskAfterCentre, Is.EqualTo(0x0000d90703537000));
        }
    }

    [TestCase(512u, 256, 1024)]
    [TestCase(513u, 256, 1026)]
    [TestCase(2_097_153u, 1_048_576, 4_194_306)]
    public void FromAverage_InRange_HalvesAndDoubles(uint average, int min, int max)
    {
        ChunkingParameters parameters = ChunkingParameters.FromAverage(average);
        Assert.That((parameters.MinSize, parameters.AverageSize, parameters.MaxSize), Is.EqualTo((min, (int)average, max)));
    }

    [TestCase(0u)]
    [TestCase(511u)]
    [TestCase(2_097_154u)]
    [TestCase(uint.MaxValue)]
    public void FromAverage_OutOfRange_Throws(uint average) =>
        Assert.That(() => ChunkingParameters.FromAverage(average), Throws.TypeOf<ArgumentOutOfRangeException>());

    [TestCase(63, 256, 1024)]
    [TestCase((1 << 20) + 1, 1 << 21, 1 << 22)]
    [TestCase(64, 255, 1024)]
    [TestCase(64, (1 << 22) + 1, 1 << 24)]
    [TestCase(64, 256, 1023)]
    [TestCase(64, 256, (1 << 24) + 1)]
    [TestCase(512, 400, 1024)]
    [TestCase(512, 2000, 1999)]
    public void Create_OutOfRange_Throws(int min, int average, int max) =>
        Assert.That(() => ChunkingParameters.Create(min, average, max), Throws.TypeOf<ArgumentOutOfRangeException>());

    [Test]
    public void Equals_SameSizes_AreEqual()
    {
        ChunkingParameters one = ChunkingParameters.FromAverage(1000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(one, Is.EqualTo(ChunkingParameters.FromAverage(1000)));
            Assert.That(one.GetHashCode(), Is.EqualTo(ChunkingParameters.FromAverage(1000).GetHashCode()));
            Assert.That(one, Is.Not.EqualTo(ChunkingParameters.FromAverage(1001)));
        }
    }
}
