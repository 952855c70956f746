using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Tvix.Store;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Client;
using Tvix.Store.PathInfos;

string folder = Directory.CreateTempSubdirectory("tvix-serve-").FullName;
string socket = Path.Combine(folder, "store.sock");

// A store, served on a Unix socket; ListenLocalhost(8000, …) would do it on TCP.
await using TvixStore local = TvixStore.Open($"local:{folder}/store");
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2));
await using WebApplication server = builder.Build();
server.MapTvixStore(local);
await server.StartAsync();

// The same store, from anywhere.
await using TvixStore remote = TvixStore.Open($"grpc+unix:{socket}", resolver: StoreAddressResolver.Default.WithGrpc());
await File.WriteAllTextAsync(Path.Combine(folder, "hello"), "Hello, store!\n");
PathInfo info = await remote.ImportAsync(Path.Combine(folder, "hello")); // sends only what the server lacks
Console.WriteLine(info.StorePath.ToAbsolutePath());

await using Stream? hello = await remote.OpenFileAsync(info.Node);
Console.Write(await new StreamReader(hello!).ReadToEndAsync());

await server.StopAsync();
Directory.Delete(folder, recursive: true);
