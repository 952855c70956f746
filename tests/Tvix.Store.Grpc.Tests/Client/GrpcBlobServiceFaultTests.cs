using System.Buffers;
using Google.Protobuf;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Testing;
using BlobChunk = Tvix.Castore.Blobs.BlobChunk;
using Piece = System.Buffers.ReadOnlySequence<byte>;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>Servers that do not do what they should.</summary>
[TestFixture]
[CancelAfter(60_000)]
public sealed class GrpcBlobServiceFaultTests
{
    private static readonly byte[] _small = SampleData.Bytes(1000);
    private static readonly byte[][] _pieces = [.. Enumerable.Range(0, 40).Select(i => SampleData.Bytes(100_000 + i, i))];
    private static readonly byte[] _large = [.. _pieces.SelectMany(piece => piece)];

    private static B3Digest SmallDigest => Blake3Hasher.HashData(_small);

    private static B3Digest LargeDigest => Blake3Hasher.HashData(_large);

    [Test]
    public async Task Read_OtherBytes_IsAMismatch([Values] bool open, [Values(0, 100, 4000)] int length)
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { MaxBufferedBlob = 2000 });
        server.Stat = (_, _) => new(new StatBlobResponse());
        server.Read = (_, responses, _) => responses.WriteAsync(new Piece(SampleData.Bytes(length, 9))).AsTask();
        DigestMismatchException e = Assert.ThrowsAsync<DigestMismatchException>(async () =>
        {
            if (open)
            {
                await server.Client.Blobs.OpenReadAsync(SmallDigest);
            }
            else
            {
                await server.Client.Blobs.ReadAsync(SmallDigest, 10_000);
            }
        })!;
        Assert.That(e.Expected, Is.EqualTo(SmallDigest));
        Assert.That(e.Actual, Is.EqualTo(Blake3Hasher.HashData(SampleData.Bytes(length, 9))));
    }

    [Test]
    public async Task Read_OneCall_DoesNotAskBefore()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.Read = FakeServer.Sends(_small);
        using BlobContent? content = await server.Client.Blobs.ReadAsync(SmallDigest, 1000);
        Assert.That(content!.Memory.Span.SequenceEqual(_small));
        Assert.That(await server.Client.Blobs.ReadAsync(LargeDigest, 1000), Is.Null);
    }

    [Test]
    public async Task Read_EndlessStream_StopsAtTheLimit()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Read = async (_, responses, context) =>
        {
            try
            {
                while (true)
                {
                    await responses.WriteAsync(new Piece(_small), context.CancellationToken);
                }
            }
            catch (OperationCanceledException)
            {
                cancelled.SetResult(); // by the token, or because nobody takes what is written: whichever is first
                throw;
            }
        };
        Assert.That(async () => await server.Client.Blobs.ReadAsync(SmallDigest, 100_000), Throws.InstanceOf<BlobTooLongException>());
        await cancelled.Task;
    }

    [Test]
    public async Task Read_SlowBytes_EndsAtTheDeadline([Values] bool large)
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { MaxBufferedBlob = 10 }, "?timeout=0.3");
        server.Stat = (_, _) => new(FakeServer.Chunks(_small));
        server.Read = async (_, responses, context) =>
        {
            await responses.WriteAsync(new Piece(_small, 0, 500));
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        };
        StorageException e = Assert.ThrowsAsync<StorageException>(async () =>
        {
            if (large)
            {
                await using Stream stream = (await server.Client.Blobs.OpenReadAsync(SmallDigest))!;
                await stream.CopyToAsync(Stream.Null);
            }
            else
            {
                await server.Client.Blobs.ReadAsync(SmallDigest, 1000);
            }
        })!;
        Assert.That(e.IsTransient, Is.True);
    }

    [TestCase(GrpcStatusCode.Unavailable, true)]
    [TestCase(GrpcStatusCode.Internal, false)]
    [TestCase(GrpcStatusCode.PermissionDenied, false)]
    [TestCase(GrpcStatusCode.Unknown, false)]
    public async Task Anything_ServerFails_IsAStorageException(GrpcStatusCode status, bool isTransient)
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.Stat = (_, _) => throw new GrpcException(status, "made up");
        server.Read = (_, _, _) => throw new GrpcException(status, "made up");
        server.Put = (_, _) => throw new GrpcException(status, "made up");
        IBlobService blobs = server.Client.Blobs;
        foreach (Func<Task> action in (Func<Task>[])
        [
            async () => await blobs.HasAsync(SmallDigest),
            async () => await blobs.GetChunksAsync(SmallDigest),
            async () => await blobs.OpenReadAsync(SmallDigest),
            async () => await blobs.ReadAsync(SmallDigest, 10),
            async () => await blobs.PutAsync(_small),
            async () => await blobs.PutManyAsync([_small, _large], new B3Digest[2]),
            () => WriteAsync(blobs, _large),
        ])
        {
            StorageException e = Assert.ThrowsAsync<StorageException>(() => action())!;
            Assert.That(e.IsTransient, Is.EqualTo(isTransient));
            Assert.That(e.InnerException, Is.InstanceOf<GrpcException>());
            Assert.That(e.Message, Does.Contain("made up"));
        }
    }

    [Test]
    public async Task OpenRead_ChunksOfNoBytes_AreNotTaken([Values(0, 1, 2)] int where, [Values] bool otherwiseRight)
    {
        // They would not be read, so that a check that counts chunks would never see the last one.
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { MaxBufferedBlob = 10 });
        StatBlobResponse answer = FakeServer.Chunks(_pieces[0], _pieces[1]);
        answer.Chunks.Insert(where, FakeServer.Chunks([[]]).Chunks[0]);
        server.Stat = (_, _) => new(answer);
        server.Read = FakeServer.Sends(_pieces);
        B3Digest digest = otherwiseRight ? Blake3Hasher.HashData([.. _pieces[0], .. _pieces[1]]) : LargeDigest;
        Assert.That(
            async () => await server.Client.Blobs.OpenReadAsync(digest),
            Throws.InstanceOf<StorageException>().With.Message.Contains(digest.ToString()));
    }

    [Test]
    public async Task OpenRead_NothingButChunksOfNoBytes_IsNotAnEmptyBlob([Values(1, 2)] int count, [Values] bool ofTheBlobItself)
    {
        await using FakeServer server = await FakeServer.StartAsync();
        StatBlobResponse answer = FakeServer.Chunks([.. Enumerable.Repeat(ofTheBlobItself ? _small : [], count)]);
        foreach (StatBlobResponse.Types.ChunkMeta chunk in answer.Chunks)
        {
            chunk.Size = 0;
        }

        server.Stat = (_, _) => new(answer);
        server.Read = FakeServer.Sends(_small, []);
        Assert.That(async () => await server.Client.Blobs.OpenReadAsync(SmallDigest), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task OpenRead_EmptyBlobAsOneChunk_IsEmpty()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.Stat = (_, _) => new(FakeServer.Chunks([[]]));
        server.Read = FakeServer.Sends([[]]);
        B3Digest empty = Blake3Hasher.HashData([]);
        Assert.That(await server.Client.Blobs.GetChunksAsync(empty), Is.Empty);
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(empty))!;
        Assert.That(stream.Length, Is.Zero);
    }

    [Test]
    public async Task GetChunks_SenselessList_Throws()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        StatBlobResponse answer = FakeServer.Chunks(_pieces[0], _pieces[1]);
        server.Stat = (_, _) => new(answer);
        answer.Chunks[1].Digest = ByteString.CopyFrom(new byte[31]);
        Assert.That(async () => await server.Client.Blobs.GetChunksAsync(LargeDigest), Throws.InstanceOf<StorageException>().With.Message.Contains("31"));
        answer = FakeServer.Chunks(_pieces[0], _pieces[1]);
        answer.Chunks[0].Size = long.MaxValue;
        answer.Chunks[1].Size = 1;
        Assert.That(async () => await server.Client.Blobs.OpenReadAsync(LargeDigest), Throws.InstanceOf<StorageException>());
        answer = FakeServer.Chunks(_pieces[0]);
        Assert.That(async () => await server.Client.Blobs.OpenReadAsync(LargeDigest), Throws.InstanceOf<StorageException>(), "one chunk, and another digest");
    }

    [Test]
    public async Task OpenRead_Chunks_AreReadAheadWithinTheBudget([Values(0, 350_000, 10_000_000)] int budget)
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { BufferBytes = budget });
        server.Stat = (request, _) => new(request.SendChunks ? FakeServer.Chunks(_pieces) : new StatBlobResponse());
        long requested = 0;
        int calls = 0;
        var send = FakeServer.Sends(_pieces);
        server.Read = async (request, responses, context) =>
        {
            Interlocked.Increment(ref calls);
            Interlocked.Add(ref requested, 100_000); // about
            await send(request, responses, context);
        };
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(LargeDigest))!;
        Assert.That(calls, Is.Zero, "nothing is fetched before it is read");
        byte[] result = new byte[_large.Length];
        int at = 0;
        long mostAhead = 0;
        for (int count; (count = await stream.ReadAsync(result.AsMemory(at, Math.Min(30_000, result.Length - at)))) > 0;)
        {
            at += count;
            mostAhead = Math.Max(mostAhead, Interlocked.Read(ref requested) - at);
        }

        Assert.That(result.AsSpan().SequenceEqual(_large));
        Assert.That(calls, Is.EqualTo(_pieces.Length), "each chunk once");
        Assert.That(mostAhead, Is.LessThanOrEqualTo(budget + 100_100), "the chunk being read, and the budget");
        if (budget > 1_000_000)
        {
            Assert.That(mostAhead, Is.GreaterThan(350_000));
        }
    }

    [Test]
    public async Task OpenRead_ChunksOfAnotherBlob_ThrowsBeforeTheEnd()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.Stat = (_, _) => new(FakeServer.Chunks(_pieces[0], _pieces[2], _pieces[1]));
        server.Read = FakeServer.Sends(_pieces);
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(LargeDigest))!;
        using MemoryStream copy = new();
        Assert.That(async () => await stream.CopyToAsync(copy), Throws.InstanceOf<DigestMismatchException>());
        Assert.That(copy.Length, Is.EqualTo(_pieces[0].Length + _pieces[2].Length), "the last chunk is not handed out");
        Assert.That(async () => await stream.ReadAsync(new byte[1]), Throws.InstanceOf<DigestMismatchException>());
    }

    [TestCase("missing", typeof(StorageException))]
    [TestCase("short", typeof(DigestMismatchException))]
    [TestCase("long", typeof(StorageException))]
    [TestCase("other", typeof(DigestMismatchException))]
    [TestCase("wrong size", typeof(StorageException))]
    [TestCase("huge", typeof(StorageException))]
    [TestCase("fails", typeof(StorageException))]
    public async Task OpenRead_BadChunk_Throws(string fault, Type expected)
    {
        await using FakeServer server = await FakeServer.StartAsync();
        StatBlobResponse list = FakeServer.Chunks(_pieces[0], _pieces[1], _pieces[2]);
        list.Chunks[1].Size += fault switch { "wrong size" => 1UL, "huge" => 1UL << 40, _ => 0 };
        server.Stat = (_, _) => new(list);
        var send = FakeServer.Sends(_pieces);
        server.Read = async (request, responses, context) =>
        {
            if (new B3Digest(request.Digest.Span) == Blake3Hasher.HashData(_pieces[1]))
            {
                byte[] chunk = fault switch
                {
                    "missing" => throw new GrpcException(GrpcStatusCode.NotFound, "gone"),
                    "fails" => throw new GrpcException(GrpcStatusCode.DataLoss, "broken"),
                    "short" => _pieces[1][..^1],
                    "long" => [.. _pieces[1], 1],
                    "other" => SampleData.Bytes(_pieces[1].Length, 99),
                    _ => _pieces[1],
                };
                await responses.WriteAsync(new Piece(chunk));
                return;
            }

            await send(request, responses, context);
        };
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(LargeDigest))!;
        using MemoryStream copy = new();
        Assert.That(async () => await stream.CopyToAsync(copy), Throws.InstanceOf(expected));
        Assert.That(copy.Length, Is.EqualTo(_pieces[0].Length));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(-1)]
    public async Task OpenRead_LongBlobInOnePiece_IsHeldToItsLengthAndDigest(int more)
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { MaxBufferedBlob = 10 });
        StatBlobResponse list = FakeServer.Chunks(_large);
        list.Chunks[0].Size = (ulong)(_large.Length + more);
        server.Stat = (_, _) => new(list);
        server.Read = FakeServer.Sends(_large);
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(LargeDigest))!;
        Assert.That(stream.Length, Is.EqualTo(_large.Length + more));
        stream.Position = 5000;
        Assert.That(await stream.ReadAtLeastAsync(new byte[100], 100), Is.EqualTo(100));
        stream.Position = 0;
        if (more == 0)
        {
            using MemoryStream copy = new();
            await stream.CopyToAsync(copy);
            Assert.That(copy.ToArray().AsSpan().SequenceEqual(_large));
        }
        else
        {
            Assert.That(async () => await stream.CopyToAsync(Stream.Null), Throws.InstanceOf<StorageException>());
        }
    }

    [Test]
    public async Task OpenRead_LongBlobDamaged_ThrowsAtTheEndAlsoAfterASeek()
    {
        byte[] damaged = [.. _large];
        damaged[10]++;
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { MaxBufferedBlob = 10 });
        server.Stat = (_, _) => new(FakeServer.Chunks(_large));
        server.Read = (_, responses, _) => responses.WriteAsync(new Piece(damaged)).AsTask();
        await using Stream stream = (await server.Client.Blobs.OpenReadAsync(LargeDigest))!;
        Assert.That(async () => await stream.CopyToAsync(Stream.Null), Throws.InstanceOf<DigestMismatchException>());
        stream.Seek(-100, SeekOrigin.End);
        Assert.That(async () => await stream.ReadExactlyAsync(new byte[100]), Throws.InstanceOf<DigestMismatchException>());
    }

    [Test]
    public async Task Put_OtherDigestInTheAnswer_IsAMismatch()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        byte[] answer = LargeDigest.ToByteArray();
        server.Stat = (_, _) => throw new GrpcException(GrpcStatusCode.NotFound, "");
        server.Put = async (pieces, _) =>
        {
            await FakeServer.ReceiveAsync(pieces);
            return new PutBlobResponse { Digest = ByteString.CopyFrom(answer) };
        };
        DigestMismatchException e = Assert.ThrowsAsync<DigestMismatchException>(async () => await server.Client.Blobs.PutAsync(_small))!;
        Assert.That((e.Expected, e.Actual), Is.EqualTo((SmallDigest, LargeDigest)));
        Assert.That(async () => await server.Client.Blobs.PutManyAsync([_small], new B3Digest[1]), Throws.InstanceOf<DigestMismatchException>());
        answer = new byte[5];
        Assert.That(() => WriteAsync(server.Client.Blobs, _large), Throws.InstanceOf<StorageException>().With.Message.Contains("5 bytes"));
    }

    [Test]
    public async Task Put_WhatTheServerHas_IsNotSent()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        server.Stat = (_, _) => new(new StatBlobResponse());
        IBlobService blobs = server.Client.Blobs; // Put is not served
        await blobs.PutAsync(_large);
        await blobs.PutManyAsync([_small, _large, _small], new B3Digest[3]);
        await WriteAsync(blobs, _small);
    }

    [Test]
    public async Task PutMany_BlobsMissing_AreSentOnceEachWithinTheBudget()
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { BufferBytes = 350_000, MaxParallelCalls = 8 });
        int stats = 0;
        int now = 0;
        int most = 0;
        int puts = 0;
        using SemaphoreSlim full = new(0);
        server.Stat = (_, _) =>
        {
            Interlocked.Increment(ref stats);
            throw new GrpcException(GrpcStatusCode.NotFound, "");
        };
        server.Put = async (pieces, context) =>
        {
            Interlocked.Increment(ref puts);
            int count = Interlocked.Increment(ref now);
            most = Math.Max(most, count);
            byte[] content = await FakeServer.ReceiveAsync(pieces);
            if (count == 3)
            {
                full.Release(1000); // from now on there is nothing to wait for
            }

            await full.WaitAsync(context.CancellationToken); // so that others have to wait for the budget
            Interlocked.Decrement(ref now);
            return new PutBlobResponse { Digest = FakeServer.Bytes(Blake3Hasher.HashData(content)) };
        };
        ReadOnlyMemory<byte>[] contents = [.. _pieces.Concat(_pieces).Select(piece => (ReadOnlyMemory<byte>)piece)];
        B3Digest[] digests = new B3Digest[contents.Length];
        await server.Client.Blobs.PutManyAsync(contents, digests);
        Assert.That(digests, Is.EqualTo(contents.Select(content => Blake3Hasher.HashData(content.Span))));
        Assert.That((stats, puts), Is.EqualTo((_pieces.Length, _pieces.Length)));
        Assert.That(most, Is.EqualTo(3), "three of 100 000 bytes each");
    }

    [Test]
    public async Task Put_ServerUnavailableAtFirst_IsRepeated()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        int attempts = 0;
        server.Stat = (_, _) => throw new GrpcException(GrpcStatusCode.NotFound, "");
        server.Put = async (pieces, _) =>
        {
            byte[] content = await FakeServer.ReceiveAsync(pieces);
            return ++attempts < 3
                ? throw new GrpcException(GrpcStatusCode.Unavailable, "not yet")
                : new PutBlobResponse { Digest = FakeServer.Bytes(Blake3Hasher.HashData(content)) };
        };
        Assert.That(await server.Client.Blobs.PutAsync(_large), Is.EqualTo(LargeDigest));
        Assert.That(attempts, Is.EqualTo(3));
    }

    [Test]
    public async Task Write_ServerFailsMidway_ThrowsAndStaysBroken()
    {
        await using FakeServer server = await FakeServer.StartAsync(new GrpcBlobServiceOptions { WriteBuffer = 1000 });
        server.Put = async (pieces, _) =>
        {
            await foreach (Piece piece in pieces)
            {
                throw new GrpcException(GrpcStatusCode.ResourceExhausted, "disk full");
            }

            throw new GrpcException(GrpcStatusCode.Unknown, "no piece");
        };
        await using BlobWriter writer = await server.Client.Blobs.OpenWriteAsync();
        StorageException e = Assert.ThrowsAsync<StorageException>(async () =>
        {
            while (true)
            {
                await writer.WriteAsync(_large);
            }
        })!;
        Assert.That(e.Message, Does.Contain("disk full"));
        Assert.That(e.InnerException, Is.InstanceOf<GrpcException>());
        Assert.That(async () => await writer.WriteAsync(_large), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task Write_Abandoned_CancelsTheCall([Values] bool asynchronously)
    {
        await using FakeServer server = await FakeServer.StartAsync();
        TaskCompletionSource<bool> ended = new();
        server.Put = async (pieces, context) =>
        {
            try
            {
                await FakeServer.ReceiveAsync(pieces);
                ended.SetResult(true);
            }
            catch (Exception)
            {
                ended.SetResult(false);
                throw;
            }

            return new PutBlobResponse();
        };
        BlobWriter writer = await server.Client.Blobs.OpenWriteAsync();
        await writer.WriteAsync(_large);
        if (asynchronously)
        {
            await writer.DisposeAsync();
        }
        else
        {
            writer.Dispose();
        }

        Assert.That(await ended.Task, Is.False, "the server sees that the upload broke off");
    }

    [Test]
    public async Task Write_ServerDoesNotRead_EndsAtTheLimit()
    {
        await using FakeServer server = await FakeServer.StartAsync(parameters: "?timeout=0.3");
        server.Put = async (_, context) =>
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return new PutBlobResponse();
        };
        StorageException e = Assert.ThrowsAsync<StorageException>(() => WriteAsync(server.Client.Blobs, _large))!;
        Assert.That(e.IsTransient, Is.True);
    }

    [Test]
    public async Task Anything_Cancelled_CancelsTheCallAtTheServer()
    {
        await using FakeServer server = await FakeServer.StartAsync();
        using SemaphoreSlim arrived = new(0);
        using SemaphoreSlim cancelled = new(0);
        async Task HangAsync(IGrpcServerContext context)
        {
            using CancellationTokenRegistration registration = context.CancellationToken.Register(() => cancelled.Release());
            arrived.Release();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }

        server.Stat = async (_, context) =>
        {
            await HangAsync(context);
            return new StatBlobResponse();
        };
        server.Read = (_, _, context) => HangAsync(context);
        server.Put = async (_, context) =>
        {
            await HangAsync(context);
            return new PutBlobResponse();
        };
        IBlobService blobs = server.Client.Blobs;
        foreach (Func<CancellationToken, Task> action in (Func<CancellationToken, Task>[])
        [
            async token => await blobs.HasAsync(SmallDigest, token),
            async token => await blobs.ReadAsync(SmallDigest, 10, token),
            async token => await blobs.PutManyAsync([_small], new B3Digest[1], token),
            async token =>
            {
                await using BlobWriter writer = await blobs.OpenWriteAsync(token);
                while (true)
                {
                    await writer.WriteAsync(_large, token);
                }
            },
        ])
        {
            using CancellationTokenSource stop = new();
            Task running = action(stop.Token);
            await arrived.WaitAsync();
            await stop.CancelAsync();
            Assert.That(async () => await running, Throws.InstanceOf<OperationCanceledException>());
            await cancelled.WaitAsync();
        }
    }

    private static async Task WriteAsync(IBlobService blobs, byte[] content)
    {
        await using BlobWriter writer = await blobs.OpenWriteAsync();
        await writer.WriteAsync(content);
        await writer.CompleteAsync();
    }
}
