using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Nar;

namespace Tvix.Store.Grpc.Server;

/// <summary>Renders NARs from a store, and tells apart that contents are missing, which is for the client to mend, and that the store failed.</summary>
internal sealed class StoreNarCalculationService(IBlobService blobs, IDirectoryService directories) : INarCalculationService
{
    /// <exception cref="GrpcException">NOT_FOUND: a blob or directory is missing.</exception>
    public async ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
    {
        Misses misses = new();
        try
        {
            return await new RenderingNarCalculationService(new WatchedBlobs(blobs, misses), new WatchedDirectories(directories, misses))
                .CalculateAsync(root, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (StorageException e) when (!e.IsTransient && misses.Any)
        {
            throw new GrpcException(GrpcStatusCode.NotFound, e.Message, e);
        }
    }

    /// <summary>What was asked for and not there.</summary>
    private sealed class Misses
    {
        private readonly Lock _lock = new();
        private readonly HashSet<B3Digest> _directories = [];
        private bool _anyBlob;

        public bool Any
        {
            get
            {
                lock (_lock)
                {
                    return _anyBlob || _directories.Count > 0;
                }
            }
        }

        public void AddBlob()
        {
            lock (_lock)
            {
                _anyBlob = true;
            }
        }

        public void AddDirectory(B3Digest digest)
        {
            lock (_lock)
            {
                _directories.Add(digest);
            }
        }

        /// <summary>Some backends find a directory only as part of what was uploaded together with it.</summary>
        public void RemoveDirectory(B3Digest digest)
        {
            lock (_lock)
            {
                _directories.Remove(digest);
            }
        }
    }

    /// <summary>As a decorator it lets the renderer see that the store is at hand, which is then asked for many blobs at a time.</summary>
    private sealed class WatchedBlobs(IBlobService inner, Misses misses) : IBlobService, IServiceDecorator
    {
        object IServiceDecorator.Inner => inner;

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.HasAsync(digest, cancellationToken);

        public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            inner.GetChunksAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => inner.OpenWriteAsync(cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            WatchAsync(inner.OpenReadAsync(digest, cancellationToken));

        public ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
            WatchAsync(inner.ReadAsync(digest, maxBytes, cancellationToken));

        public async ValueTask ReadManyAsync(
            IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
        {
            await inner.ReadManyAsync(blobs, contents, cancellationToken).ConfigureAwait(false);
            foreach (BlobContent? content in contents.Span[..blobs.Count])
            {
                if (content is null)
                {
                    misses.AddBlob();
                }
            }
        }

        private ValueTask<T?> WatchAsync<T>(ValueTask<T?> answer)
            where T : class
        {
            // The way of stores that answer at once, without a state machine.
            return answer.IsCompletedSuccessfully && answer.Result is { } found ? new ValueTask<T?>(found) : AwaitAsync(answer);
        }

        private async ValueTask<T?> AwaitAsync<T>(ValueTask<T?> answer)
            where T : class
        {
            T? found = await answer.ConfigureAwait(false);
            if (found is null)
            {
                misses.AddBlob();
            }

            return found;
        }
    }

    private sealed class WatchedDirectories(IDirectoryService inner, Misses misses) : IDirectoryService
    {
        public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
        {
            CastoreDirectory? found = await inner.GetAsync(digest, cancellationToken).ConfigureAwait(false);
            if (found is null)
            {
                misses.AddDirectory(digest);
            }

            return found;
        }

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => inner.PutAsync(directory, cancellationToken);

        public async IAsyncEnumerable<CastoreDirectory> GetClosureAsync(
            B3Digest root, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            await foreach (CastoreDirectory directory in inner.GetClosureAsync(root, cancellationToken).ConfigureAwait(false))
            {
                misses.RemoveDirectory(directory.Digest);
                yield return directory;
            }
        }

        public DirectoryPutter OpenPutter() => inner.OpenPutter();
    }
}
