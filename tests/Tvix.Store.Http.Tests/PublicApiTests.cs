using NUnit.Framework;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

/// <summary>What the package shows to the outside is a file, so that a change of it is seen in review.</summary>
[TestFixture]
public sealed class PublicApiTests
{
    [Test]
    public void PublicApi_OfStoreHttp_IsAsRecorded() =>
        GoldenFile.AssertMatches("tests/Tvix.Store.Http.Tests/PublicApi.txt", PublicApi.Render(typeof(NixBinaryCacheOptions).Assembly));
}
