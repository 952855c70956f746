using System.Reflection;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.PathInfos;
using Tvix.Testing.Blobs;
using Tvix.Testing.Directories;
using Tvix.Testing.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Grpc.Tests;

/// <summary>Every service that is for others runs its contract, in a fixture named after it.</summary>
[TestFixture]
public sealed class ContractCoverageTests
{
    [TestCase(typeof(IBlobService), typeof(BlobServiceContract))]
    [TestCase(typeof(IDirectoryService), typeof(DirectoryServiceContract))]
    [TestCase(typeof(IPathInfoService), typeof(PathInfoServiceContract))]
    public void Services_All_RunTheContract(Type service, Type contract)
    {
        Assembly library = typeof(GrpcPackage).Assembly;
        IEnumerable<string> hidden = library.GetTypes().Where(type => type.IsNestedPrivate).Select(type => type.Name); // they only watch another one
        Assert.That(ContractCoverage.FindUncovered(library, service, GetType().Assembly, contract).Except(hidden), Is.Empty);
    }
}
