using System.Net;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Tests;

/// <summary>A store that fails while it is served.</summary>
[TestFixture]
public sealed class FailureTests
{
    [Test]
    public async Task Nar_OfWhichALateFileIsMissing_EndsWithACutConnection()
    {
        BrokenBlobs blobs = new();
        await using CacheServer server = await StartAsync(blobs);
        Node root = await server.AddTreeAsync();
        string path = BinaryCacheFileName.FormatCastoreNar(root, (ulong)(await server.RenderAsync(root)).Length);
        foreach (Func<Exception?> failure in (Func<Exception?>[])[() => null, () => new StorageException("broken"), () => new StorageException("later", isTransient: true)])
        {
            blobs.Fail = failure;
            Assert.That(async () => await server.Client.GetByteArrayAsync(path), Throws.InstanceOf<HttpRequestException>().With.Property("StatusCode").Null);
        }

        Assert.That(server.Log, Has.Some.Contain("The store failed while GET"));
        Assert.That(server.Log, Has.None.Contain("unhandled"));
    }

    [TestCase(false, HttpStatusCode.InternalServerError)]
    [TestCase(true, HttpStatusCode.ServiceUnavailable)]
    public async Task Anything_WhenTheStoreFailsAtOnce_SaysSo(bool transient, HttpStatusCode status)
    {
        BrokenBlobs blobs = new();
        await using CacheServer server = await StartAsync(blobs);
        Node file = await server.AddFileAsync(new byte[100]);
        PathInfo info = await server.AddAsync("file", file);
        blobs.Fail = () => new StorageException("secret detail", isTransient: transient);
        string path = BinaryCacheFileName.FormatCastoreNar(file, info.NarSize);
        foreach (HttpResponseMessage response in (HttpResponseMessage[])
            [await server.GetAsync(path), await server.HeadAsync(path), await server.GetAsync(path, ("Range", "bytes=100-110"))])
        {
            Assert.That(response.StatusCode, Is.EqualTo(status));
            Assert.That(await response.Content.ReadAsStringAsync(), Does.Not.Contain("secret"));
            Assert.That(response.Headers.ETag, Is.Null);
        }
    }

    [Test]
    public async Task Nar_OfWhichADirectoryIsMissing_FailsBeforeAnythingIsSent()
    {
        await using CacheServer server = await StartAsync(new BrokenBlobs());
        CastoreDirectory root = CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent("gone"u8), new Node.Directory(new B3Digest(new byte[32]), 0))]);
        await server.Store.Directories.PutAsync(root);
        Assert.That((await server.GetAsync(BinaryCacheFileName.FormatCastoreNar(root.ToNode(), 1000))).StatusCode, Is.EqualTo(HttpStatusCode.InternalServerError));
    }

    [Test]
    public async Task Nar_ThatWouldBeTooLong_IsRefused()
    {
        await using CacheServer server = await StartAsync(new BrokenBlobs());
        CastoreDirectory root = CastoreDirectory.FromEntries([new DirectoryEntry(new PathComponent("f"u8), new Node.File(new B3Digest(new byte[32]), ulong.MaxValue, false))]);
        await server.Store.Directories.PutAsync(root);
        Assert.That((await server.GetAsync(BinaryCacheFileName.FormatCastoreNar(root.ToNode(), 1000))).StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [Test]
    public async Task Nar_OfAFileThatHasAnotherLength_IsRefused()
    {
        await using CacheServer server = await StartAsync(new BrokenBlobs());
        Node.File file = (Node.File)await server.AddFileAsync(new byte[100]);
        Assert.That((await server.GetAsync(BinaryCacheFileName.FormatCastoreNar(file with { Size = 8 }, 96))).StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
    }

    [TestCase(false, HttpStatusCode.InternalServerError)]
    [TestCase(true, HttpStatusCode.ServiceUnavailable)]
    public async Task Upload_WhenTheStoreFails_SaysSo(bool transient, HttpStatusCode status)
    {
        BrokenBlobs blobs = new();
        await using CacheServer server = await StartAsync(blobs);
        byte[] nar = await server.RenderAsync(await server.AddTreeAsync());
        string path = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}";
        blobs.Fail = () => new StorageException("secret detail", isTransient: transient);
        HttpResponseMessage response = await server.PutAsync(path, nar);
        Assert.That((response.StatusCode, await response.Content.ReadAsStringAsync()), Is.EqualTo((status, transient ? "The store cannot answer now.\n" : "The store failed.\n")));
        blobs.Fail = null;
        Assert.That((await server.PutAsync(path, nar)).StatusCode, Is.EqualTo(HttpStatusCode.NoContent), "and later");
    }

    [Test]
    public async Task Upload_ToAStoreThatCannotBeWrittenTo_IsForbidden()
    {
        await using CacheServer server = await StartAsync(new BrokenBlobs { Fail = () => new NotSupportedException("read-only") });
        byte[] nar = await server.RenderAsync(new Node.Symlink(new SymlinkTarget("x")));
        string path = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}";
        Assert.That((await server.PutAsync(path, nar)).StatusCode, Is.EqualTo(HttpStatusCode.NoContent), "which has no blob");
        await using CacheServer source = await CacheServer.StartAsync();
        nar = await source.RenderAsync(await source.AddTreeAsync());
        path = $"nar/{BinaryCacheFileName.FormatNar(Sha256Digest.Compute(nar))}";
        Assert.That((await server.PutAsync(path, nar)).StatusCode, Is.EqualTo(HttpStatusCode.Forbidden));
    }

    private static Task<CacheServer> StartAsync(IBlobService blobs) => CacheServer.StartAsync(new TvixStore(blobs, new MemoryDirectoryService(), new MemoryPathInfoService()));

    /// <summary>Blobs of which none can be read once <see cref="Fail"/> is set.</summary>
    private sealed class BrokenBlobs : IBlobService
    {
        private readonly MemoryBlobService _inner = new();

        /// <summary>Gives what is thrown, or <see langword="null"/> for a blob that is missing.</summary>
        public Func<Exception?>? Fail { get; set; }

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            Fail is null ? _inner.OpenReadAsync(digest, cancellationToken) : Fail() is { } failure ? throw failure : new ValueTask<Stream?>((Stream?)null);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) =>
            Fail?.Invoke() is { } failure ? throw failure : _inner.OpenWriteAsync(cancellationToken);
    }
}
