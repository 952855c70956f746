using Microsoft.Extensions.DependencyInjection;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>The addresses of caches: two other addresses, and where to write.</summary>
/// <param name="Near">The store that is asked first, and filled.</param>
/// <param name="Far">The store that is asked for what the first does not have.</param>
/// <param name="Writes">Where things go that are written.</param>
internal sealed record CacheAddress(StoreAddress Near, StoreAddress Far, CacheWrites Writes)
{
    public static StoreScheme Scheme { get; } = new(
        static (address, resolver) => Parse(address).Open(resolver),
        static (address, resolver) =>
        {
            CacheAddress cache = Parse(address);
            resolver.Check(cache.Near);
            resolver.Check(cache.Far);
        },
        static (builder, address, name, resolver) =>
        {
            CacheAddress cache = Parse(address);
            resolver.AddTo(builder, cache.Near, name + "/near");
            resolver.AddTo(builder, cache.Far, name + "/far");
            builder.AddCachingStore(name, name + "/near", name + "/far", cache.Writes);
        });

    private static CacheAddress Parse(StoreAddress address)
    {
        if (address.Rest is not ("" or "//"))
        {
            throw new FormatException($"'{address}': a cache has no place of its own; write 'cache:?near=ADDRESS&far=ADDRESS'.");
        }

        StoreAddress? near = null;
        StoreAddress? far = null;
        CacheWrites writes = CacheWrites.Near;
        foreach ((string name, string value) in address.Parameters)
        {
            switch (name)
            {
                case "near":
                    near = StoreAddress.Parse(value);
                    break;
                case "far":
                    far = StoreAddress.Parse(value);
                    break;
                case "writes" when value is "near" or "far" or "both":
                    writes = value switch { "far" => CacheWrites.Far, "both" => CacheWrites.Both, _ => CacheWrites.Near };
                    break;
                default:
                    throw new FormatException($"'{address}': the parameter '{name}={value}' is not known; known are near, far and writes (near, far, both).");
            }
        }

        return new CacheAddress(
            near ?? throw new FormatException($"'{address}': the parameter 'near' is missing."),
            far ?? throw new FormatException($"'{address}': the parameter 'far' is missing."),
            writes);
    }

    private StoreServices Open(StoreAddressResolver resolver)
    {
        resolver.Check(Far); // before anything is opened
        StoreServices near = resolver.Open(Near);
        StoreServices far;
        try
        {
            far = resolver.Open(Far);
        }
        catch
        {
            // Opening is synchronous, so this must not wait for what can only be disposed asynchronously; nothing was written to it.
            if (near.Owner is IDisposable owner)
            {
                owner.Dispose();
            }
            else
            {
                _ = near.Owner?.DisposeAsync().AsTask();
            }

            throw;
        }

        return new StoreServices(
            new CachingBlobService(near.Blobs, far.Blobs, Writes),
            new CachingDirectoryService(near.Directories, far.Directories, Writes),
            new CachingPathInfoService(near.PathInfos, far.PathInfos, Writes))
        {
            Owner = new Owners(near.Owner, far.Owner),
            Statistics = near.Statistics,
            Verifiable = near.Verifiable,
        };
    }

    private sealed class Owners(IAsyncDisposable? near, IAsyncDisposable? far) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            try
            {
                if (far is not null)
                {
                    await far.DisposeAsync().ConfigureAwait(false);
                }
            }
            finally
            {
                if (near is not null)
                {
                    await near.DisposeAsync().ConfigureAwait(false);
                }
            }
        }
    }
}
