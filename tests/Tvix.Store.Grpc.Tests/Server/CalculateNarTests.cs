using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Testing;
using Tvix.Testing.PathInfos;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;
using Node = Tvix.Castore.Model.Node;
using NodeMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Node;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture(GrpcPackage.Tvix)]
[TestFixture(GrpcPackage.Snix)]
public sealed class CalculateNarTests(GrpcPackage package)
{
    private StoreServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await StoreServer.StartAsync(package);

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public async Task CalculateNar_OfASymlink_IsAsInTheSpecification()
    {
        CalculateNARResponse nar = await _server.CalculateNarAsync(NodeMessages.Encode(SamplePathInfos.Minimal.Node));
        Assert.That(nar.NarSize, Is.EqualTo(SamplePathInfos.Minimal.NarSize));
        Assert.That(new Sha256Digest(nar.NarSha256.Span), Is.EqualTo(SamplePathInfos.Minimal.NarHash));
    }

    [Test]
    public async Task CalculateNar_OfATree_IsWhatRenderingGives()
    {
        Node root = await PutTreeAsync();
        NarDigest expected = await new RenderingNarCalculationService(_server.Blobs, _server.Directories).CalculateAsync(root);
        CalculateNARResponse nar = await _server.CalculateNarAsync(NodeMessages.Encode(root));
        Assert.That((nar.NarSize, new Sha256Digest(nar.NarSha256.Span)), Is.EqualTo((expected.Size, expected.Sha256)));
    }

    public static IEnumerable<TestCaseData> InvalidNodes =>
    [
        new(new NodeMessage(), DirectoryError.NoNodeSet),
        new(new NodeMessage { Symlink = new SymlinkNode { Name = ByteString.CopyFromUtf8("a"), Target = ByteString.CopyFromUtf8("b") } }, DirectoryError.NameInAnonymousNode),
        new(new NodeMessage { File = new FileNode { Name = ByteString.CopyFromUtf8("a"), Digest = ByteString.CopyFrom(new byte[32]) } }, DirectoryError.NameInAnonymousNode),
        new(new NodeMessage { Directory = new DirectoryNode { Name = ByteString.CopyFromUtf8("a"), Digest = ByteString.CopyFrom(new byte[32]) } }, DirectoryError.NameInAnonymousNode),
        new(new NodeMessage { Directory = new DirectoryNode { Digest = ByteString.CopyFrom(new byte[31]) } }, DirectoryError.InvalidNode),
        new(new NodeMessage { File = new FileNode() }, DirectoryError.InvalidNode),
        new(new NodeMessage { Symlink = new SymlinkNode() }, DirectoryError.InvalidNode),
        new(new NodeMessage { Symlink = new SymlinkNode { Target = ByteString.CopyFrom(0) } }, DirectoryError.InvalidNode),
    ];

    [TestCaseSource(nameof(InvalidNodes))]
    public void CalculateNar_InvalidNode_IsInvalid(object node, DirectoryError error)
    {
        GrpcException e = StatusOf(() => _server.CalculateNarAsync((NodeMessage)node));
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(StoreErrors.FromStatus(e, "x"), Is.TypeOf<InvalidDirectoryException>().With.Property(nameof(InvalidDirectoryException.Error)).EqualTo(error));
    }

    [Test]
    public async Task CalculateNar_ContentsAreMissing_AreNotFound([Values("root", "directory", "small blob", "large blob", "file")] string missing)
    {
        Node.Directory keep = SampleTrees.Keep.ToNode();
        Node.File small = new(new B3Digest(SampleData.Bytes(32)), 100, false);
        Node.File large = small with { Size = 100 << 20 };
        Node root = missing switch
        {
            "root" => keep,
            "file" => small,
            "directory" => await PutAsync(SampleTrees.Make(("keep", keep))),
            "small blob" => await PutAsync(SampleTrees.Make(("file", small))),
            _ => await PutAsync(SampleTrees.Make(("file", large))),
        };
        Assert.That(StatusOf(() => _server.CalculateNarAsync(NodeMessages.Encode(root))).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [TestCase(2UL)]
    [TestCase(4UL)]
    public async Task CalculateNar_FileOfAnotherSize_IsInternal(ulong size)
    {
        B3Digest digest = await _server.PutBlobAsync([1, 2, 3]);
        Assert.That(StatusOf(() => _server.CalculateNarAsync(NodeMessages.Encode(new Node.File(digest, size, false)))).StatusCode, Is.EqualTo(GrpcStatusCode.Internal));
    }

    [TestCase(true, GrpcStatusCode.Unavailable)]
    [TestCase(false, GrpcStatusCode.Internal)]
    public async Task CalculateNar_BackendFails_HasTheStatusOfTheTableAndIsNotRemembered(bool isTransient, GrpcStatusCode expected)
    {
        Node root = await PutTreeAsync();
        _server.Blobs.Before = _ => throw new StorageException("gone", isTransient: isTransient);
        Assert.That(StatusOf(() => _server.CalculateNarAsync(NodeMessages.Encode(root))).StatusCode, Is.EqualTo(expected));
        _server.Blobs.Before = null;
        Assert.That((await _server.CalculateNarAsync(NodeMessages.Encode(root))).NarSize, Is.Positive);
    }

    [Test]
    public async Task CalculateNar_Again_AsksTheStoreForNothing()
    {
        NodeMessage root = NodeMessages.Encode(await PutTreeAsync());
        CalculateNARResponse first = await _server.CalculateNarAsync(root);
        _server.Blobs.Before = _ => throw new StorageException("not again");
        _server.Directories.Before = _ => throw new StorageException("not again");
        Assert.That(await _server.CalculateNarAsync(root), Is.EqualTo(first));
    }

    [Test]
    public async Task CalculateNar_AfterAPutThatClaimsIt_IsCalculatedAllTheSame()
    {
        await _server.PutPathInfoAsync((SamplePathInfos.Minimal with { NarSize = 1, NarHash = default }).Encode());
        Assert.That((await _server.CalculateNarAsync(NodeMessages.Encode(SamplePathInfos.Minimal.Node))).NarSize, Is.EqualTo(SamplePathInfos.Minimal.NarSize));
    }

    [Test]
    public async Task CalculateNar_ManyAtOnce_RenderOnce()
    {
        NodeMessage root = NodeMessages.Encode(await PutTreeAsync());
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        _server.Directories.Before = async _ =>
        {
            Interlocked.Increment(ref asked);
            await go.Task;
        };
        Task<CalculateNARResponse>[] calls = [.. Enumerable.Range(0, 64).Select(_ => _server.CalculateNarAsync(root))];

        // Each call that arrives later joins the one that is under way; those that arrive after it are answered from memory.
        go.SetResult();
        CalculateNARResponse[] responses = await Task.WhenAll(calls);
        Assert.That(responses.Distinct().Count(), Is.EqualTo(1));
        Assert.That(asked, Is.EqualTo(2), "the root and one directory below it");
    }

    private async Task<Node> PutTreeAsync()
    {
        B3Digest blob = await _server.PutBlobAsync(SampleData.Bytes(5000));
        await _server.PutBlobAsync();
        CastoreDirectory root = SampleTrees.Make(("file", new Node.File(blob, 5000, true)), ("keep", SampleTrees.Keep.ToNode()));
        await _server.PutDirectoriesAsync(SampleTrees.Keep, root);
        return root.ToNode();
    }

    private async Task<Node> PutAsync(CastoreDirectory directory)
    {
        await _server.Directories.PutAsync(directory);
        return directory.ToNode();
    }
}
