using System.Reflection;

namespace Tvix.Tests.Shared;

/// <summary>Finds services that no contract suite is run on.</summary>
internal static class ContractCoverage
{
    /// <summary>
    /// The classes of a library that implement a service, and for which the test assembly has no fixture that inherits the contract and
    /// whose name starts with that of the class.
    /// </summary>
    public static IEnumerable<string> FindUncovered(Assembly library, Type service, Assembly tests, Type contract)
    {
        Type[] fixtures = [.. tests.GetTypes().Where(type => !type.IsAbstract && type.IsSubclassOf(contract))];
        return library.GetTypes()
            .Where(type => type.IsClass && !type.IsAbstract && type.IsAssignableTo(service))
            .Select(type => type.Name)
            .Where(name => !fixtures.Any(fixture => fixture.Name.StartsWith(name, StringComparison.Ordinal)));
    }
}
