using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Composition;

/// <summary>The addresses of caches: other addresses, and where to write.</summary>
/// <param name="Near">The store that is asked first, and filled.</param>
/// <param name="Far">The store that is asked for what the first does not have; or several binary caches.</param>
/// <param name="Writes">Where things go that are written.</param>
internal sealed partial record CacheAddress(StoreAddress Near, IReadOnlyList<StoreAddress> Far, CacheWrites Writes)
{
    public static StoreScheme Scheme { get; } = new(
        static (address, resolver) => Parse(address).Open(resolver),
        static (address, resolver) =>
        {
            CacheAddress cache = Parse(address);
            resolver.Check(cache.Near);
            cache.CheckFar(resolver);
        },
        static (builder, address, name, resolver) =>
        {
            CacheAddress cache = Parse(address);
            if (StoreAddressResolver.KeepsArchives(cache.Far[0]))
            {
                StoreAddressResolver.AddOpened(builder, name, () => cache.Open(resolver));
                return;
            }

            resolver.AddTo(builder, cache.Near, name + "/near");
            resolver.AddTo(builder, cache.Far[0], name + "/far");
            builder.AddCachingStore(name, name + "/near", name + "/far", cache.Writes);
        });

    private static CacheAddress Parse(StoreAddress address)
    {
        if (address.Rest is not ("" or "//"))
        {
            throw new FormatException($"'{address}': a cache has no place of its own; write 'cache:?near=ADDRESS&far=ADDRESS'.");
        }

        StoreAddress? near = null;
        StoreAddress[] far = [];
        CacheWrites writes = CacheWrites.Near;
        foreach ((string name, string value) in address.Parameters)
        {
            switch (name)
            {
                case "near":
                    near = StoreAddress.Parse(value);
                    break;
                case "far":
                    far = [.. BeforeAddress().Split(value.Trim()).Select(StoreAddress.Parse)];
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
            far switch
            {
                [] => throw new FormatException($"'{address}': the parameter 'far' is missing."),
                [_] => far,
                _ when far.All(StoreAddressResolver.KeepsArchives) => far,
                _ => throw new FormatException($"'{address}': several stores that are far must all be binary caches."),
            },
            writes);
    }

    /// <summary>White space before a scheme. An address may have white space elsewhere.</summary>
    [GeneratedRegex(@"\s+(?=[A-Za-z][A-Za-z0-9+.-]*:)", RegexOptions.CultureInvariant)]
    private static partial Regex BeforeAddress();

    private void CheckFar(StoreAddressResolver resolver)
    {
        foreach (StoreAddress far in Far)
        {
            resolver.Check(far);
        }
    }

    private StoreServices Open(StoreAddressResolver resolver)
    {
        CheckFar(resolver); // before anything is opened
        StoreServices near = resolver.Open(Near);
        List<StoreServices> opened = [];
        try
        {
            foreach (StoreAddress address in Far)
            {
                opened.Add(resolver.Open(address).WithContentsOf(near));
            }
        }
        catch
        {
            foreach (IAsyncDisposable? owner in opened.Select(services => services.Owner).Append(near.Owner))
            {
                // Opening is synchronous, so this must not wait for what can only be disposed asynchronously; nothing was written to it.
                if (owner is IDisposable disposable)
                {
                    disposable.Dispose();
                }
                else
                {
                    _ = owner?.DisposeAsync().AsTask();
                }
            }

            throw;
        }

        StoreServices far = opened[0];
        IPathInfoService pathInfos = opened.Count == 1 ? far.PathInfos : new CombinedPathInfoService(opened.Select(services => services.PathInfos));
        bool areContentsNear = far.PathInfosOver is not null;
        return new StoreServices(
            areContentsNear ? near.Blobs : new CachingBlobService(near.Blobs, far.Blobs, Writes),
            areContentsNear ? near.Directories : new CachingDirectoryService(near.Directories, far.Directories, Writes),
            new CachingPathInfoService(near.PathInfos, pathInfos, Writes))
        {
            Owner = new Owners([.. opened.Select(services => services.Owner), near.Owner]),
            Statistics = near.Statistics,
            Verifiable = near.Verifiable,
        };
    }

    /// <summary>Disposes all, one after the other, whatever happens to one of them.</summary>
    private sealed class Owners(IAsyncDisposable?[] owners) : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => DisposeAsync(0);

        private async ValueTask DisposeAsync(int index)
        {
            if (index == owners.Length)
            {
                return;
            }

            try
            {
                if (owners[index] is { } owner)
                {
                    await owner.DisposeAsync().ConfigureAwait(false);
                }
            }
            finally
            {
                await DisposeAsync(index + 1).ConfigureAwait(false);
            }
        }
    }
}
