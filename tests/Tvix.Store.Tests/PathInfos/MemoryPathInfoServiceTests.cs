using NUnit.Framework;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class MemoryPathInfoServiceTests : PathInfoServiceContract
{
    protected override ValueTask<IPathInfoService> CreateAsync() => new(new MemoryPathInfoService());
}
