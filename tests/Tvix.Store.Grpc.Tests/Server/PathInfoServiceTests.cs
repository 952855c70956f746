using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;
using PathInfo = Tvix.Store.PathInfos.PathInfo;
using StorePathMessage = Tvix.Store.Grpc.Protos.Tvix.Store.V1.StorePath;
using PathInfoMessage = Tvix.Store.Grpc.Protos.Tvix.Store.V1.PathInfo;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture(GrpcPackage.Tvix)]
[TestFixture(GrpcPackage.Snix)]
public sealed class PathInfoServiceTests(GrpcPackage package)
{
    private StoreServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await StoreServer.StartAsync(package);

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public void Get_ByNothing_IsUnimplemented() =>
        Assert.That(StatusOf(() => _server.GetPathInfoAsync(null)).StatusCode, Is.EqualTo(GrpcStatusCode.Unimplemented));

    [TestCase(0)]
    [TestCase(19)]
    [TestCase(21)]
    public void Get_DigestOfAnotherLength_IsInvalid(int length) =>
        Assert.That(StatusOf(() => _server.GetPathInfoAsync(new byte[length])).StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));

    [Test]
    public void Get_OfNothing_IsNotFound() => Assert.That(StatusOf(() => _server.GetPathInfoAsync(new byte[20])).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));

    [TestCaseSource(typeof(SamplePathInfos), nameof(SamplePathInfos.All))]
    public async Task PutAndGet_PathInfo_GivesBackItsCanonicalMessage(PathInfo info)
    {
        byte[] message = info.Encode();
        Assert.That(await _server.PutPathInfoAsync((byte[])[.. message, 0x78, 1]), Is.EqualTo(message));
        Assert.That(await _server.GetPathInfoAsync(info.StorePath.Digest.ToByteArray()), Is.EqualTo(message));
        Assert.That(await _server.ListAsync(), Is.EqualTo(new[] { message }));
    }

    [Test]
    public async Task Put_BackendSigns_GivesBackTheSignedOne()
    {
        NarSignature signature = new("key-1", new byte[64]);
        _server.PathInfos.Sign = info => info.WithSignature(signature);
        PathInfo stored = PathInfo.Decode(await _server.PutPathInfoAsync(SamplePathInfos.Minimal.Encode()));
        Assert.That(stored, Is.EqualTo(SamplePathInfos.Minimal.WithSignature(signature)));
    }

    public static IEnumerable<TestCaseData> InvalidMessages =>
    [
        Case(PathInfoError.MissingNarInfo, info => info.Narinfo = null),
        Case(PathInfoError.InvalidReferenceDigestLength, info => info.References.Add(ByteString.CopyFrom(1, 2))),
        Case(PathInfoError.InconsistentNumberOfReferences, info => info.Narinfo.ReferenceNames.Clear()),
        Case(PathInfoError.InvalidReferenceName, info => info.Narinfo.ReferenceNames[0] = "/nix/store/00000000000000000000000000000000-dummy"),
        Case(PathInfoError.InconsistentReferenceDigest, info => info.References[0] = ByteString.CopyFrom(Enumerable.Repeat((byte)0xff, 20).ToArray())),
        Case(PathInfoError.MissingNode, info => info.Node = null),
        Case(PathInfoError.InvalidRootNode, info => info.Node.ClearNode()),
        Case(PathInfoError.InvalidRootNode, info => info.Node.Directory.Digest = ByteString.Empty),
        Case(PathInfoError.InvalidNodeName, info => info.Node.Directory.Name = ByteString.CopyFromUtf8("invalid")),
        Case(PathInfoError.InvalidNarHashLength, info => info.Narinfo.NarSha256 = ByteString.CopyFrom(1, 2)),
        Case(PathInfoError.InvalidDeriver, info => info.Narinfo.Deriver = new StorePathMessage { Name = "foo" }),
        Case(PathInfoError.InvalidSignatureLength, info => info.Narinfo.Signatures.Add(new NARInfo.Types.Signature { Name = "a" })),
        Case(PathInfoError.InvalidContentAddressLength, info => info.Narinfo.Ca.Digest = ByteString.Empty),
        Case(PathInfoError.UnknownContentAddressType, info => info.Narinfo.Ca.Type = (NARInfo.Types.CA.Types.Hash)9),
    ];

    [TestCaseSource(nameof(InvalidMessages))]
    public void Put_MessageThatBreaksARule_IsInvalid(PathInfoError error, byte[] message)
    {
        GrpcException e = StatusOf(() => _server.PutPathInfoAsync(message));
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(StoreErrors.FromStatus(e, "Putting"), Is.TypeOf<InvalidPathInfoException>().With.Property(nameof(InvalidPathInfoException.Error)).EqualTo(error));
    }

    [TestCaseSource(typeof(BlobServiceTests), nameof(BlobServiceTests.Failures))]
    public void GetAndPut_BackendFails_HaveTheStatusOfTheTable(Exception failure, GrpcStatusCode expected)
    {
        _server.PathInfos.Before = _ => throw failure;
        Assert.That(StatusOf(() => _server.GetPathInfoAsync(new byte[20])).StatusCode, Is.EqualTo(expected));
        Assert.That(
            StatusOf(() => _server.PutPathInfoAsync(SamplePathInfos.Minimal.Encode())).StatusCode,
            Is.EqualTo(expected == GrpcStatusCode.DataLoss ? GrpcStatusCode.InvalidArgument : expected));
    }

    [Test]
    public void Get_StoredOneIsDamaged_IsDataLoss()
    {
        _server.PathInfos.Before = _ => throw new InvalidPathInfoException(PathInfoError.MissingNode, "x");
        Assert.That(StatusOf(() => _server.GetPathInfoAsync(new byte[20])).StatusCode, Is.EqualTo(GrpcStatusCode.DataLoss));
    }

    [Test]
    public async Task List_OfMany_GivesAll()
    {
        const int count = 5000;
        for (int i = 0; i < count; i++)
        {
            await _server.PathInfos.PutAsync(SamplePathInfos.Numbered(i));
        }

        List<byte[]> infos = await _server.ListAsync();
        Assert.That(infos.Select(info => PathInfo.Decode(info).StorePath.Digest), Is.EquivalentTo(Enumerable.Range(0, count).Select(i => SamplePathInfos.Numbered(i).StorePath.Digest)));
    }

    [Test]
    public async Task List_ClientThatTakesNothing_HoldsTheBackendUp()
    {
        int produced = 0;
        _server.PathInfos.WrapList = _ => Produce();
        PathInfoServiceEndpoint endpoint = new(_server.PathInfos, new StoreNarCalculationService(_server.Blobs, _server.Directories), new(), NullLogger.Instance);
        GrpcServerMethod<ListPathInfoRequest, ReadOnlySequence<byte>> method =
            endpoint.Define(_server.Methods).Methods.OfType<GrpcServerMethod<ListPathInfoRequest, ReadOnlySequence<byte>>>().Single();
        StalledCall call = new();
        Task handling = method.Handler(call.RequestsAsync(), call, call);
        await call.Stalled;
        Assert.That(produced, Is.EqualTo(1));
        call.Fail();
        Assert.That(async () => await handling, Throws.TypeOf<GrpcException>().With.Property("StatusCode").EqualTo(GrpcStatusCode.Cancelled));
        Assert.That(produced, Is.EqualTo(1));

        async IAsyncEnumerable<PathInfo> Produce()
        {
            await Task.CompletedTask;
            while (true)
            {
                produced++;
                yield return SamplePathInfos.Minimal;
            }
        }
    }

    [Test]
    public async Task List_FailsInTheMiddle_HasTheStatusAfterSome()
    {
        _server.PathInfos.WrapList = _ => Produce();
        int received = 0;
        GrpcException e = StatusOf(async () =>
        {
            await foreach (ReadOnlySequence<byte> info in _server.Channel.ServerStreamingAsync(_server.Methods.ListPathInfos, new ListPathInfoRequest()))
            {
                received++;
            }
        });
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Internal));
        Assert.That(received, Is.EqualTo(2));

        static async IAsyncEnumerable<PathInfo> Produce()
        {
            await Task.CompletedTask;
            yield return SamplePathInfos.Minimal;
            yield return SamplePathInfos.Full;
            throw new StorageException("no more");
        }
    }

    [Test]
    public void List_BackendCannot_IsUnimplemented()
    {
        _server.PathInfos.WrapList = _ => throw new NotSupportedException("cannot list");
        Assert.That(StatusOf(_server.ListAsync).StatusCode, Is.EqualTo(GrpcStatusCode.Unimplemented));
    }

    private static TestCaseData Case(PathInfoError error, Action<PathInfoMessage> change)
    {
        PathInfoMessage message = PathInfoMessage.Parser.ParseFrom(SamplePathInfos.Zeros.Encode());
        change(message);
        return new TestCaseData(error, message.ToByteArray());
    }

    /// <summary>A call whose client does not read what is sent.</summary>
    private sealed class StalledCall : IGrpcServerContext, IGrpcResponseWriter<ReadOnlySequence<byte>>
    {
        private readonly TaskCompletionSource _stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Stalled => _stalled.Task;

        public GrpcMetadata RequestHeaders { get; } = new();

        public GrpcMetadata ResponseTrailers { get; } = new();

        public DateTimeOffset? Deadline => null;

        public CancellationToken CancellationToken => CancellationToken.None;

        public void Fail() => _taken.SetException(new OperationCanceledException("The client went away."));

        public async IAsyncEnumerable<ListPathInfoRequest> RequestsAsync()
        {
            await Task.CompletedTask;
            yield return new ListPathInfoRequest();
        }

        public async ValueTask WriteAsync(ReadOnlySequence<byte> message, CancellationToken cancellationToken = default)
        {
            _stalled.SetResult();
            await _taken.Task;
        }
    }
}
