using System.Buffers;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Grpc.Wire;
using Tvix.Testing;
using static Tvix.Store.Grpc.Tests.Server.StoreServer;
using BlobChunk = Tvix.Castore.Blobs.BlobChunk;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture(GrpcPackage.Tvix)]
[TestFixture(GrpcPackage.Snix)]
public sealed class BlobServiceTests(GrpcPackage package)
{
    private const int PieceSize = 1000;

    private StoreServer _server = null!;

    [SetUp]
    public async Task StartAsync() => _server = await StoreServer.StartAsync(package, new TvixStoreGrpcOptions { ReadPieceSize = PieceSize });

    [TearDown]
    public ValueTask StopAsync() => _server.DisposeAsync();

    [TestCase(0)]
    [TestCase(31)]
    [TestCase(33)]
    public void StatAndRead_DigestOfAnotherLength_AreInvalid(int length)
    {
        Assert.That(StatusOf(() => _server.StatAsync(new byte[length])).StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(StatusOf(() => _server.ReadAsync(new byte[length], [])).StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(_server.Blobs.Asked, Is.Zero);
    }

    [Test]
    public void StatAndRead_OfNothing_AreNotFound()
    {
        Assert.That(StatusOf(() => _server.StatAsync(new byte[32])).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
        Assert.That(StatusOf(() => _server.ReadAsync(new byte[32], [])).StatusCode, Is.EqualTo(GrpcStatusCode.NotFound));
    }

    [Test]
    public async Task Stat_ChunksAreKnown_ListsThemWhetherAskedForOrNot([Values] bool sendChunks)
    {
        B3Digest digest = await _server.PutBlobAsync([1, 2, 3]);
        BlobChunk[] chunks = [new(new B3Digest(SampleData.Bytes(32)), 2), new(digest, 1UL << 63)];
        _server.Blobs.Chunks = _ => chunks;
        StatBlobResponse response = await _server.StatAsync(digest.ToByteArray(), sendChunks);
        Assert.That(response.Chunks.Select(chunk => new BlobChunk(new B3Digest(chunk.Digest.Span), chunk.Size)), Is.EqualTo(chunks));
        Assert.That(response.Bao.IsEmpty, Is.True);
    }

    [Test]
    public async Task Stat_NoChunksAreKnown_IsEmpty()
    {
        B3Digest digest = await _server.PutBlobAsync([1, 2, 3]);
        Assert.That((await _server.StatAsync(digest.ToByteArray())).Chunks, Is.Empty);
    }

    [TestCase(104_857, 104_857)] // 40 bytes each: 8 bytes below the limit
    [TestCase(104_858, 0)]
    [TestCase(1_000_000, 0)]
    public async Task Stat_ListThatDoesNotFitIntoAMessage_IsEmpty(int count, int listed)
    {
        B3Digest digest = await _server.PutBlobAsync([1, 2, 3]);
        _server.Blobs.Chunks = _ => Enumerable.Repeat(new BlobChunk(digest, 256 << 10), count).ToArray();
        Assert.That((await _server.StatAsync(digest.ToByteArray())).Chunks, Has.Count.EqualTo(listed));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(PieceSize - 1)]
    [TestCase(PieceSize)]
    [TestCase(PieceSize + 1)]
    [TestCase(3 * PieceSize)]
    public async Task PutAndRead_AnySize_GivesBackTheBytesInPieces(int size)
    {
        byte[] content = SampleData.Bytes(size);
        B3Digest digest = await _server.PutBlobAsync(content.Chunk(77));
        List<byte[]> pieces = [];
        _server.Blobs.Wrap = stream => new ShortReadStream(stream);
        await _server.ReadAsync(digest.ToByteArray(), pieces);
        Assert.That(pieces.SelectMany(piece => piece), Is.EqualTo(content));
        Assert.That(pieces, Has.Count.EqualTo((size + PieceSize - 1) / PieceSize));
    }

    [Test]
    public async Task Put_EmptyMessagesBetween_CountForNothing()
    {
        Assert.That(await _server.PutBlobAsync([], "a"u8.ToArray(), [], "b"u8.ToArray(), []), Is.EqualTo(Castore.Blake3.Blake3Hasher.HashData("ab"u8)));
        Assert.That(await _server.PutBlobAsync(), Is.EqualTo(B3Digest.Empty));
        Assert.That(await _server.Blobs.HasAsync(B3Digest.Empty), Is.True);
    }

    [Test]
    public async Task Put_LargestMessage_IsTaken()
    {
        byte[] content = SampleData.Bytes((4 << 20) - 5); // with tag and length just 4 MiB
        Assert.That(await _server.PutBlobAsync(content), Is.EqualTo(Castore.Blake3.Blake3Hasher.HashData(content)));
    }

    [Test]
    public async Task Put_MessageThatIsTooLong_StoresNothing()
    {
        using GrpcChannel channel = new(_server.Channel.Address, new GrpcChannelOptions { MaxSendMessageSize = null });
        byte[] content = SampleData.Bytes((4 << 20) - 4);
        GrpcException e = StatusOf(async () =>
        {
            await using IGrpcCall<ReadOnlySequence<byte>, PutBlobResponse> call = channel.Start(_server.Methods.PutBlob);
            await call.WriteAsync(Message(content));
            await call.CompleteAsync();
            await call.MoveNextAsync();
        });
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.ResourceExhausted), e.ToString());
        Assert.That(await _server.Blobs.HasAsync(Castore.Blake3.Blake3Hasher.HashData(content)), Is.False);
    }

    [Test]
    [Repeat(20)] // the end of the stream and its reset must not race
    public async Task Put_ClientGivesUp_StoresNothing()
    {
        RecordingWriter? writer = null;
        TaskCompletionSource written = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Blobs.WrapWriter = inner => writer = new RecordingWriter(inner) { OnWrite = written.SetResult };
        byte[] content = SampleData.Bytes(100);
        IGrpcCall<ReadOnlySequence<byte>, PutBlobResponse> call = _server.Channel.Start(_server.Methods.PutBlob);
        await call.WriteAsync(Message(content));
        await written.Task;
        await call.DisposeAsync();
        await writer!.Disposed;
        Assert.That(writer.IsCompleted, Is.False);
        Assert.That(await _server.Blobs.HasAsync(Castore.Blake3.Blake3Hasher.HashData(content)), Is.False);
    }

    [Test]
    public async Task Read_DamageInTheMiddle_IsDataLossAfterSomePieces()
    {
        B3Digest digest = await _server.PutBlobAsync(SampleData.Bytes(10 * PieceSize));
        B3Digest other = new(SampleData.Bytes(32));
        _server.Blobs.Wrap = stream => new FailingStream(stream, 3 * PieceSize, new DigestMismatchException(digest, other, "in pack 7"));
        List<byte[]> pieces = [];
        GrpcException e = StatusOf(() => _server.ReadAsync(digest.ToByteArray(), pieces));
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.DataLoss));
        Assert.That(pieces, Has.Count.EqualTo(3));
        Assert.That(StoreErrors.FromStatus(e, "Reading"), Is.TypeOf<DigestMismatchException>()
            .With.Property(nameof(DigestMismatchException.Expected)).EqualTo(digest)
            .And.Property(nameof(DigestMismatchException.Actual)).EqualTo(other));
    }

    public static IEnumerable<TestCaseData> Failures =>
    [
        new(new StorageException("gone", isTransient: true), GrpcStatusCode.Unavailable),
        new(new StorageException("gone"), GrpcStatusCode.Internal),
        new(new DigestMismatchException(default, null, "x"), GrpcStatusCode.DataLoss),
        new(new IOException("/secret/path"), GrpcStatusCode.Internal),
        new(new TimeoutException("/secret/path"), GrpcStatusCode.Unavailable),
        new(new InvalidDataException("/secret/path"), GrpcStatusCode.DataLoss),
        new(new NotSupportedException("cannot"), GrpcStatusCode.Unimplemented),
        new(new InvalidOperationException("/secret/path"), GrpcStatusCode.Unknown),
    ];

    [TestCaseSource(nameof(Failures))]
    public void StatReadAndPut_BackendFails_HaveTheStatusOfTheTable(Exception failure, GrpcStatusCode expected)
    {
        _server.Blobs.Before = _ => throw failure;
        GrpcException stat = StatusOf(() => _server.StatAsync(new byte[32]));
        GrpcException read = StatusOf(() => _server.ReadAsync(new byte[32], []));
        GrpcException put = StatusOf(() => _server.PutBlobAsync([1]));
        Assert.That(stat.StatusCode, Is.EqualTo(expected));
        Assert.That(read.StatusCode, Is.EqualTo(expected));
        Assert.That(put.StatusCode, Is.EqualTo(expected == GrpcStatusCode.DataLoss ? GrpcStatusCode.InvalidArgument : expected));
        Assert.That(stat.Message, Does.Not.Contain("secret"));
    }

    [Test]
    public async Task Read_ClientGoesAway_StopsTheBackend()
    {
        B3Digest digest = await _server.PutBlobAsync(SampleData.Bytes(100));
        TaskCompletionSource reading = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _server.Blobs.Before = async token =>
        {
            await using CancellationTokenRegistration registration = token.Register(stopped.SetResult);
            reading.SetResult();
            await stopped.Task;
        };
        using CancellationTokenSource stop = new();
        Task read = Task.Run(async () =>
        {
            await using IGrpcCall<ReadBlobRequest, ReadOnlySequence<byte>> call = _server.Channel.Start(_server.Methods.ReadBlob, default, stop.Token);
            await call.WriteAsync(new ReadBlobRequest { Digest = Google.Protobuf.ByteString.CopyFrom(digest.ToByteArray()) });
            await call.CompleteAsync();
            await call.MoveNextAsync();
        });
        await reading.Task;
        await stop.CancelAsync();
        await stopped.Task;
        Assert.That(async () => await read, Throws.InstanceOf<OperationCanceledException>());
    }

    /// <summary>Gives at most a few bytes at a time.</summary>
    private sealed class ShortReadStream(Stream inner) : WrappedStream(inner)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Inner.ReadAsync(buffer[..Math.Min(buffer.Length, 333)], cancellationToken);
    }

    /// <summary>Fails once it has given so many bytes.</summary>
    private sealed class FailingStream(Stream inner, int length, Exception failure) : WrappedStream(inner)
    {
        private int _left = length;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = _left == 0 ? throw failure : await Inner.ReadAsync(buffer[..Math.Min(buffer.Length, _left)], cancellationToken);
            _left -= read;
            return read;
        }
    }

    private abstract class WrappedStream(Stream inner) : Stream
    {
        protected Stream Inner { get; } = inner;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() => throw new NotSupportedException();
    }

    private sealed class RecordingWriter(BlobWriter inner) : BlobWriter
    {
        private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Disposed => _disposed.Task;

        public bool IsCompleted { get; private set; }

        public Action? OnWrite { get; init; }

        protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            await inner.WriteAsync(buffer, cancellationToken);
            OnWrite?.Invoke();
        }

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
        {
            IsCompleted = true;
            return inner.CompleteAsync(cancellationToken);
        }

        protected override async ValueTask DisposeCoreAsync()
        {
            await inner.DisposeAsync();
            _disposed.SetResult();
        }
    }
}
