using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Testing;
using Node = Tvix.Castore.Model.Node;
using Messages = Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Piece = System.Buffers.ReadOnlySequence<byte>;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>Servers that do not do what they should.</summary>
[TestFixture]
[CancelAfter(60_000)]
public sealed class GrpcDirectoryServiceFaultTests
{
    private static readonly CastoreDirectory _leaf = SampleTrees.Keep;
    private static readonly CastoreDirectory _root = SampleTrees.Complicated;

    [Test]
    public async Task Get_OtherDirectory_IsAMismatch()
    {
        await using FakeServer server = await StartAsync(_leaf);
        DigestMismatchException e = Assert.ThrowsAsync<DigestMismatchException>(async () => await server.Client.Directories.GetAsync(_root.Digest))!;
        Assert.That((e.Expected, e.Actual), Is.EqualTo((_root.Digest, _leaf.Digest)));
    }

    [Test]
    public async Task Get_NothingOrNotFound_GivesNull()
    {
        await using FakeServer server = await StartAsync();
        Assert.That(await server.Client.Directories.GetAsync(_root.Digest), Is.Null);
        server.GetDirectory = (_, _, _) => throw new GrpcException(GrpcStatusCode.NotFound, "");
        Assert.That(await server.Client.Directories.GetAsync(_root.Digest), Is.Null);
        Assert.That(await ReadAsync(server, _root.Digest), Is.Empty);
    }

    [Test]
    public async Task Get_UnknownFieldInTheMessage_IsTheSameDirectory()
    {
        byte[] message = [.. _leaf.Encode().Span, 0x78, 1];
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetDirectory = (_, responses, _) => responses.WriteAsync(new Piece(message)).AsTask();
        Assert.That(await server.Client.Directories.GetAsync(_leaf.Digest), Is.EqualTo(_leaf));
        Assert.That(await ReadAsync(server, _leaf.Digest), Is.EqualTo(new[] { _leaf }));
    }

