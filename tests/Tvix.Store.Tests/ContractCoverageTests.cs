using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests;

/// <summary>Every service runs its contract, in a fixture named after it.</summary>
[TestFixture]
public sealed class ContractCoverageTests
{
    [Test]
    public void PathInfoServices_All_RunTheContract() =>
        Assert.That(
            ContractCoverage.FindUncovered(
                typeof(IPathInfoService).Assembly, typeof(IPathInfoService), GetType().Assembly, typeof(PathInfoServiceContract)),
            Is.Empty);
}
