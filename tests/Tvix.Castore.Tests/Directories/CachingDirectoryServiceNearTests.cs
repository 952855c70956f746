using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Testing.Directories;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(CachingDirectoryService))]
public sealed class CachingDirectoryServiceNearTests : DirectoryServiceContract
{
    protected override ValueTask<IDirectoryService> CreateAsync() =>
        new(new CachingDirectoryService(new MemoryDirectoryService(), new MemoryDirectoryService()));
}
