using NUnit.Framework;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests;

/// <summary>What the package shows to the outside is a file, so that a change of it is seen in review.</summary>
[TestFixture]
public sealed class PublicApiTests
{
    [Test]
    public void PublicApi_OfStoreGrpc_IsAsRecorded() =>
        GoldenFile.AssertMatches("tests/Tvix.Store.Grpc.Tests/PublicApi.txt", PublicApi.Render(typeof(GrpcPackage).Assembly));
}
