using System.Buffers;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using Tvix.Testing;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;
using DirectoryMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Directory;
using Node = Tvix.Castore.Model.Node;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture(GrpcPackage.Tvix)]
[TestFixture(GrpcPackage.Snix)]
public sealed class DirectoryServiceTests(GrpcPackage package)
{
    private StoreServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await StoreServer.StartAsync(package);

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [Test]
    public void Get_WithoutDigest_IsInvalid([Values] bool recursive) =>
        Assert.That(StatusOf(() => _server.GetDirectoriesAsync(new GetDirectoryRequest { Recursive = recursive })).StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));

    [TestCase(0)]
    [TestCase(31)]
    [TestCase(33)]
    public void Get_DigestOfAnotherLength_IsInvalid(int length) => Assert.That(
        StatusOf(() => _server.GetDirectoriesAsync(new GetDirectoryRequest { Digest = ByteString.CopyFrom(new byte[length]) })).StatusCode,
        Is.EqualTo(GrpcStatusCode.InvalidArgument));

    [Test]
    public async Task Get_OfNothing_IsNotFoundOrEmpty()
    {
        Assert.That(StatusOf(() => _server.GetDirectoriesAsync(default(B3Digest), recursive: false)).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
        Assert.That(await _server.GetDirectoriesAsync(default(B3Digest), recursive: true), Is.Empty);
    }

    [TestCaseSource(typeof(SampleTrees), nameof(SampleTrees.All))]
    public async Task PutAndGet_Tree_GivesItBackRootFirst(SampleTree tree)
    {
        Assert.That(await _server.PutDirectoriesAsync(tree.LeavesToRoot), Is.EqualTo(tree.Root.Digest));
        Assert.That(await _server.GetDirectoriesAsync(tree.Root.Digest, recursive: false), Is.EqualTo(new[] { tree.Root }));
        List<CastoreDirectory> all = await _server.GetDirectoriesAsync(tree.Root.Digest, recursive: true);
        Assert.That(all[0], Is.EqualTo(tree.Root));
        Assert.That(all, Is.EquivalentTo(tree.LeavesToRoot));
        HashSet<B3Digest> expected = [tree.Root.Digest];
        foreach (CastoreDirectory directory in all)
        {
            Assert.That(expected, Does.Contain(directory.Digest));
            expected.UnionWith(directory.Select(entry => entry.Node).OfType<Node.Directory>().Select(node => node.Digest));
        }
    }

    [Test]
    public async Task Put_SameDirectoryTwice_CountsOnce()
    {
        CastoreDirectory empty = CastoreDirectory.Empty;
        B3Digest root = await _server.PutDirectoriesAsync(empty, empty, SampleTrees.TwoEmptyChildren, SampleTrees.TwoEmptyChildren);
        Assert.That(root, Is.EqualTo(SampleTrees.TwoEmptyChildren.Digest));
        Assert.That(await _server.GetDirectoriesAsync(root, recursive: true), Is.EqualTo(new[] { SampleTrees.TwoEmptyChildren, empty }));
    }

    [Test]
    public async Task Put_LargeDirectory_Travels()
    {
        CastoreDirectory large = SampleTrees.Make(Enumerable.Range(0, 70_000).Select(i => ($"file-{i:d10}", (Node)new Node.File(B3Digest.Empty, 0, false))));
        Assert.That(large.Encode().Length, Is.InRange(3_500_000, 4_194_304));
        Assert.That(await _server.GetDirectoriesAsync(await _server.PutDirectoriesAsync(large), recursive: true), Is.EqualTo(new[] { large }));
    }

    [Test]
    public async Task Put_UnknownFieldsInAMessage_AreDropped()
    {
        byte[] message = [.. SampleTrees.Keep.Encode().Span, 0x78, 1];
        Assert.That(await _server.PutDirectoriesAsync((ReadOnlyMemory<byte>)message), Is.EqualTo(SampleTrees.Keep.Digest));
    }

    public static IEnumerable<TestCaseData> InvalidUploads =>
    [
        Case("nothing", DirectoryError.NotConnected),
        Case("child in the store, but not in the stream", DirectoryError.WrongOrder, SampleTrees.OneEmptyChild.Encode()),
        Case("child after its parent", DirectoryError.WrongOrder, SampleTrees.OneEmptyChild.Encode(), CastoreDirectory.Empty.Encode()),
        Case("two roots", DirectoryError.NotConnected, CastoreDirectory.Empty.Encode(), SampleTrees.TwoEmptyChildren.Encode(), SampleTrees.OneEmptyChild.Encode()),
        Case("wrong size", DirectoryError.WrongSize, CastoreDirectory.Empty.Encode(), SampleTrees.Make(("foo", new Node.Directory(B3Digest.Empty, 42))).Encode()),
        Case("no directory", DirectoryError.Malformed, new byte[] { 0x0a, 0x05, 1 }),
        Case("wrong order of names", DirectoryError.WrongSorting, Wire(("b", 32), ("a", 32))),
        Case("duplicate name", DirectoryError.DuplicateName, Wire(("a", 32), ("a", 32))),
        Case("digest of two bytes", DirectoryError.InvalidNode, Wire(("foo", 2))),
        Case("name of one dot", DirectoryError.InvalidName, Wire((".", 32))),
        Case("empty name", DirectoryError.InvalidName, Wire(("", 32))),
    ];

    [TestCaseSource(nameof(InvalidUploads))]
    public async Task Put_InvalidUpload_IsInvalidAndStoresNothing(DirectoryError error, ReadOnlyMemory<byte>[] messages)
    {
        int puts = 0;
        await _server.Directories.PutAsync(CastoreDirectory.Empty);
        _server.Directories.BeforePut = _ =>
        {
            puts++;
            return null;
        };
        // The keep directory before it is valid, and stands for what was sent until then.
        GrpcException e = StatusOf(() => _server.PutDirectoriesAsync(messages.Length == 0 ? [] : [SampleTrees.Keep.Encode(), .. messages]));
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(StoreErrors.FromStatus(e, "Uploading"), Is.TypeOf<InvalidDirectoryException>().With.Property(nameof(InvalidDirectoryException.Error)).EqualTo(error));
        Assert.That(puts, Is.Zero);
    }

    [Test]
    public async Task Put_ClientGivesUp_StoresNothing()
    {
        IGrpcCall<ReadOnlySequence<byte>, PutDirectoryResponse> call = _server.Channel.Start(_server.Methods.PutDirectory);
        await call.WriteAsync(Message(SampleTrees.Keep.Encode()));
        await call.DisposeAsync();

        // A call that is made after that is served, and nothing is there.
        Assert.That(StatusOf(() => _server.GetDirectoriesAsync(SampleTrees.Keep.Digest, recursive: false)).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [Test]
    public async Task Get_DirectoryIsMissingBelow_FailsAfterSomeMessages()
    {
        CastoreDirectory root = SampleTrees.Make(("keep", SampleTrees.Keep.ToNode()));
        await _server.Directories.PutAsync(root);
        int received = 0;
        GrpcException e = StatusOf(async () =>
        {
            GetDirectoryRequest request = new() { Digest = ByteString.CopyFrom(root.Digest.ToByteArray()), Recursive = true };
            await foreach (ReadOnlySequence<byte> message in _server.Channel.ServerStreamingAsync(_server.Methods.GetDirectory, request))
            {
                received++;
            }
        });
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Internal));
        Assert.That(received, Is.EqualTo(1));
    }

    [TestCaseSource(typeof(BlobServiceTests), nameof(BlobServiceTests.Failures))]
    public void Get_BackendFails_HasTheStatusOfTheTable(Exception failure, GrpcStatusCode expected)
    {
        _server.Directories.Before = _ => throw failure;
        Assert.That(StatusOf(() => _server.GetDirectoriesAsync(default(B3Digest), recursive: false)).StatusCode, Is.EqualTo(expected));
        Assert.That(StatusOf(() => _server.GetDirectoriesAsync(default(B3Digest), recursive: true)).StatusCode, Is.EqualTo(expected));
    }

    [TestCase(true, GrpcStatusCode.Unavailable)]
    [TestCase(false, GrpcStatusCode.Internal)]
    public void Put_BackendFails_IsNotTheClientsFault(bool isTransient, GrpcStatusCode expected)
    {
        _server.Directories.BeforePut = _ => new StorageException("disk", isTransient: isTransient);
        Assert.That(StatusOf(() => _server.PutDirectoriesAsync(SampleTrees.Keep)).StatusCode, Is.EqualTo(expected));
    }

    private static TestCaseData Case(string name, DirectoryError error, params ReadOnlyMemory<byte>[] messages) => new TestCaseData(error, messages).SetArgDisplayNames(name);

    /// <summary>A message with child directories, as nothing of ours would make it.</summary>
    private static ReadOnlyMemory<byte> Wire(params (string Name, int DigestLength)[] children)
    {
        DirectoryMessage directory = new();
        directory.Directories.AddRange(children.Select(child => new DirectoryNode
        {
            Name = ByteString.CopyFromUtf8(child.Name),
            Digest = ByteString.CopyFrom(child.DigestLength == 32 ? B3Digest.Empty.ToByteArray() : new byte[child.DigestLength]),
        }));
        return directory.ToByteArray();
    }
}
