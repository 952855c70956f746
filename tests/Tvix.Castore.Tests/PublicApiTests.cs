using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests;

/// <summary>What the packages show to the outside is a file, so that a change of it is seen in review.</summary>
[TestFixture]
public sealed class PublicApiTests
{
    [Test]
    public void PublicApi_OfCastore_IsAsRecorded() =>
        GoldenFile.AssertMatches("tests/Tvix.Castore.Tests/PublicApi.txt", PublicApi.Render(typeof(IBlobService).Assembly));

    [Test]
    public void PublicApi_OfTesting_IsAsRecorded() =>
        GoldenFile.AssertMatches("tests/Tvix.Castore.Tests/PublicApi.Testing.txt", PublicApi.Render(typeof(Testing.SampleTrees).Assembly));
}
