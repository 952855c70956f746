using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Tests.Server;

/// <summary>Blobs in memory, where a test can step in before an operation and put something around what is read.</summary>
internal sealed class ScriptedBlobService : IBlobService
{
    private readonly IBlobService _inner = new MemoryBlobService();

    public Func<CancellationToken, ValueTask>? Before { get; set; }

    public Func<Stream, Stream>? Wrap { get; set; }

    public Func<BlobWriter, BlobWriter>? WrapWriter { get; set; }

    public Func<IReadOnlyList<BlobChunk>?, IReadOnlyList<BlobChunk>?>? Chunks { get; set; }

    /// <summary>How many blobs were asked for.</summary>
    public int Asked;

    public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await StepAsync(cancellationToken);
        return await _inner.HasAsync(digest, cancellationToken);
    }

    public async ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await StepAsync(cancellationToken);
        Stream? stream = await _inner.OpenReadAsync(digest, cancellationToken);
        return stream is null ? null : Wrap?.Invoke(stream) ?? stream;
    }

    public async ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
    {
        await StepAsync(cancellationToken);
        BlobWriter writer = await _inner.OpenWriteAsync(cancellationToken);
        return WrapWriter?.Invoke(writer) ?? writer;
    }

    public async ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await StepAsync(cancellationToken);
        IReadOnlyList<BlobChunk>? chunks = await _inner.GetChunksAsync(digest, cancellationToken);
        return Chunks is null ? chunks : Chunks(chunks);
    }

    private async ValueTask StepAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref Asked);
        await (Before?.Invoke(cancellationToken) ?? ValueTask.CompletedTask);
    }
}

/// <summary>Directories in memory, where a test can step in before an operation.</summary>
internal sealed class ScriptedDirectoryService : IDirectoryService
{
    private readonly MemoryDirectoryService _inner = new();

    public Func<CancellationToken, ValueTask>? Before { get; set; }

    public Func<CastoreDirectory, Exception?>? BeforePut { get; set; }

    public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        await (Before?.Invoke(cancellationToken) ?? ValueTask.CompletedTask);
        return await _inner.GetAsync(digest, cancellationToken);
    }

    public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
        BeforePut?.Invoke(directory) is { } failure ? throw failure : _inner.PutAsync(directory, cancellationToken);
}

/// <summary>Path infos in memory, where a test can step in before an operation.</summary>
internal sealed class ScriptedPathInfoService : IPathInfoService
{
    private readonly MemoryPathInfoService _inner = new();

    public Func<CancellationToken, ValueTask>? Before { get; set; }

    public Func<PathInfo, PathInfo>? Sign { get; set; }

    public Func<IAsyncEnumerable<PathInfo>, IAsyncEnumerable<PathInfo>>? WrapList { get; set; }

    public async ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        await (Before?.Invoke(cancellationToken) ?? ValueTask.CompletedTask);
        return await _inner.GetAsync(digest, cancellationToken);
    }

    public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        await (Before?.Invoke(cancellationToken) ?? ValueTask.CompletedTask);
        return await _inner.PutAsync(Sign?.Invoke(pathInfo) ?? pathInfo, cancellationToken);
    }

    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) =>
        WrapList is null ? _inner.ListAsync(cancellationToken) : WrapList(_inner.ListAsync(cancellationToken));
}
