using Google.Protobuf;
using Google.Protobuf.Reflection;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Reflection.V1;
using Tvix.Store.Grpc.Server;
using ReflectionV1Alpha = Tvix.Store.Grpc.Protos.Reflection.V1Alpha.ReflectionReflection;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture("v1")]
[TestFixture("v1alpha")]
public sealed class ReflectionTests(string version)
{
    private static readonly ProtobufMarshaller<ServerReflectionRequest> _request = new(ServerReflectionRequest.Parser);
    private static readonly ProtobufMarshaller<ServerReflectionResponse> _response = new(ServerReflectionResponse.Parser);

    private readonly GrpcMethod<ServerReflectionRequest, ServerReflectionResponse> _method = GrpcMethod<ServerReflectionRequest, ServerReflectionResponse>.FromDescriptor(
        (version == "v1" ? ReflectionReflection.Descriptor : ReflectionV1Alpha.Descriptor).Services[0], "ServerReflectionInfo", _request, _response);

    private StoreServer _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _server = await StoreServer.StartAsync();

    [OneTimeTearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task ListServices_OfAStore_HasAllThatAreServed()
    {
        ServerReflectionResponse response = await AskAsync(new ServerReflectionRequest { ListServices = "whatever", Host = "here" });
        Assert.That(response.ListServicesResponse.Service.Select(service => service.Name), Is.EqualTo(new[]
        {
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "snix.castore.v1.BlobService",
            "snix.castore.v1.DirectoryService",
            "snix.store.v1.PathInfoService",
            "tvix.castore.v1.BlobService",
            "tvix.castore.v1.DirectoryService",
            "tvix.store.v1.PathInfoService",
        }));
        Assert.That(response.ValidHost, Is.EqualTo("here"));
        Assert.That(response.OriginalRequest.ListServices, Is.EqualTo("whatever"));
    }

    [TestCase("tvix/castore/protos/castore.proto")]
    [TestCase("tvix/castore/protos/rpc_blobstore.proto")]
    [TestCase("tvix/castore/protos/rpc_directory.proto", "tvix/castore/protos/castore.proto")]
    [TestCase("tvix/store/protos/pathinfo.proto", "tvix/castore/protos/castore.proto")]
    [TestCase("tvix/store/protos/rpc_pathinfo.proto", "tvix/castore/protos/castore.proto", "tvix/store/protos/pathinfo.proto")]
    [TestCase("snix/castore/protos/castore.proto")]
    [TestCase("snix/castore/protos/rpc_blobstore.proto")]
    [TestCase("snix/castore/protos/rpc_directory.proto", "snix/castore/protos/castore.proto")]
    [TestCase("snix/store/protos/pathinfo.proto", "snix/castore/protos/castore.proto")]
    [TestCase("snix/store/protos/rpc_pathinfo.proto", "snix/castore/protos/castore.proto", "snix/store/protos/pathinfo.proto")]
    [TestCase("grpc/health/v1/health.proto")]
    [TestCase("grpc/reflection/v1/reflection.proto")]
    [TestCase("grpc/reflection/v1alpha/reflection.proto")]
    public async Task FileByFilename_KnownFile_ComesWithItsImports(string name, params string[] imports)
    {
        List<FileDescriptorProto> files = Files(await AskAsync(new ServerReflectionRequest { FileByFilename = name }));
        Assert.That(files[0].Name, Is.EqualTo(name));
        Assert.That(files.Skip(1).Select(file => file.Name), Is.EquivalentTo(imports));
    }

    [TestCase("tvix.castore.v1.BlobService", "tvix/castore/protos/rpc_blobstore.proto")]
    [TestCase("tvix.castore.v1.BlobService.Stat", "tvix/castore/protos/rpc_blobstore.proto")]
    [TestCase("tvix.castore.v1.StatBlobResponse.ChunkMeta", "tvix/castore/protos/rpc_blobstore.proto")]
    [TestCase("tvix.castore.v1.StatBlobResponse.ChunkMeta.digest", "tvix/castore/protos/rpc_blobstore.proto")]
    [TestCase("tvix.castore.v1.GetDirectoryRequest.by_what", "tvix/castore/protos/rpc_directory.proto")]
    [TestCase("snix.castore.v1.Entry", "snix/castore/protos/castore.proto")]
    [TestCase("snix.store.v1.PathInfoService.CalculateNAR", "snix/store/protos/rpc_pathinfo.proto")]
    [TestCase("snix.store.v1.PathInfo.entry", "snix/store/protos/pathinfo.proto")]
    [TestCase("tvix.store.v1.NARInfo.CA.Hash", "tvix/store/protos/pathinfo.proto")]
    [TestCase("tvix.store.v1.NARInfo.CA.TEXT_SHA256", "tvix/store/protos/pathinfo.proto")]
    [TestCase("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto")]
    [TestCase("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto")]
    public async Task FileContainingSymbol_KnownSymbol_IsThatFile(string symbol, string file) =>
        Assert.That(Files(await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol }))[0].Name, Is.EqualTo(file));

    public static IEnumerable<TestCaseData> Unknown =>
    [
        new(new ServerReflectionRequest { FileByFilename = "nonsense.proto" }, GrpcStatusCode.NotFound),
        new(new ServerReflectionRequest { FileContainingSymbol = "tvix.castore.v1" }, GrpcStatusCode.NotFound),
        new(new ServerReflectionRequest { FileContainingSymbol = "" }, GrpcStatusCode.NotFound),
        new(new ServerReflectionRequest { FileContainingExtension = new ExtensionRequest { ContainingType = "tvix.castore.v1.Node", ExtensionNumber = 100 } }, GrpcStatusCode.NotFound),
        new(new ServerReflectionRequest { AllExtensionNumbersOfType = "nonsense" }, GrpcStatusCode.NotFound),
        new(new ServerReflectionRequest(), GrpcStatusCode.InvalidArgument),
    ];

    [TestCaseSource(nameof(Unknown))]
    public async Task AnyRequest_ForWhatIsNotThere_IsAnsweredWithAnError(object request, GrpcStatusCode code)
    {
        ServerReflectionResponse response = await AskAsync((ServerReflectionRequest)request);
        Assert.That(response.ErrorResponse.ErrorCode, Is.EqualTo((int)code));
        Assert.That(response.OriginalRequest, Is.EqualTo(request));
    }

    [Test]
    public async Task AllExtensionNumbers_KnownMessage_AreNone()
    {
        ServerReflectionResponse response = await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "tvix.store.v1.NARInfo.CA" });
        Assert.That(response.AllExtensionNumbersResponse.BaseTypeName, Is.EqualTo("tvix.store.v1.NARInfo.CA"));
        Assert.That(response.AllExtensionNumbersResponse.ExtensionNumber, Is.Empty);
    }

    [Test]
    public async Task OneCall_ManyRequests_AreAnsweredInOrderAlsoAfterAnError()
    {
        await using IGrpcCall<ServerReflectionRequest, ServerReflectionResponse> call = _server.Channel.Start(_method);
        string[] names = ["nonsense", "tvix/castore/protos/castore.proto", "nonsense too", "grpc/health/v1/health.proto"];
        foreach (string name in names)
        {
            await call.WriteAsync(new ServerReflectionRequest { FileByFilename = name });
        }

        foreach (string name in names)
        {
            Assert.That(await call.MoveNextAsync(), Is.True);
            Assert.That(call.Current.OriginalRequest.FileByFilename, Is.EqualTo(name));
            Assert.That(call.Current.ErrorResponse is null, Is.EqualTo(name.EndsWith(".proto", StringComparison.Ordinal)));
        }

        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.False);
    }

    [Test]
    public async Task EveryService_ByReflectionAlone_CanBeBuilt()
    {
        ServerReflectionResponse list = await AskAsync(new ServerReflectionRequest { ListServices = "" });
        foreach (string service in list.ListServicesResponse.Service.Select(service => service.Name))
        {
            ServerReflectionResponse response = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = service });
            IEnumerable<ByteString> leavesFirst = response.FileDescriptorResponse.FileDescriptorProto
                .OrderBy(file => FileDescriptorProto.Parser.ParseFrom(file).Dependency.Count);
            FileDescriptor built = FileDescriptor.BuildFromByteStrings(leavesFirst)[^1];
            Assert.That(built.Services.Select(found => found.FullName), Is.EqualTo(new[] { service }));
        }
    }

    [Test]
    public async Task Reflection_SwitchedOff_IsNotServed()
    {
        await using StoreServer server = await StoreServer.StartAsync(options: new TvixStoreGrpcOptions { Reflection = false });
        GrpcException e = StoreServer.StatusOf(async () =>
        {
            await using IGrpcCall<ServerReflectionRequest, ServerReflectionResponse> call = server.Channel.Start(_method);
            await call.MoveNextAsync();
        });
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Unimplemented));
    }

    private static List<FileDescriptorProto> Files(ServerReflectionResponse response) =>
        [.. response.FileDescriptorResponse.FileDescriptorProto.Select(file => FileDescriptorProto.Parser.ParseFrom(file))];

    private async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        await using IGrpcCall<ServerReflectionRequest, ServerReflectionResponse> call = _server.Channel.Start(_method);
        await call.WriteAsync(request);
        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);
        ServerReflectionResponse response = call.Current;
        Assert.That(await call.MoveNextAsync(), Is.False);
        return response;
    }
}