    [TestCase("garbage")]
    [TestCase("child digest")]
    public async Task Anything_InvalidMessage_IsAnInvalidDirectory(string fault)
    {
        byte[] message = fault == "garbage"
            ? [0xff, 0xff, 0xff]
            : new Messages.Directory
            {
                Directories = { new DirectoryNode { Name = ByteString.CopyFromUtf8("a"), Digest = ByteString.CopyFrom(new byte[31]) } },
            }.ToByteArray();
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetDirectory = (_, responses, _) => responses.WriteAsync(new Piece(message)).AsTask();
        Assert.That(async () => await server.Client.Directories.GetAsync(_root.Digest), Throws.InstanceOf<InvalidDirectoryException>());
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<InvalidDirectoryException>());
    }

    [Test]
    public async Task Anything_ServerFails_IsAStorageException([Values] bool midway)
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetDirectory = async (_, responses, _) =>
        {
            if (midway)
            {
                await responses.WriteAsync(new Piece(_root.Encode()));
            }

            throw new GrpcException(GrpcStatusCode.Internal, "made up");
        };
        Assert.That(async () => await server.Client.Directories.GetAsync(_root.Digest), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task GetClosure_InOrder_IsRead()
    {
        await using FakeServer server = await StartAsync(_root, _leaf);
        Assert.That(await ReadAsync(server, _root.Digest), Is.EqualTo(new[] { _root, _leaf }));
    }

    [Test]
    public async Task GetClosure_EarlyEnd_Throws()
    {
        await using FakeServer server = await StartAsync(_root);
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>().With.Message.Contains(_leaf.Digest.ToString()));
    }

    [Test]
    public async Task GetClosure_OutOfOrder_Throws()
    {
        await using FakeServer server = await StartAsync(_leaf, _root);
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task GetClosure_UnrelatedDirectory_Throws()
    {
        await using FakeServer server = await StartAsync(_root, _leaf, SampleTrees.OneEmptyChild);
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task GetClosure_Duplicate_IsRejectedUnlessReferredToAgain()
    {
        await using FakeServer server = await StartAsync(_root, _leaf, _leaf);
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>().With.Message.Contains("twice"));

        CastoreDirectory inner = SampleTrees.Make(("b", _leaf.ToNode()));
        CastoreDirectory outer = SampleTrees.Make(("a", _leaf.ToNode()), ("c", inner.ToNode()));
        await using FakeServer tolerated = await StartAsync(outer, _leaf, inner, _leaf);
        Assert.That(await ReadAsync(tolerated, outer.Digest), Has.Count.EqualTo(4));
    }

    [Test]
    public async Task GetClosure_EndlessRepetition_Throws()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetDirectory = async (_, responses, context) =>
        {
            while (true)
            {
                await responses.WriteAsync(new Piece(_root.Encode()), context.CancellationToken);
            }
        };
        Assert.That(async () => await ReadAsync(server, _root.Digest), Throws.InstanceOf<StorageException>());
    }

    [TestCase(0UL)]
    [TestCase(42UL)]
    public async Task GetClosure_WrongSize_Throws(ulong size)
    {
        CastoreDirectory wrong = SampleTrees.Make(("a", new Node.Directory(_leaf.Digest, size)));
        await using FakeServer server = await StartAsync(wrong, _leaf);
        InvalidDirectoryException e = Assert.ThrowsAsync<InvalidDirectoryException>(() => ReadAsync(server, wrong.Digest))!;
        Assert.That(e.Error, Is.EqualTo(DirectoryError.WrongSize));
    }

    [Test]
    public async Task GetClosure_WrongSizeOfOneThatHasCome_Throws()
    {
        CastoreDirectory inner = SampleTrees.Make(("b", new Node.Directory(_leaf.Digest, 42)));
        CastoreDirectory outer = SampleTrees.Make(("a", _leaf.ToNode()), ("c", inner.ToNode()));
        await using FakeServer server = await StartAsync(outer, _leaf, inner);
        Assert.That(async () => await ReadAsync(server, outer.Digest), Throws.InstanceOf<InvalidDirectoryException>());
    }

    [Test]
    public async Task GetClosure_SizesByBothRules_AreAccepted()
    {
        CastoreDirectory root = SampleTrees.Make(
            ("a", _leaf.ToNode(DirectorySizeRule.EntriesOnce)), ("b", _leaf.ToNode(DirectorySizeRule.EntriesTwice)));
        await using FakeServer server = await StartAsync(root, _leaf);
        Assert.That(await ReadAsync(server, root.Digest), Is.EqualTo(new[] { root, _leaf }));
        CastoreDirectory third = SampleTrees.Make(
            ("a", _leaf.ToNode(DirectorySizeRule.EntriesOnce)), ("b", _leaf.ToNode()), ("c", new Node.Directory(_leaf.Digest, 42)));
        await using FakeServer wrong = await StartAsync(third, _leaf);
        Assert.That(async () => await ReadAsync(wrong, third.Digest), Throws.InstanceOf<InvalidDirectoryException>());
    }

    [Test]
    public async Task Put_InvalidOrder_IsNeverCompletedAtTheServer()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        TaskCompletionSource<bool> ended = new();
        server.PutDirectory = async (messages, _) =>
        {
            try
            {
                await FakeServer.ReceiveAsync(messages);
                ended.SetResult(true);
            }
            catch (Exception)
            {
                ended.SetResult(false);
                throw;
            }

            return new PutDirectoryResponse();
        };
        await using (DirectoryPutter putter = server.Client.Directories.OpenPutter())
        {
            await putter.PutAsync(_leaf);
            Assert.That(async () => await putter.PutAsync(SampleTrees.OneEmptyChild), Throws.InstanceOf<InvalidDirectoryException>());
            Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());
        }

        Assert.That(await ended.Task, Is.False);
    }

    [Test]
    public async Task Put_OtherDigestInTheAnswer_IsAMismatch()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        byte[] answer = _root.Digest.ToByteArray();
        server.PutDirectory = async (messages, _) =>
        {
            await FakeServer.ReceiveAsync(messages);
            return new PutDirectoryResponse { RootDigest = ByteString.CopyFrom(answer) };
        };
        Assert.That(async () => await server.Client.Directories.PutAsync(_leaf), Throws.InstanceOf<DigestMismatchException>());
        answer = [];
        Assert.That(async () => await server.Client.Directories.PutAsync(_leaf), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task Put_ServerFails_IsAStorageException()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.PutDirectory = (_, _) => throw new GrpcException(GrpcStatusCode.Unavailable, "made up");
        StorageException e = Assert.ThrowsAsync<StorageException>(async () => await server.Client.Directories.PutAsync(_leaf))!;
        Assert.That(e.IsTransient, Is.True);
        Assert.That(e.Message, Does.Contain("made up"));
    }

    private static async Task<FakeServer> StartAsync(params CastoreDirectory[] directories)
    {
        FakeServer server = await FakeServer.StartAsync();
        server.GetDirectory = async (_, responses, _) =>
        {
            foreach (CastoreDirectory directory in directories)
            {
                await responses.WriteAsync(new Piece(directory.Encode()));
            }
        };
        return server;
    }

    private static async Task<List<CastoreDirectory>> ReadAsync(FakeServer server, B3Digest root)
    {
        List<CastoreDirectory> directories = [];
        await foreach (CastoreDirectory directory in server.Client.Directories.GetClosureAsync(root))
        {
            directories.Add(directory);
        }

        return directories;
    }
}
