using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests;

/// <summary>What the package shows to the outside is a file, so that a change of it is seen in review.</summary>
[TestFixture]
public sealed class PublicApiTests
{
    [Test]
    public void PublicApi_OfStore_IsAsRecorded() =>
        GoldenFile.AssertMatches("tests/Tvix.Store.Tests/PublicApi.txt", PublicApi.Render(typeof(IPathInfoService).Assembly));
}
