using System.Buffers;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Health.V1;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Testing.PathInfos;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;
using ReflectionV1 = Tvix.Store.Grpc.Protos.Reflection.V1.ReflectionReflection;
using ReflectionV1Alpha = Tvix.Store.Grpc.Protos.Reflection.V1Alpha.ReflectionReflection;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
public sealed class MapTvixStoreTests
{
    public static IEnumerable<MethodDescriptor> Methods =>
        from service in (ServiceDescriptor[])
        [
            StoreMethods.Tvix.Blobs, StoreMethods.Tvix.Directories, StoreMethods.Tvix.PathInfos,
            StoreMethods.Snix.Blobs, StoreMethods.Snix.Directories, StoreMethods.Snix.PathInfos,
            HealthReflection.Descriptor.Services[0], ReflectionV1.Descriptor.Services[0], ReflectionV1Alpha.Descriptor.Services[0],
        ]
        from method in service.Methods
        select method;

    [TestCaseSource(nameof(Methods))]
    public async Task EveryMethod_OfEveryDescriptor_IsServed(MethodDescriptor method)
    {
        await using StoreServer server = await StoreServer.StartAsync();

        // A byte that begins no message: who reads it as one says INVALID_ARGUMENT, and who is not there UNIMPLEMENTED.
        GrpcMethod<ReadOnlySequence<byte>, ReadOnlySequence<byte>> raw = GrpcMethod<ReadOnlySequence<byte>, ReadOnlySequence<byte>>.FromDescriptor(
            method.Service, method.Name, RawMarshaller.Instance, RawMarshaller.Instance);
        GrpcException e = StatusOf(async () =>
        {
            await using IGrpcCall<ReadOnlySequence<byte>, ReadOnlySequence<byte>> call = server.Channel.Start(raw);
            await call.WriteAsync(Message(new byte[] { 0x0a }));
            await call.CompleteAsync();
            await call.MoveNextAsync();
        });
        // The request for a list has no fields, but it must be a message all the same.
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument), e.Message);
    }

    [Test]
    public async Task ReadOnly_Writes_EndBeforeAnythingIsRead([Values] GrpcPackage package)
    {
        await using StoreServer server = await StoreServer.StartAsync(package, new TvixStoreGrpcOptions { IsReadOnly = true });
        GrpcException[] failures =
        [
            StatusOf(() => server.PutBlobAsync([1, 2, 3])),
            StatusOf(() => server.PutDirectoriesAsync(CastoreDirectory.Empty)),
            StatusOf(() => server.PutPathInfoAsync(SamplePathInfos.Minimal.Encode())),
        ];
        Assert.That(failures.Select(failure => failure.StatusCode), Is.All.EqualTo(GrpcStatusCode.FailedPrecondition));
        Assert.That(failures.Select(failure => StoreErrors.FromStatus(failure, "Writing")), Is.All.TypeOf<NotSupportedException>());
        Assert.That(server.Blobs.Asked, Is.Zero);
        Assert.That(await server.ListAsync(), Is.Empty);
        Assert.That((await server.CalculateNarAsync(NodeMessages.Encode(SamplePathInfos.Minimal.Node))).NarSize, Is.EqualTo(SamplePathInfos.Minimal.NarSize));
    }

    [Test]
    public async Task BothPackages_OfOneServer_HaveTheSameContents()
    {
        await using StoreServer server = await StoreServer.StartAsync(GrpcPackage.Tvix);
        B3Digest digest = await server.PutBlobAsync([1, 2, 3]);
        List<byte> content = [];
        await foreach (ReadOnlySequence<byte> piece in server.Channel.ServerStreamingAsync(
            StoreMethods.Snix.ReadBlob, new ReadBlobRequest { Digest = Google.Protobuf.ByteString.CopyFrom(digest.ToByteArray()) }))
        {
            content.AddRange(piece.ToArray());
        }

        Assert.That(content, Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    [TestCase(null)]
    [TestCase("other")]
    public async Task MapTvixStore_StoresInTheContainer_ServesTheNamedOne(string? name)
    {
        await using TestServer server = await TestServer.StartAsync(
            app => _ = name is null ? app.MapTvixStore() : app.MapTvixStore(name: name),
            services: services => services.AddTvixStore(store => store.AddMemoryStore().AddMemoryStore("other")));
        TvixStore served = server.Services.GetRequiredKeyedService<TvixStore>(name ?? "root");
        await served.PathInfos.PutAsync(SamplePathInfos.Minimal);
        using GrpcChannel channel = server.Connect();
        int count = 0;
        await foreach (ReadOnlySequence<byte> info in channel.ServerStreamingAsync(StoreMethods.Tvix.ListPathInfos, new ListPathInfoRequest()))
        {
            count++;
        }

        Assert.That(count, Is.EqualTo(1));
    }

    [Test]
    public async Task MapTvixStore_SomebodyElseCalculatesNars_IsAsked([Values("option", "container")] string by)
    {
        NarDigest known = new(4711, Sha256Digest.Compute("a"u8));
        await using TestServer server = await TestServer.StartAsync(
            app => app.MapTvixStore(new TvixStoreGrpcOptions { NarCalculation = by == "option" ? new FixedNarCalculation(known) : null }),
            services: services =>
            {
                services.AddTvixStore(store => store.AddMemoryStore());
                if (by == "container")
                {
                    services.AddSingleton<INarCalculationService>(new FixedNarCalculation(known));
                }
            });
        using GrpcChannel channel = server.Connect();
        CalculateNARResponse nar = await channel.UnaryAsync(StoreMethods.Tvix.CalculateNar, NodeMessages.Encode(SamplePathInfos.Minimal.Node), response => response);
        Assert.That((nar.NarSize, new Sha256Digest(nar.NarSha256.Span)), Is.EqualTo((known.Size, known.Sha256)));
    }

    [Test]
    public async Task CalculateNar_ServerBehindThisOneMissesContents_IsNotFound()
    {
        await using StoreServer far = await StoreServer.StartAsync();
        await using TestServer near = await TestServer.StartAsync(app => app.MapTvixStore(
            new TvixStore(new ScriptedBlobService(), new ScriptedDirectoryService(), new ScriptedPathInfoService()),
            new TvixStoreGrpcOptions { NarCalculation = new FarNarCalculation(far) }));
        using GrpcChannel channel = near.Connect();
        GrpcException e = StatusOf(async () => await channel.UnaryAsync(
            StoreMethods.Tvix.CalculateNar, NodeMessages.Encode(new Castore.Model.Node.Directory(default, 1)), response => response));
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [Test]
    public void MapTvixStore_NoSuchServices_SaysSo() => Assert.That(
        async () => await TestServer.StartAsync(app => app.MapTvixStore(name: "nowhere"), services: services => services.AddTvixStore(store => store.AddMemoryStore())),
        Throws.InvalidOperationException);

    [Test]
    public async Task MapTvixStore_ConventionsOfTheResult_HoldForEveryMethod()
    {
        List<Endpoint> endpoints = [];
        await using TestServer server = await TestServer.StartAsync(app =>
        {
            app.MapTvixStore(new TvixStore(new ScriptedBlobService(), new ScriptedDirectoryService(), new ScriptedPathInfoService())).WithMetadata("a convention");
            endpoints.AddRange(((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints));
        });
        Endpoint[] methods = [.. endpoints.Where(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null)];
        Assert.That(methods, Has.Length.EqualTo(Methods.Count()));
        Assert.That(methods.Select(method => method.Metadata.GetMetadata<string>()), Is.All.EqualTo("a convention"));
    }

    public static IEnumerable<TvixStoreGrpcOptions> OutOfRange =>
    [
        new() { ReadPieceSize = 0 },
        new() { ReadPieceSize = 4 << 20 },
        new() { MaxReceiveMessageSize = 0 },
        new() { HealthInterval = TimeSpan.Zero },
        new() { HealthTimeout = TimeSpan.FromSeconds(-1) },
        new() { NarCacheCapacity = 0 },
        new() { MaxConcurrentNarCalculations = 0 },
    ];

    [TestCaseSource(nameof(OutOfRange))]
    public void MapTvixStore_OptionOutOfRange_SaysSo(TvixStoreGrpcOptions options) =>
        Assert.That(async () => await StoreServer.StartAsync(options: options), Throws.InstanceOf<ArgumentOutOfRangeException>());

    private sealed class FixedNarCalculation(NarDigest known) : INarCalculationService
    {
        public ValueTask<NarDigest> CalculateAsync(Castore.Model.Node root, CancellationToken cancellationToken = default) => new(known);
    }

    private sealed class FarNarCalculation(StoreServer far) : INarCalculationService
    {
        public async ValueTask<NarDigest> CalculateAsync(Castore.Model.Node root, CancellationToken cancellationToken = default)
        {
            try
            {
                CalculateNARResponse nar = await far.CalculateNarAsync(NodeMessages.Encode(root), cancellationToken);
                return new NarDigest(nar.NarSize, new Sha256Digest(nar.NarSha256.Span));
            }
            catch (GrpcException e)
            {
                throw StoreErrors.FromStatus(e, "Calculating");
            }
        }
    }
}
