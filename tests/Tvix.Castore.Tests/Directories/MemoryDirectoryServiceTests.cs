using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Testing.Directories;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(MemoryDirectoryService))]
public sealed class MemoryDirectoryServiceTests : DirectoryServiceContract
{
    protected override ValueTask<IDirectoryService> CreateAsync() => new(new MemoryDirectoryService());
}
