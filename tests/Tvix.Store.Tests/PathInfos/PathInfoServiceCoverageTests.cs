using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class PathInfoServiceCoverageTests
{
    [Test]
    public void EveryService_OfTheLibrary_HasAContractFixture()
    {
        IEnumerable<string> services = typeof(IPathInfoService).Assembly.GetTypes()
            .Where(type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IPathInfoService)))
            .Select(type => type.Name + "Tests");
        string[] fixtures =
        [
            .. typeof(PathInfoServiceCoverageTests).Assembly.GetTypes()
                .Where(type => type.IsAssignableTo(typeof(PathInfoServiceContract)))
                .Select(type => type.Name),
        ];

        Assert.That(services, Is.Not.Empty.And.SubsetOf(fixtures));
    }
}
