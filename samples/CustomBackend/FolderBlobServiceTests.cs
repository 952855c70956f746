using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Store;
using Tvix.Store.PathInfos;
using Tvix.Testing.Blobs;

namespace CustomBackend;

/// <summary>The whole conformance suite: say how to make the service, and inherit.</summary>
[TestFixture]
public sealed class FolderBlobServiceTests : BlobServiceContract
{
    private string _folder = "";

    protected override ValueTask<IBlobService> CreateAsync()
    {
        _folder = Directory.CreateTempSubdirectory("custom-backend-").FullName;
        return new(new FolderBlobService(Path.Combine(_folder, "blobs")));
    }

    protected override ValueTask DestroyAsync(IBlobService service)
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>And a store that uses it, composed in a container.</summary>
    [Test]
    public async Task Store_OverTheBackend_ImportsAndRenders()
    {
        string blobs = Path.Combine(_folder, "blobs");
        await using ServiceProvider provider = new ServiceCollection()
            .AddTvixStore(store => store
                .AddFolderBlobService("root", blobs)
                .AddMemoryDirectoryService()
                .AddMemoryPathInfoService())
            .BuildServiceProvider();
        TvixStore tvix = provider.GetRequiredService<TvixStore>();
        string file = Path.Combine(_folder, "hello.txt");
        await File.WriteAllTextAsync(file, "Hello World!");

        PathInfo info = await tvix.ImportAsync(file);

        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/925f1jb1ajrypjbyq7rylwryqwizvhp0-hello.txt"));
        Assert.That(Directory.GetFiles(blobs), Has.Length.EqualTo(1));
        Assert.That(await tvix.WriteNarAsync(info.Node, Stream.Null), Is.EqualTo(info.NarSize));
    }
}
