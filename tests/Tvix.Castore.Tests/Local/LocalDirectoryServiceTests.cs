using NUnit.Framework;
using Tvix.Tests.Shared;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Testing.Directories;

namespace Tvix.Castore.Tests.Local;

[TestFixture]
public sealed class LocalDirectoryServiceTests : DirectoryServiceContract
{
    private TempFolder _folder = null!;
    private LocalStore _store = null!;

    protected override ValueTask<IDirectoryService> CreateAsync()
    {
        _folder = new TempFolder();
        _store = new LocalStore(_folder["store"]);
        return new(_store.Directories);
    }

    protected override async ValueTask DestroyAsync(IDirectoryService service)
    {
        await _store.DisposeAsync();
        _folder.Dispose();
    }
}
