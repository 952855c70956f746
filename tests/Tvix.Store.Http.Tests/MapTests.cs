using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Composition;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class MapTests
{
    [Test]
    public async Task Map_InGroups_ServesSeveralStoresOfTheContainer()
    {
        await using WebApplication app = Build();
        app.MapNixBinaryCache();
        app.MapGroup("/near").MapNixBinaryCache(new NixBinaryCacheOptions { Priority = 5 }, "near");
        await app.StartAsync();
        PathInfo info = new()
        {
            StorePath = StorePath.ParseBaseName("00000000000000000000000000000000-dummy"),
            Node = new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")),
            NarSize = 136,
            NarHash = Sha256Digest.ParseHex("097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1"),
        };
        await app.Services.GetRequiredKeyedService<IPathInfoService>("near").PutAsync(info);
        using HttpClient client = new() { BaseAddress = new Uri(app.Urls.First()) };
        Assert.That(await client.GetStringAsync("near/nix-cache-info"), Does.EndWith("Priority: 5\n"));
        Assert.That(await client.GetStringAsync("nix-cache-info"), Does.EndWith("Priority: 39\n"));
        string narInfo = await client.GetStringAsync("near/00000000000000000000000000000000.narinfo");
        string url = narInfo.Split('\n')[1]["URL: ".Length..];
        Assert.That(await client.GetByteArrayAsync("near/" + url), Has.Length.EqualTo(136), "relative to the cache");
        Assert.That((await client.GetAsync("00000000000000000000000000000000.narinfo")).StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        await app.StopAsync();
    }

    [Test]
    public async Task Map_OfWhatIsNotThere_SaysWhich()
    {
        await using WebApplication app = Build();
        Assert.That(() => app.MapNixBinaryCache(name: "far"), Throws.InvalidOperationException.With.Message.Contains("'far'"));
    }

    [Test]
    public async Task Map_WithOptionsOutOfRange_Throws()
    {
        await using WebApplication app = Build();
        foreach (Action<NixBinaryCacheOptions> change in (Action<NixBinaryCacheOptions>[])
        [
            o => o.MaxRangeMemory = -1, o => o.MaxListingNodes = 0, o => o.KnownNars = 0, o => o.MaxNarSize = 0, o => o.MaxNarInfoSize = 0, o => o.MaxUploads = 0,
            o => o.UploadLifetime = TimeSpan.Zero, o => o.NarUrls = (NarUrlStyle)7,
            o => o.MaxListedPaths = 0, o => o.MaxKeptFileSize = 0, o => o.MaxKeptFiles = 0, o => o.MaxKeptBytes = 0, o => o.UploadPatience = TimeSpan.FromSeconds(1),
        ])
        {
            NixBinaryCacheOptions options = new();
            change(options);
            Assert.That(() => app.MapNixBinaryCache(options), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    private static WebApplication Build()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1));
        builder.Services.AddRoutingCore();
        builder.Services.AddTvixStore(store =>
        {
            foreach (string name in (string[])[TvixStoreBuilder.RootName, "near"])
            {
                store.AddMemoryStore(name);
            }
        });
        return builder.Build();
    }
}
