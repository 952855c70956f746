using System.Buffers.Binary;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Nix;

namespace Tvix.Store.Grpc.Tests.Client;

/// <summary>Servers that speak HTTP/2, and gRPC badly or not at all: every call ends with an exception that a user of a store can expect, soon.</summary>
[TestFixture]
[CancelAfter(60_000)]
public sealed class BrokenTransportTests
{
    public static IEnumerable<TestCaseData> Servers()
    {
        yield return Case("not gRPC", http => http.Response.WriteAsync("<html>hello</html>"));
        yield return Case("not found", http =>
        {
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        yield return Case("a gateway", http =>
        {
            http.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        yield return Case("trailers only", http =>
        {
            http.Response.ContentType = "application/grpc";
            http.Response.Headers["grpc-status"] = "13";
            http.Response.Headers["grpc-message"] = "made up";
            return Task.CompletedTask;
        });
        yield return Case("a status that is none", http =>
        {
            http.Response.ContentType = "application/grpc";
            http.Response.Headers["grpc-status"] = "what?";
            return Task.CompletedTask;
        });
        yield return Case("no status", http => SendAsync(http, []));
        yield return Case("garbage", http => SendAsync(http, [.. Enumerable.Repeat((byte)0xee, 5000)]));
        yield return Case("garbage in a message", http => SendAsync(http, [0, 0, 0, 0, 3, 0xff, 0xff, 0xff]));
        yield return Case("a message that breaks off", http => SendAsync(http, [0, 0, 0, 0, 100, 1, 2, 3]));
        yield return Case("a message that is too long", http => SendAsync(http, [0, .. BigEndian(0x7fffffff), 1, 2, 3]));
        yield return Case("a compressed message without an encoding", http => SendAsync(http, [1, 0, 0, 0, 1, 1]));
        yield return Case("an abort", http =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        yield return Case("silence", http => Task.Delay(Timeout.Infinite, http.RequestAborted));
        yield return Case("silence in a message", async http =>
        {
            await SendAsync(http, [0, 0, 0, 0, 100, 1, 2, 3]);
            await http.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        });
    }

    [TestCaseSource(nameof(Servers))]
    public async Task Anything_BrokenServer_EndsWithAStoresException(RequestDelegate serve)
    {
        await using TestServer server = await TestServer.StartAsync(app => app.Map("/{service}/{method}", serve));
        await using GrpcStore store = new(
            GrpcStoreAddress.Parse($"grpc+http://{server.Address.Authority}?timeout=0.5"), options => options.Retry = null);
        byte[] large = new byte[3_000_000];
        StorePathDigest digest = Tvix.Testing.PathInfos.SamplePathInfos.Minimal.StorePath.Digest;
        foreach (Func<Task> action in (Func<Task>[])
        [
            async () => await store.Blobs.HasAsync(B3Digest.Empty),
            async () => await store.Blobs.OpenReadAsync(B3Digest.Empty),
            async () => await store.Blobs.ReadAsync(B3Digest.Empty, 10),
            async () => await store.Blobs.PutAsync(large),
            async () =>
            {
                await using Tvix.Castore.Blobs.BlobWriter writer = await store.Blobs.OpenWriteAsync();
                await writer.WriteAsync(large);
                await writer.CompleteAsync();
            },
            async () => await store.Directories.GetAsync(B3Digest.Empty),
            async () => await store.Directories.GetClosureAsync(B3Digest.Empty).GetAsyncEnumerator().MoveNextAsync(),
            async () => await store.Directories.PutAsync(CastoreDirectory.Empty),
            async () => await store.PathInfos.GetAsync(digest),
            async () => await store.PathInfos.ListAsync().GetAsyncEnumerator().MoveNextAsync(),
        ])
        {
            // A server that does not have the method is one that cannot do it.
            Assert.That(() => action(), Throws.InstanceOf<CastoreException>().Or.InstanceOf<TvixStoreException>().Or.InstanceOf<NotSupportedException>());
        }
    }

    [Test]
    public async Task Anything_NobodyListens_IsTransient()
    {
        await using GrpcStore store = new(GrpcStoreAddress.Parse("grpc+unix:///nonexistent/socket"), options => options.Retry = null);
        StorageException e = Assert.ThrowsAsync<StorageException>(async () => await store.Blobs.HasAsync(B3Digest.Empty))!;
        Assert.That(e.IsTransient, Is.True);
    }

    private static TestCaseData Case(string name, RequestDelegate serve) => new TestCaseData(serve).SetArgDisplayNames(name);

    private static async Task SendAsync(HttpContext http, byte[] body)
    {
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(body);
    }

    private static byte[] BigEndian(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }
}
