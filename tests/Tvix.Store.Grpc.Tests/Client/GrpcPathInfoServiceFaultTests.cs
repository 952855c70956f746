using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Testing.PathInfos;
using PathInfo = Tvix.Store.PathInfos.PathInfo;
using Messages = Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Piece = System.Buffers.ReadOnlySequence<byte>;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>Servers that do not do what they should.</summary>
[TestFixture]
[CancelAfter(60_000)]
public sealed class GrpcPathInfoServiceFaultTests
{
    private static readonly PathInfo _info = SamplePathInfos.Full;
    private static readonly PathInfo _other = SamplePathInfos.Numbered(7);

    [Test]
    public async Task Get_OtherPathInfo_Throws()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetPathInfo = (_, _) => new(new Piece(_other.Encode()));
        Assert.That(async () => await server.Client.PathInfos.GetAsync(_info.StorePath.Digest), Throws.InstanceOf<StorageException>());
        Assert.That(await server.Client.PathInfos.GetAsync(_other.StorePath.Digest), Is.EqualTo(_other));
    }

    [Test]
    public async Task Anything_InvalidMessage_Throws()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.GetPathInfo = (_, _) => new(new Piece([0xff]));
        server.PutPathInfo = (_, _) => new(new Piece([]));
        server.List = async (responses, _) =>
        {
            await responses.WriteAsync(new Piece(_info.Encode()));
            await responses.WriteAsync(new Piece([1, 2, 3]));
        };
        Assert.That(async () => await server.Client.PathInfos.GetAsync(_info.StorePath.Digest), Throws.InstanceOf<InvalidPathInfoException>());
        Assert.That(async () => await server.Client.PathInfos.PutAsync(_info), Throws.InstanceOf<InvalidPathInfoException>());
        List<PathInfo> found = [];
        Assert.That(
            async () =>
            {
                await foreach (PathInfo info in server.Client.PathInfos.ListAsync())
                {
                    found.Add(info);
                }
            },
            Throws.InstanceOf<InvalidPathInfoException>());
        Assert.That(found, Is.EqualTo(new[] { _info }));
    }

    [Test]
    public async Task List_WithATimeout_LimitsEachStepAndNotTheReader()
    {
        await using FakeServer server = await FakeServer.StartAsync(parameters: "?timeout=30");
        DateTimeOffset? deadline = DateTimeOffset.MinValue;
        server.List = async (responses, context) =>
        {
            deadline = context.Deadline;
            await responses.WriteAsync(new Piece(_info.Encode()));
        };
        await foreach (PathInfo info in server.Client.PathInfos.ListAsync())
        {
            Assert.That(info, Is.EqualTo(_info));
        }

        Assert.That(deadline, Is.Null, "the whole has no deadline, so the time that the reader takes does not count");
    }

    [Test]
    public async Task List_SlowServer_EndsAtTheDeadline()
    {
        await using FakeServer server = await FakeServer.StartAsync(parameters: "?timeout=0.3");
        server.List = async (responses, context) =>
        {
            await responses.WriteAsync(new Piece(_info.Encode()));
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        };
        List<PathInfo> found = [];
        StorageException e = Assert.ThrowsAsync<StorageException>(async () =>
        {
            await foreach (PathInfo info in server.Client.PathInfos.ListAsync())
            {
                found.Add(info);
            }
        })!;
        Assert.That(e.IsTransient, Is.True);
        Assert.That(found, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task List_CancelledWhileItWaits_IsTheCallersCancellation()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.List = async (responses, context) =>
        {
            await responses.WriteAsync(new Piece(_info.Encode()));
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        };
        using CancellationTokenSource cancellation = new();
        OperationCanceledException e = Assert.CatchAsync<OperationCanceledException>(async () =>
        {
            await foreach (PathInfo info in server.Client.PathInfos.ListAsync(cancellation.Token))
            {
                cancellation.CancelAfter(TimeSpan.FromMilliseconds(1));
            }
        })!;
        Assert.That(e.CancellationToken, Is.EqualTo(cancellation.Token));
    }

    [Test]
    public async Task Put_OtherPathInfoInTheAnswer_Throws()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.PutPathInfo = (_, _) => new(new Piece(_other.Encode()));
        Assert.That(async () => await server.Client.PathInfos.PutAsync(_info), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task Anything_ServerFails_IsAStorageException()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        GrpcException failure = new(GrpcStatusCode.Unavailable, "made up");
        server.GetPathInfo = (_, _) => throw failure;
        server.PutPathInfo = (_, _) => throw failure;
        server.List = (_, _) => throw failure;
        server.CalculateNar = (_, _) => throw failure;
        foreach (Func<Task> action in (Func<Task>[])
        [
            async () => await server.Client.PathInfos.GetAsync(_info.StorePath.Digest),
            async () => await server.Client.PathInfos.PutAsync(_info),
            async () => await server.Client.PathInfos.ListAsync().GetAsyncEnumerator().MoveNextAsync(),
            async () => await server.Client.NarCalculation.CalculateAsync(_info.Node),
        ])
        {
            StorageException e = Assert.ThrowsAsync<StorageException>(() => action())!;
            Assert.That(e.IsTransient, Is.True);
            Assert.That(e.InnerException, Is.InstanceOf<GrpcException>());
        }
    }

    [Test]
    public async Task Calculate_AnyNode_SendsItWithoutAName()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        byte[] hash = new byte[32];
        List<Messages.Node> asked = [];
        server.CalculateNar = (node, _) =>
        {
            asked.Add(node);
            return new(new CalculateNARResponse { NarSize = 5, NarSha256 = ByteString.CopyFrom(hash) });
        };
        foreach (Node node in (Node[])
        [
            new Node.File(B3Digest.Empty, 3, true),
            new Node.Directory(B3Digest.Empty, 4),
            new Node.Symlink(new SymlinkTarget("x"u8)),
        ])
        {
            Assert.That(await server.Client.NarCalculation.CalculateAsync(node), Is.EqualTo(new NarDigest(5, new Sha256Digest(hash))));
        }

        Assert.That(asked[0].File, Is.EqualTo(new Messages.FileNode { Digest = FakeServer.Bytes(B3Digest.Empty), Size = 3, Executable = true }));
        Assert.That(asked[1].Directory, Is.EqualTo(new Messages.DirectoryNode { Digest = FakeServer.Bytes(B3Digest.Empty), Size = 4 }));
        Assert.That(asked[2].Symlink, Is.EqualTo(new Messages.SymlinkNode { Target = ByteString.CopyFromUtf8("x") }));
        hash = new byte[20];
        Assert.That(async () => await server.Client.NarCalculation.CalculateAsync(_info.Node), Throws.InstanceOf<StorageException>());
    }
}
