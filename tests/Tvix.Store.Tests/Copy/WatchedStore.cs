using System.Collections.Concurrent;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Tests.Copy;

/// <summary>A store whose every operation is counted, and may be made to fail.</summary>
internal sealed class WatchedStore
{
    private int _operations;

    public WatchedStore(TvixStore inner)
    {
        Inner = inner;
        Store = new TvixStore(new Blobs(this), new Directories(this), new PathInfos(this));
    }

    /// <summary>The store itself.</summary>
    public TvixStore Inner { get; }

    /// <summary>The store as it is watched.</summary>
    public TvixStore Store { get; }

    /// <summary>What was done, by name: how often.</summary>
    public ConcurrentDictionary<string, int> Counts { get; } = new();

    public int Operations => Volatile.Read(ref _operations);

    /// <summary>Runs before the operation with that number, from 1, and that name.</summary>
    public Action<int, string>? Before { get; set; }

    /// <summary>As <see cref="Before"/>, after the operation.</summary>
    public Action<int, string>? After { get; set; }

    /// <summary>Runs before a path info is put.</summary>
    public Func<PathInfo, Task>? BeforePut { get; set; }

    /// <summary>Waits before blobs are put.</summary>
    public Func<Task>? BeforeBlobs { get; set; }

    /// <summary>Sees what is read as a whole.</summary>
    public Action<BlobContent>? ReadBlob { get; set; }

    public int Count(string name) => Counts.GetValueOrDefault(name);

    private async ValueTask<T> RunAsync<T>(string name, Func<ValueTask<T>> operation)
    {
        int number = Enter(name);
        await Task.Yield(); // never at once, so that anything may come in between
        T result = await operation();
        After?.Invoke(number, name);
        return result;
    }

    private int Enter(string name)
    {
        int number = Interlocked.Increment(ref _operations);
        Counts.AddOrUpdate(name, 1, (_, count) => count + 1);
        Before?.Invoke(number, name);
        return number;
    }

    private sealed class Blobs(WatchedStore owner) : IBlobService
    {
        private IBlobService Inner => owner.Inner.Blobs;

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            owner.RunAsync("has", () => Inner.HasAsync(digest, cancellationToken));

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            owner.RunAsync("open", () => Inner.OpenReadAsync(digest, cancellationToken));

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) =>
            owner.RunAsync<BlobWriter>("write", async () => new Writer(owner, await Inner.OpenWriteAsync(cancellationToken)));

        public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            owner.RunAsync("chunks", () => Inner.GetChunksAsync(digest, cancellationToken));

        public async ValueTask PutManyAsync(
            IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default) =>
            await owner.RunAsync("put blobs", async () =>
            {
                await (owner.BeforeBlobs?.Invoke() ?? Task.CompletedTask);
                await Inner.PutManyAsync(contents, digests, cancellationToken);
                return true;
            });

        public ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
            owner.RunAsync("read", async () =>
            {
                BlobContent? content = await Inner.ReadAsync(digest, maxBytes, cancellationToken);
                owner.ReadBlob?.Invoke(content!);
                return content;
            });
    }

    private sealed class Writer(WatchedStore owner, BlobWriter inner) : BlobWriter
    {
        protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            await owner.RunAsync("write more", async () =>
            {
                await inner.WriteAsync(buffer, cancellationToken);
                return true;
            });

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken) =>
            owner.RunAsync("write end", () => inner.CompleteAsync(cancellationToken));

        protected override ValueTask DisposeCoreAsync() => inner.DisposeAsync();
    }

    /// <summary>Knows closures only, as some backends do.</summary>
    private sealed class Directories(WatchedStore owner) : IDirectoryService
    {
        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, CancellationToken cancellationToken = default)
        {
            owner.Enter("closure");
            return owner.Inner.Directories.GetClosureAsync(root, cancellationToken);
        }

        public DirectoryPutter OpenPutter() => new Putter(owner, owner.Inner.Directories.OpenPutter());
    }

    private sealed class Putter(WatchedStore owner, DirectoryPutter inner) : DirectoryPutter
    {
        public override async ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) =>
            await owner.RunAsync("put directory", async () =>
            {
                await inner.PutAsync(directory, cancellationToken);
                return true;
            });

        public override ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default) =>
            owner.RunAsync("put tree", () => inner.CompleteAsync(cancellationToken));

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    private sealed class PathInfos(WatchedStore owner) : IPathInfoService
    {
        public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
            owner.RunAsync("info", () => owner.Inner.PathInfos.GetAsync(digest, cancellationToken));

        public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default) =>
            owner.RunAsync("put info", async () =>
            {
                await (owner.BeforePut?.Invoke(pathInfo) ?? Task.CompletedTask);
                return await owner.Inner.PathInfos.PutAsync(pathInfo, cancellationToken);
            });

        public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default)
        {
            owner.Enter("list");
            return owner.Inner.PathInfos.ListAsync(cancellationToken);
        }
    }
}
