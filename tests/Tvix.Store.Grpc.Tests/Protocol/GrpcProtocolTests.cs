using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Tests.Protos;
using Tvix.Store.Grpc.Wire;
using Tvix.Testing;

namespace Tvix.Store.Grpc.Tests.Protocol;

/// <summary>What happens at the edges of calls.</summary>
[TestFixture]
public sealed class GrpcProtocolTests
{
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(30);

    [Test]
    public async Task UnknownMethodOrService_IsUnimplemented([Values("tvix.tests.v1.Echo", "no.such.Service")] string service)
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using GrpcChannel channel = server.Connect();
        GrpcMethod<EchoMessage, EchoMessage> method = EchoService.Unary with { Service = service, Name = "NoSuchMethod" };
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(method, new EchoMessage(), m => m))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Unimplemented));
        Assert.That(e.Message, Does.Contain("NoSuchMethod"));
    }

    [Test]
    public async Task OtherRequests_AreNotTakenForGrpc()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using HttpClient http = new() { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, BaseAddress = server.Address };
        using StringContent json = new("{}", new MediaTypeHeaderValue("application/json"));
        using HttpResponseMessage wrongType = await http.PostAsync("/tvix.tests.v1.Echo/Unary", json);
        Assert.That(wrongType.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        using StringContent web = new("", new MediaTypeHeaderValue("application/grpc-web"));
        using HttpResponseMessage wrongGrpc = await http.PostAsync("/tvix.tests.v1.Echo/Unary", web);
        Assert.That(wrongGrpc.StatusCode, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
        using StringContent other = new("{}", new MediaTypeHeaderValue("application/json"));
        using HttpResponseMessage elsewhere = await http.PostAsync("/some/thing", other);
        Assert.That(elsewhere.StatusCode, Is.EqualTo(HttpStatusCode.NotFound));
        using HttpResponseMessage get = await http.GetAsync("/tvix.tests.v1.Echo/Unary");
        Assert.That(get.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
    }

    [Test]
    public async Task Metadata_BothWays_IsKept()
    {
        GrpcMetadata? seen = null;
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define((_, context) =>
        {
            seen = context.RequestHeaders;
            context.ResponseTrailers.Add("answer-bin", [1, 2, 3]);
            context.ResponseTrailers.Add("answer", "yes");
            return ValueTask.CompletedTask;
        })]));
        using GrpcChannel channel = server.Connect();
        GrpcMetadata headers = new();
        headers.Add("question", "well?");
        headers.Add("question-bin", [255, 0]);
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.Unary, new GrpcCallOptions(headers));
        await call.WriteAsync(new EchoMessage());
        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);
        Assert.That(await call.MoveNextAsync(), Is.False);
        Assert.That(seen!.GetText("question"), Is.EqualTo("well?"));
        Assert.That(seen.GetBytes("question-bin"), Is.EqualTo(new byte[] { 255, 0 }));
        Assert.That(call.ResponseTrailers.GetText("answer"), Is.EqualTo("yes"));
        Assert.That(call.ResponseTrailers.GetBytes("answer-bin"), Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    [Test]
    public async Task Gzip_OfTheClient_IsAnsweredWithGzip()
    {
        List<string> encodings = [];
        await using TestServer server = await TestServer.StartAsync(app =>
        {
            app.Use(async (http, next) =>
            {
                encodings.Add(http.Request.Headers["grpc-encoding"].ToString());
                http.Response.OnStarting(() => // before the client has the answer, and calls again
                {
                    encodings.Add(http.Response.Headers["grpc-encoding"].ToString());
                    return Task.CompletedTask;
                });
                await next();
            });
            app.MapGrpc([EchoService.Define()]);
        });
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Compress = true });
        EchoMessage request = new() { Data = ByteString.CopyFrom(new byte[1_000_000]) };
        Assert.That(await channel.UnaryAsync(EchoService.Unary, request, m => m), Is.EqualTo(request));
        Assert.That(await channel.UnaryAsync(EchoService.Unary, request, m => m, new GrpcCallOptions(Compress: false)), Is.EqualTo(request));
        Assert.That(encodings, Is.EqualTo(new[] { "gzip", "gzip", "", "" }));
    }

    [Test]
    public async Task UnknownEncoding_IsUnimplementedAndSaysWhatIsAccepted()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using HttpClient http = new() { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, BaseAddress = server.Address };
        using ByteArrayContent content = new([0, 0, 0, 0, 0]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc+proto");
        using HttpRequestMessage request = new(HttpMethod.Post, "/tvix.tests.v1.Echo/Unary") { Content = content, Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Add("grpc-encoding", "snappy");
        using HttpResponseMessage response = await http.SendAsync(request);
        Assert.That(response.Headers.GetValues("grpc-status"), Is.EqualTo(new[] { "12" }));
        Assert.That(response.Headers.GetValues("grpc-accept-encoding"), Is.EqualTo(new[] { "identity,gzip" }));
    }

    [Test]
    public async Task MalformedTimeout_IsInvalidArgument()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { ConfigureHandler = inner => new HeaderHandler(inner, "grpc-timeout", "soon") });
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(e.Message, Does.Contain("soon"));
    }

    [Test]
    public async Task Limits_AreHeldByBothSides()
    {
        await using TestServer server = await TestServer.StartAsync(
            app => app.MapGrpc([EchoService.Define()], new GrpcServerOptions { MaxReceiveMessageSize = 1000, MaxSendMessageSize = 600 }));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { MaxReceiveMessageSize = 500, MaxSendMessageSize = 2000 });
        Assert.That(Status(channel, 2100), Is.EqualTo((GrpcStatusCode.ResourceExhausted, "2000")), "the client does not send it");
        Assert.That(Status(channel, 1100), Is.EqualTo((GrpcStatusCode.ResourceExhausted, "1000")), "the server does not take it");
        Assert.That(Status(channel, 700), Is.EqualTo((GrpcStatusCode.ResourceExhausted, "600")), "the server does not send it");
        Assert.That(Status(channel, 550), Is.EqualTo((GrpcStatusCode.ResourceExhausted, "500")), "the client does not take it");
        Assert.That(await channel.UnaryAsync(EchoService.Unary, new EchoMessage { Data = ByteString.CopyFrom(new byte[400]) }, m => m.Data.Length), Is.EqualTo(400));

        static (GrpcStatusCode Code, string Limit) Status(GrpcChannel channel, int size)
        {
            GrpcException e = Assert.ThrowsAsync<GrpcException>(
                async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage { Data = ByteString.CopyFrom(new byte[size]) }, m => m))!;
            return (e.StatusCode, e.Message.TrimEnd('.').Split(' ')[^1]);
        }
    }

    [Test]
    public async Task Deadline_IsKnownToTheServerAndStopsIt()
    {
        TaskCompletionSource<DateTimeOffset?> deadline = new();
        TaskCompletionSource stopped = new();
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define(async (_, context) =>
        {
            deadline.SetResult(context.Deadline);
            await WaitForCancellationAsync(context.CancellationToken);
            stopped.SetResult();
            context.CancellationToken.ThrowIfCancellationRequested();
        })]));
        using GrpcChannel channel = server.Connect();
        DateTimeOffset before = DateTimeOffset.UtcNow;
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(
            EchoService.Unary, new EchoMessage(), m => m, new GrpcCallOptions(Timeout: TimeSpan.FromMilliseconds(200))))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.DeadlineExceeded));
        Assert.That((await deadline.Task.WaitAsync(_soon))!.Value, Is.InRange(before, before + TimeSpan.FromSeconds(20)));
        await stopped.Task.WaitAsync(_soon);
    }

    [Test]
    public async Task Deadline_OfTheServersOwnClock_IsAStatus()
    {
        // The client's clock stands still, so that the server's answer is what it hears.
        await using TestServer server = await TestServer.StartAsync(
            app => app.MapGrpc([EchoService.Define(async (_, context) => await Task.Delay(Timeout.Infinite, context.CancellationToken))]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { TimeProvider = new StoppedTime() });
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(
            EchoService.Unary, new EchoMessage(), m => m, new GrpcCallOptions(Timeout: TimeSpan.FromMilliseconds(20))))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.DeadlineExceeded));
    }

    [Test]
    public async Task Cancellation_OfAWaitingClient_StopsTheServer([Values] bool byDisposal)
    {
        TaskCompletionSource started = new();
        TaskCompletionSource stopped = new();
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define(async (_, context) =>
        {
            started.SetResult();
            await WaitForCancellationAsync(context.CancellationToken);
            stopped.SetResult();
        })]));
        using GrpcChannel channel = server.Connect();
        using CancellationTokenSource cancel = new();
        IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.Unary, cancellationToken: byDisposal ? default : cancel.Token);
        await call.WriteAsync(new EchoMessage());
        await call.CompleteAsync();
        Task<bool> answer = call.MoveNextAsync().AsTask();
        await started.Task.WaitAsync(_soon);
        if (byDisposal)
        {
            await call.DisposeAsync();
        }
        else
        {
            await cancel.CancelAsync();
            Assert.That(async () => await answer, Throws.InstanceOf<OperationCanceledException>().With.Property("CancellationToken").EqualTo(cancel.Token));
            await call.DisposeAsync();
        }

        await stopped.Task.WaitAsync(_soon);
    }

    [Test]
    public async Task Cancellation_InMidStream_StopsTheServer()
    {
        TaskCompletionSource<long> stopped = new();
        GrpcServiceDefinition endless = DefineStream(async (responses, context) =>
        {
            long sent = 0;
            try
            {
                EchoMessage message = new() { Data = ByteString.CopyFrom(new byte[100_000]) };
                while (true)
                {
                    await responses.WriteAsync(message);
                    sent++;
                }
            }
            finally
            {
                stopped.SetResult(sent);
            }
        });
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([endless]));
        using GrpcChannel channel = server.Connect();
        int received = 0;
        await foreach (EchoMessage message in channel.ServerStreamingAsync(EchoService.ServerStream, new EchoMessage()))
        {
            if (++received == 10)
            {
                break;
            }
        }

        // What is under way is bounded by the windows of HTTP/2, not by what the server has.
        Assert.That(await stopped.Task.WaitAsync(_soon), Is.LessThan(300));
    }

    [Test]
    public async Task BackPressure_OfAClientThatDoesNotRead_StopsTheServerFromWriting()
    {
        long sent = 0;
        TaskCompletionSource stuck = new();
        GrpcServiceDefinition endless = DefineStream(async (responses, context) =>
        {
            EchoMessage message = new() { Data = ByteString.CopyFrom(new byte[100_000]) };
            while (true)
            {
                ValueTask write = responses.WriteAsync(message);
                if (!write.IsCompleted && sent > 100)
                {
                    stuck.TrySetResult();
                }

                await write;
                sent++;
            }
        });
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([endless]));
        using GrpcChannel channel = server.Connect();
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.ServerStream);
        await call.WriteAsync(new EchoMessage());
        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);

        // The writes that wait are those that the window and the buffers do not take: at most some 20 MB of an endless stream, however long one looks.
        Assert.That(sent, Is.LessThan(300));
        for (int i = 0; i < 200; i++)
        {
            Assert.That(await call.MoveNextAsync(), Is.True);
        }

        await stuck.Task.WaitAsync(_soon);
        Assert.That(Volatile.Read(ref sent), Is.LessThan(600));
    }

    [Test]
    public async Task ClientStream_ThatTheServerRefusesInTheMiddle_EndsWithItsStatus()
    {
        int seen = 0;
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define((_, _) =>
            ++seen == 3 ? throw new GrpcException(GrpcStatusCode.InvalidArgument, "not this one") : ValueTask.CompletedTask)]));
        using GrpcChannel channel = server.Connect();
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.ClientStream);
        EchoMessage message = new() { Data = ByteString.CopyFrom(new byte[50_000]) };
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                await call.WriteAsync(message);
            }
        })!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        Assert.That(e.Message, Is.EqualTo("not this one"));
        Assert.That(Assert.ThrowsAsync<GrpcException>(async () => await call.MoveNextAsync()), Is.SameAs(e), "and stays so");
    }

    [Test]
    public async Task ClientStream_ThatIsAbandoned_IsNoEndForTheServer()
    {
        TaskCompletionSource<bool> ended = new();
        TaskCompletionSource first = new();
        GrpcServiceDefinition service = EchoService.DefineClientStream(async (requests, context) =>
        {
            try
            {
                await foreach (EchoMessage _ in requests)
                {
                    first.TrySetResult();
                }

                ended.SetResult(true);
            }
            catch (Exception)
            {
                ended.SetResult(false);
                throw;
            }

            return new EchoMessage();
        });
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([service]));
        using GrpcChannel channel = server.Connect();
        await using (IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.ClientStream))
        {
            await call.WriteAsync(LongMessage());
            await call.WriteAsync(LongMessage()); // which drives the end of the first out of the connection's buffer
            await first.Task.WaitAsync(_soon);
        }

        Assert.That(await ended.Task.WaitAsync(_soon), Is.False);
    }

    [Test]
    public async Task Retry_OfAnIdempotentCall_TriesAgainWhileUnavailable([Values(1, 3, 4)] int failures, [Values] bool streaming)
    {
        int calls = 0;
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define((_, _) =>
            ++calls <= failures ? throw new GrpcException(GrpcStatusCode.Unavailable, "later") : ValueTask.CompletedTask)]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Retry = new GrpcRetryOptions { InitialBackoff = TimeSpan.FromMilliseconds(1) } });
        Func<Task> call = async () =>
        {
            if (streaming)
            {
                await foreach (EchoMessage _ in channel.ServerStreamingAsync(EchoService.ServerStream, new EchoMessage { Times = 2 }))
                {
                }
            }
            else
            {
                await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m);
            }
        };
        if (failures < 4)
        {
            Assert.DoesNotThrowAsync(call);
            Assert.That(calls, Is.EqualTo(failures + 1));
        }
        else
        {
            Assert.That(Assert.ThrowsAsync<GrpcException>(call)!.StatusCode, Is.EqualTo(GrpcStatusCode.Unavailable));
            Assert.That(calls, Is.EqualTo(4));
        }
    }

    [Test]
    public async Task Retry_OfWhatMayNotBeRepeated_DoesNotHappen()
    {
        int calls = 0;
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define((request, _) =>
        {
            calls++;
            throw new GrpcException(request.Times == 0 ? GrpcStatusCode.Unavailable : GrpcStatusCode.Internal, "no");
        })]));
        using GrpcChannel channel = server.Connect();
        Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary with { IsIdempotent = false }, new EchoMessage(), m => m));
        Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage { Times = 1 }, m => m));
        Assert.That(calls, Is.EqualTo(2));
    }

    [Test]
    public async Task ServerThatGoesAway_IsUnavailable()
    {
        TestServer server = await TestServer.StartAsync(app => app.MapGrpc([DefineStream(async (responses, context) =>
        {
            await responses.WriteAsync(new EchoMessage());
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        })]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Retry = null });
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(EchoService.ServerStream);
        await call.WriteAsync(new EchoMessage());
        await call.CompleteAsync();
        Assert.That(await call.MoveNextAsync(), Is.True);
        await server.DisposeAsync();
        GrpcException cut = Assert.ThrowsAsync<GrpcException>(async () => await call.MoveNextAsync())!;
        Assert.That(cut.StatusCode, Is.EqualTo(GrpcStatusCode.Unavailable).Or.EqualTo(GrpcStatusCode.Cancelled));
        GrpcException gone = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m))!;
        Assert.That(gone.StatusCode, Is.EqualTo(GrpcStatusCode.Unavailable));
        Assert.That(gone.Message, Does.Contain(channel.Address.Authority));
    }

    [Test]
    public async Task Unary_ThatBreaksOffBeforeItsEnd_IsNotServed()
    {
        int served = 0;
        TaskCompletionSource<bool> read = new();
        await using TestServer server = await TestServer.StartAsync(app =>
        {
            app.Use(async (http, next) =>
            {
                await next();
                read.TrySetResult(true);
            });
            app.MapGrpc([EchoService.Define((_, _) =>
            {
                served++;
                return ValueTask.CompletedTask;
            })]);
        });
        using GrpcChannel channel = server.Connect();

        // For the client a stream of messages, so that it does not end after the first; for the server a unary call.
        GrpcMethod<EchoMessage, EchoMessage> open = EchoService.Unary with { IsClientStreaming = true, IsServerStreaming = true };
        await using (IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(open))
        {
            await call.WriteAsync(new EchoMessage());
        }

        await read.Task.WaitAsync(_soon);
        Assert.That(served, Is.Zero);
        await using IGrpcCall<EchoMessage, EchoMessage> two = channel.Start(open);
        await two.WriteAsync(new EchoMessage { Times = 1 });
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () =>
        {
            await two.WriteAsync(new EchoMessage { Times = 2 });
            await two.CompleteAsync();
            await two.MoveNextAsync();
        })!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Unimplemented).Or.EqualTo(GrpcStatusCode.Aborted));
        Assert.That(served, Is.Zero);
    }

    [Test]
    public async Task Dispose_AfterATokenThatCouldNotBeRead_DoesNotThrowAgain()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { BearerToken = _ => throw new InvalidOperationException("no token") });
        Assert.That(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m), Throws.InvalidOperationException.With.Message.EqualTo("no token"));
    }

    [Test]
    public async Task Dispose_OfTheChannel_EndsEveryKindOfCall([Values("unary", "server stream", "client stream", "duplex")] string kind, [Values] bool unixSocket)
    {
        TaskCompletionSource reached = new();
        TaskCompletionSource stopped = new();
        async Task HangAsync(IGrpcServerContext context)
        {
            reached.SetResult();
            await WaitForCancellationAsync(context.CancellationToken);
            stopped.SetResult();
        }

        GrpcServiceDefinition service = kind switch
        {
            "server stream" => DefineStream(async (responses, context) =>
            {
                await responses.WriteAsync(new EchoMessage());
                await HangAsync(context);
            }),
            "client stream" => EchoService.DefineClientStream(async (_, context) =>
            {
                await HangAsync(context);
                return new EchoMessage();
            }),
            _ => EchoService.Define(async (_, context) => await HangAsync(context)),
        };
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([service]), unixSocket);
        GrpcChannel channel = server.Connect();
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(kind switch
        {
            "unary" => EchoService.Unary,
            "server stream" => EchoService.ServerStream,
            "client stream" => EchoService.ClientStream,
            _ => EchoService.Duplex,
        });
        await call.WriteAsync(LongMessage());
        if (kind is "unary" or "server stream")
        {
            await call.CompleteAsync();
        }

        if (kind == "server stream")
        {
            Assert.That(await call.MoveNextAsync(), Is.True);
        }

        ValueTask<bool> waiting = call.MoveNextAsync();
        await reached.Task.WaitAsync(_soon);
        channel.Dispose();
        await stopped.Task.WaitAsync(_soon);
        Assert.That(async () => await waiting.AsTask().WaitAsync(_soon), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("/tvix.tests.v1.Echo/"));
        if (kind is "client stream" or "duplex")
        {
            Assert.That(async () => await call.WriteAsync(new EchoMessage()), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public async Task Dispose_OfTheChannel_EndsACallThatNobodyUses([Values("server stream", "duplex")] string kind, [Values] bool unixSocket)
    {
        TaskCompletionSource reached = new();
        TaskCompletionSource stopped = new();
        async ValueTask HangAsync(IGrpcServerContext context)
        {
            reached.SetResult();
            await WaitForCancellationAsync(context.CancellationToken);
            stopped.SetResult();
        }

        await using TestServer server = await TestServer.StartAsync(
            app => app.MapGrpc([kind == "duplex"
                ? EchoService.Define((request, context) => request.Times == 0 ? ValueTask.CompletedTask : HangAsync(context))
                : DefineStream(async (responses, context) =>
                {
                    await responses.WriteAsync(new EchoMessage());
                    await HangAsync(context);
                })]),
            unixSocket);
        GrpcChannel channel = server.Connect();
        await using IGrpcCall<EchoMessage, EchoMessage> call = channel.Start(kind == "duplex" ? EchoService.Duplex : EchoService.ServerStream);
        await call.WriteAsync(new EchoMessage());
        if (kind == "duplex")
        {
            await call.WriteAsync(new EchoMessage { Times = 1 });
        }
        else
        {
            await call.CompleteAsync();
        }

        Assert.That(await call.MoveNextAsync(), Is.True);
        await reached.Task.WaitAsync(_soon);
        channel.Dispose();
        await stopped.Task.WaitAsync(_soon);
        Assert.That(async () => await call.MoveNextAsync(), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("/tvix.tests.v1.Echo/"));
    }

    /// <summary>A message that does not wait in the connection's buffer for others, except for its end.</summary>
    private static EchoMessage LongMessage() => new() { Data = ByteString.CopyFrom(new byte[100_000]) };

    [Test]
    public async Task Dispose_OfTheChannelWhileACallIsSent_LeavesNoConnection()
    {
        // The sockets' handler would make a connection after its end.
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        TaskCompletionSource sending = new();
        TaskCompletionSource goOn = new();
        HoldingHandler? handler = null;
        GrpcChannel channel = server.Connect(new GrpcChannelOptions { ConfigureHandler = inner => handler = new HoldingHandler(inner, sending, goOn.Task) });
        Task<EchoMessage> call = channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m).AsTask();
        await sending.Task.WaitAsync(_soon);
        channel.Dispose();
        Assert.That(handler!.Disposals, Is.Zero);
        goOn.SetResult();
        Assert.That(async () => await call.WaitAsync(_soon), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(handler.Disposals, Is.EqualTo(1));
        channel.Dispose();
        Assert.That(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m), Throws.TypeOf<ObjectDisposedException>());
        Assert.That((handler.Disposals, handler.Requests), Is.EqualTo((1, 1)));
    }

    [TestCase("/no/such/socket", "there is no such socket")]
    [TestCase("/dev/null", "nobody listens")]
    public void UnixSocket_ThatIsNone_IsNamedWithTheReason(string path, string reason)
    {
        using GrpcChannel channel = new(new System.Net.Sockets.UnixDomainSocketEndPoint(path), new GrpcChannelOptions { Retry = null });
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m))!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.Unavailable));
        Assert.That(e.Message, Does.Contain("unix:" + path).And.EndWith(reason));
    }

    [Test]
    public async Task HandlerThatThrows_IsMappedOrUnknownWithoutItsText()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc(
            [EchoService.Define((request, _) => request.Times == 1 ? throw new InvalidOperationException("secret") : throw new FormatException("known"))],
            new GrpcServerOptions { MapException = e => e is FormatException ? new GrpcException(GrpcStatusCode.FailedPrecondition, e.Message) : null }));
        using GrpcChannel channel = server.Connect();
        GrpcException unknown = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage { Times = 1 }, m => m))!;
        Assert.That(unknown.StatusCode, Is.EqualTo(GrpcStatusCode.Unknown));
        Assert.That(unknown.Message, Does.Not.Contain("secret"));
        GrpcException known = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m))!;
        Assert.That((known.StatusCode, known.Message), Is.EqualTo((GrpcStatusCode.FailedPrecondition, "known")));
    }

    [Test]
    public async Task MalformedRequest_IsInvalidArgument()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using GrpcChannel channel = server.Connect();
        GrpcMethod<System.Buffers.ReadOnlySequence<byte>, EchoMessage> raw = GrpcMethod<System.Buffers.ReadOnlySequence<byte>, EchoMessage>.FromDescriptor(
            EchoService.Descriptor, "Unary", RawMarshaller.Instance, new ProtobufMarshaller<EchoMessage>(EchoMessage.Parser));
        foreach (byte[] bad in (byte[][])[[0x0a, 0x05], [0xff], [0x0b], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]])
        {
            GrpcException e = Assert.ThrowsAsync<GrpcException>(
                async () => await channel.UnaryAsync(raw, new System.Buffers.ReadOnlySequence<byte>(bad), m => m), Convert.ToHexString(bad))!;
            Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.InvalidArgument));
        }
    }

    [Test]
    public async Task ManySmallCalls_AtOnce_AreAllAnswered()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.MapGrpc([EchoService.Define()]));
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Retry = null });
        int left = 3000;
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async _ =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m);
            }
        }));
    }

    [Test]
    public async Task Answers_ThatAreNotGrpc_AreClearErrors()
    {
        await using TestServer server = await TestServer.StartAsync(app => app.Run(async http =>
        {
            string behaviour = http.Request.Headers["behaviour"].ToString();
            if (int.TryParse(behaviour, out int status))
            {
                http.Response.StatusCode = status;
                return;
            }

            http.Response.ContentType = behaviour == "html" ? "text/html" : "application/grpc";
            await http.Response.Body.WriteAsync(behaviour switch
            {
                "html" => "<html>"u8.ToArray(),
                "garbage" => SampleData.Bytes(1000, 1),
                "cut" => new byte[] { 0, 0, 0, 0, 9, 1 },
                _ => new byte[] { 0, 0, 0, 0, 0 },
            });
            switch (behaviour)
            {
                case "no status":
                    break;
                case "odd status":
                    http.Response.AppendTrailer("grpc-status", "fine");
                    break;
                case "unknown status":
                    http.Response.AppendTrailer("grpc-status", "99");
                    break;
                case "two answers":
                    await http.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 0 });
                    http.Response.AppendTrailer("grpc-status", "0");
                    break;
            }
        }));
        foreach ((string behaviour, GrpcStatusCode code) in ((string, GrpcStatusCode)[])
        [
            ("401", GrpcStatusCode.Unauthenticated), ("403", GrpcStatusCode.PermissionDenied), ("404", GrpcStatusCode.Unimplemented), ("400", GrpcStatusCode.Internal),
            ("429", GrpcStatusCode.Unavailable), ("503", GrpcStatusCode.Unavailable), ("500", GrpcStatusCode.Unknown), ("302", GrpcStatusCode.Unknown),
            ("html", GrpcStatusCode.Unknown), ("garbage", GrpcStatusCode.Internal), ("cut", GrpcStatusCode.Internal),
            ("no status", GrpcStatusCode.Internal), ("odd status", GrpcStatusCode.Unknown), ("unknown status", GrpcStatusCode.Unknown), ("two answers", GrpcStatusCode.Unimplemented),
        ])
        {
            using GrpcChannel channel = server.Connect(new GrpcChannelOptions { Retry = null, ConfigureHandler = inner => new HeaderHandler(inner, "behaviour", behaviour) });
            GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m), behaviour)!;
            Assert.That(e.StatusCode, Is.EqualTo(code), behaviour);
        }
    }

    [Test]
    public async Task BearerToken_IsSentWithEachCall()
    {
        List<string> seen = [];
        await using TestServer server = await TestServer.StartAsync(app =>
        {
            app.Use((http, next) =>
            {
                seen.Add(http.Request.Headers.Authorization.ToString());
                return next();
            });
            app.MapGrpc([EchoService.Define()]);
        });
        int asked = 0;
        using GrpcChannel channel = server.Connect(new GrpcChannelOptions { BearerToken = _ => new ValueTask<string?>(++asked == 1 ? "first" : null) });
        await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m);
        await channel.UnaryAsync(EchoService.Unary, new EchoMessage(), m => m);
        Assert.That(seen, Is.EqualTo(new[] { "Bearer first", "" }));
    }

    [Test]
    public void MapGrpc_MethodThatNothingServes_Throws() => Assert.That(
        async () => await TestServer.StartAsync(app => app.MapGrpc([new GrpcServiceDefinition(EchoService.Descriptor)])),
        Throws.ArgumentException.With.Message.Contains("tvix.tests.v1.Echo.Unary"));

    [TestCase("ftp://host")]
    [TestCase("http://host/path")]
    [TestCase("http://user@host")]
    [TestCase("http://host?query=1")]
    public void Channel_AddressThatIsNone_Throws(string address) => Assert.That(() => new GrpcChannel(new Uri(address)), Throws.ArgumentException);

    private static GrpcServiceDefinition DefineStream(Func<IGrpcResponseWriter<EchoMessage>, IGrpcServerContext, Task> handler) => EchoService.DefineServerStream(handler);

    private static async Task WaitForCancellationAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource cancelled = new();
        await using CancellationTokenRegistration registration = cancellationToken.Register(() => cancelled.SetResult());
        await cancelled.Task.WaitAsync(_soon);
    }

    private sealed class HeaderHandler(HttpMessageHandler inner, string key, string value) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation(key, value);
            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>Does not send before it is told to, cancelled or not.</summary>
    private sealed class HoldingHandler(HttpMessageHandler inner, TaskCompletionSource sending, Task goOn) : DelegatingHandler(inner)
    {
        public int Disposals { get; private set; }

        public int Requests { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests++;
            sending.SetResult();
            await goOn;
            return await base.SendAsync(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            Disposals++;
            base.Dispose(disposing);
        }
    }

    private sealed class StoppedTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
    }
}
