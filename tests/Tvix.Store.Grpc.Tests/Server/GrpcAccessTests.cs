using System.Buffers;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Tests.Server;

/// <summary>What tokens open, for each method that is served.</summary>
[TestFixture]
public sealed class GrpcAccessTests
{
    private const string Reader = "reader-0123456789";
    private const string Writer = "writer-0123456789";
    private const string Stranger = "stranger-0123456789";

    private TestServer _server = null!;
    private TestServer _public = null!;
    private GrpcChannel _channel = null!;
    private GrpcChannel _publicChannel = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        (_server, _channel) = await StartAsync(publicRead: false);
        (_public, _publicChannel) = await StartAsync(publicRead: true);
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _channel.Dispose();
        _publicChannel.Dispose();
        await _server.DisposeAsync();
        await _public.DisposeAsync();
    }

    [Test]
    public void Endpoints_AllOfThem_SayWhatTheyNeed()
    {
        List<Endpoint> endpoints = Endpoints();
        Assert.That(endpoints, Has.All.Matches<Endpoint>(endpoint =>
            endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null || endpoint.Metadata.GetMetadata<GrpcNotServed>() is not null));

        // A new method that changes the store belongs here; one that does not has to say so where it is declared.
        Assert.That(
            endpoints.Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()).Where(method => method is { IsReadOnly: false }).Select(method => method!.Descriptor.FullName),
            Is.EquivalentTo((string[])
            [
                "tvix.castore.v1.BlobService.Put", "tvix.castore.v1.DirectoryService.Put", "tvix.store.v1.PathInfoService.Put",
                "snix.castore.v1.BlobService.Put", "snix.castore.v1.DirectoryService.Put", "snix.store.v1.PathInfoService.Put",
            ]));
    }

    [Test]
    public async Task Call_EachMethodWithEachToken_IsLetThroughOrNot()
    {
        MethodDescriptor[] methods = [.. Endpoints().Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Descriptor).OfType<MethodDescriptor>()];
        Assert.That(methods, Has.Length.GreaterThanOrEqualTo(22));
        foreach (MethodDescriptor method in methods)
        {
            bool writes = method.Name == "Put";
            foreach ((GrpcChannel channel, string? token, GrpcStatusCode? refused) in new (GrpcChannel, string?, GrpcStatusCode?)[]
            {
                (_channel, null, GrpcStatusCode.Unauthenticated),
                (_channel, Stranger, GrpcStatusCode.Unauthenticated),
                (_channel, Reader, writes ? GrpcStatusCode.PermissionDenied : null),
                (_channel, Writer, null),
                (_publicChannel, null, writes ? GrpcStatusCode.Unauthenticated : null),
                (_publicChannel, Stranger, GrpcStatusCode.Unauthenticated),
                (_publicChannel, Reader, writes ? GrpcStatusCode.PermissionDenied : null),
                (_publicChannel, Writer, null),
            })
            {
                GrpcStatusCode status = await FirstStatusAsync(channel, method.Service.FullName, method.Name, token);
                string what = $"{method.FullName} with {token ?? "nothing"}";
                if (refused is { } expected)
                {
                    Assert.That(status, Is.EqualTo(expected), what);
                }
                else
                {
                    Assert.That(status, Is.Not.EqualTo(GrpcStatusCode.Unauthenticated).And.Not.EqualTo(GrpcStatusCode.PermissionDenied), what);
                }
            }
        }
    }

    [TestCase("tvix.castore.v1.BlobService", "Bogus")]
    [TestCase("bogus.v1.Service", "Bogus")]
    public async Task Call_ThatNobodyServes_NeedsAReader(string service, string method)
    {
        Assert.That(await FirstStatusAsync(_channel, service, method, null), Is.EqualTo(GrpcStatusCode.Unauthenticated));
        Assert.That(await FirstStatusAsync(_channel, service, method, Reader), Is.EqualTo(GrpcStatusCode.Unimplemented));
        Assert.That(await FirstStatusAsync(_publicChannel, service, method, null), Is.EqualTo(GrpcStatusCode.Unimplemented));
    }

    [Test]
    public async Task Put_WithoutToken_EndsBeforeTheBodyIsRead()
    {
        // Nothing is sent but the headers, and the end does not come: whoever reads the body waits forever.
        await using IGrpcCall<ReadOnlySequence<byte>, ReadOnlySequence<byte>> call = Start(_channel, "tvix.castore.v1.BlobService", "Put", Reader);
        GrpcException e = Assert.ThrowsAsync<GrpcException>(async () => await call.MoveNextAsync())!;
        Assert.That(e.StatusCode, Is.EqualTo(GrpcStatusCode.PermissionDenied));
        Assert.That(e.Message, Does.Contain("reading only").And.Not.Contain(Reader));
    }

    [Test]
    public async Task Request_ThatIsNotGrpc_IsNotAnsweredByAMethod()
    {
        using HttpClient http = new() { BaseAddress = _server.Address, DefaultRequestVersion = new Version(2, 0), DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using HttpResponseMessage response = await http.PostAsync("/tvix.castore.v1.BlobService/Stat", new StringContent("x"));
        Assert.That((int)response.StatusCode, Is.EqualTo(StatusCodes.Status415UnsupportedMediaType));
    }

    private static async Task<(TestServer Server, GrpcChannel Channel)> StartAsync(bool publicRead)
    {
        AccessTokens tokens = AccessTokens.Parse($"read {Reader}\nwrite {Writer}");
        TestServer server = await TestServer.StartAsync(app =>
        {
            app.UseGrpcAccess(new AccessPolicy { Tokens = () => tokens, PublicRead = publicRead });
            app.MapTvixStore(new TvixStore(new MemoryBlobService(), new MemoryDirectoryService(), new MemoryPathInfoService()));
        });
        return (server, server.Connect(new GrpcChannelOptions { Retry = null }));
    }

    private List<Endpoint> Endpoints() => [.. _server.Services.GetRequiredService<EndpointDataSource>().Endpoints];

    /// <summary>How a call with one empty message ends, or OK once there is an answer.</summary>
    private static async Task<GrpcStatusCode> FirstStatusAsync(GrpcChannel channel, string service, string name, string? token)
    {
        await using IGrpcCall<ReadOnlySequence<byte>, ReadOnlySequence<byte>> call = Start(channel, service, name, token);
        try
        {
            try
            {
                await call.WriteAsync(default);
                await call.CompleteAsync();
            }
            catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.Aborted)
            {
                // Refused before the message was sent: how the call ended shows when the answer is read.
            }

            await call.MoveNextAsync();
            return GrpcStatusCode.Ok;
        }
        catch (GrpcException e)
        {
            return e.StatusCode;
        }
    }

    private static IGrpcCall<ReadOnlySequence<byte>, ReadOnlySequence<byte>> Start(GrpcChannel channel, string service, string name, string? token)
    {
        GrpcMetadata headers = new();
        if (token is not null)
        {
            headers.Add("authorization", "Bearer " + token);
        }

        GrpcMethod<ReadOnlySequence<byte>, ReadOnlySequence<byte>> method =
            new(service, name, RawMarshaller.Instance, RawMarshaller.Instance) { IsClientStreaming = true, IsServerStreaming = true };
        return channel.Start(method, new GrpcCallOptions(headers, TimeSpan.FromMinutes(1)));
    }
}
