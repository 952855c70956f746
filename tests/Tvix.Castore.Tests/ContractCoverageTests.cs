using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Testing.Blobs;
using Tvix.Testing.Directories;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests;

/// <summary>Every service runs its contract, in a fixture named after it.</summary>
[TestFixture]
public sealed class ContractCoverageTests
{
    [Test]
    public void BlobServices_All_RunTheContract() =>
        Assert.That(
            ContractCoverage.FindUncovered(
                typeof(IBlobService).Assembly, typeof(IBlobService), GetType().Assembly, typeof(BlobServiceContract)),
            Is.Empty);

    [Test]
    public void DirectoryServices_All_RunTheContract() =>
        Assert.That(
            ContractCoverage.FindUncovered(
                typeof(IDirectoryService).Assembly, typeof(IDirectoryService), GetType().Assembly, typeof(DirectoryServiceContract)),
            Is.Empty);

    [Test]
    public void FindUncovered_NoFixtures_FindsTheServices() =>
        Assert.That(
            ContractCoverage.FindUncovered(
                typeof(IBlobService).Assembly, typeof(IBlobService), typeof(BlobServiceContract).Assembly, typeof(BlobServiceContract)),
            Has.Member(nameof(MemoryBlobService)).And.Member(nameof(CombinedBlobService)));
}
