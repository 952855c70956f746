using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Store;
using Tvix.Store.Access;
using Tvix.Store.Http;
using Tvix.Store.Http.Pages;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Serves stores as binary caches of Nix.</summary>
public static class NixBinaryCacheEndpointRouteBuilderExtensions
{
    private static readonly string[] s_read = [HttpMethods.Get, HttpMethods.Head];
    private static readonly string[] s_write = [HttpMethods.Put];

    /// <summary>Serves the blob, directory and path info services of the container as a binary cache, for Nix to substitute from and to copy to. Spec: nix-formats §6.</summary>
    /// <param name="endpoints">Where to. A group, as of <c>MapGroup("/cache")</c>, puts the cache under a path.</param>
    /// <param name="options">Who may do what, limits and the like; <see langword="null"/> for the defaults.</param>
    /// <param name="name">The name under which the services are in the container; that of the plain services unless given.</param>
    /// <returns>For metadata and conventions on all endpoints.</returns>
    /// <exception cref="InvalidOperationException">The container does not have the services.</exception>
    /// <exception cref="ArgumentOutOfRangeException">One of <paramref name="options"/> is out of range.</exception>
    public static IEndpointConventionBuilder MapNixBinaryCache(
        this IEndpointRouteBuilder endpoints, NixBinaryCacheOptions? options = null, string name = TvixStoreBuilder.RootName)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(name);
        return endpoints.MapNixBinaryCache(
            new TvixStore(Find<IBlobService>(endpoints, name), Find<IDirectoryService>(endpoints, name), Find<IPathInfoService>(endpoints, name)), options);
    }

    /// <summary>Serves a store; see <see cref="MapNixBinaryCache(IEndpointRouteBuilder, NixBinaryCacheOptions?, string)"/>.</summary>
    /// <param name="endpoints">Where to. A group, as of <c>MapGroup("/cache")</c>, puts the cache under a path.</param>
    /// <param name="store">The store, which stays the caller's.</param>
    /// <param name="options">Who may do what, limits and the like; <see langword="null"/> for the defaults.</param>
    /// <returns>For metadata and conventions on all endpoints.</returns>
    /// <exception cref="ArgumentOutOfRangeException">One of <paramref name="options"/> is out of range.</exception>
    public static IEndpointConventionBuilder MapNixBinaryCache(this IEndpointRouteBuilder endpoints, TvixStore store, NixBinaryCacheOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(store);
        options ??= new NixBinaryCacheOptions();
        options.Validate();
        ILogger logger = endpoints.ServiceProvider.GetService<ILoggerFactory>()?.CreateLogger("Tvix.Store.Http") ?? NullLogger.Instance;
        StoreDirectory storeDirectory = options.StoreDirectory ?? store.StoreDirectory;

        RequestGate gate = new(options, logger);
        KnownPaths paths = new(store);
        NarCatalog catalog = new(store, paths, options.KnownNars);
        NarInfoEndpoint narInfos = new(store, paths, storeDirectory, catalog, options);
        UploadJournal journal = new(options);
        NarEndpoint nars = new(store, paths, catalog, journal, options);
        NarInfoUploadEndpoint narInfoUploads = new(store, paths, storeDirectory, catalog, journal, options);
        NarUploadEndpoint narUploads = new(store, catalog, journal, options);
        byte[] cacheInfo = Encoding.UTF8.GetBytes(new NixCacheInfo { StoreDirectory = storeDirectory.Path, WantMassQuery = options.WantMassQuery, Priority = options.Priority }.ToString());

        RouteGroupBuilder group = endpoints.MapGroup("");
        Read(NixCacheInfo.FileName, http => Reply.SendAsync(http, cacheInfo, "text/x-nix-cache-info"));
        Read("{hash}.narinfo", narInfos.GetNarInfoAsync);
        Read("{hash}.ls", narInfos.GetListingAsync);
        Read("nar/{file}", nars.GetByHashAsync);
        Read("nar/tvix-castore/{node}", nars.GetByNodeAsync);
        Read("nar/snix-castore/{node}", nars.GetByNodeAsync);
        Write("{hash}.narinfo", narInfoUploads.PutNarInfoAsync);
        Write("{hash}.ls", narInfoUploads.PutListingAsync);
        Write("nar/{file}", narUploads.PutAsync);

        // What clients ask for, and get along without.
        KeptFiles? files = options.KeptFilesFolder is { } kept ? new KeptFiles(kept, options) : null;
        foreach (string folder in (ReadOnlySpan<string>)["log", "realisations", "build-trace-v2", "debuginfo"])
        {
            KeptFileEndpoint endpoint = new(folder, files, options);
            Read(folder + "/{**name}", endpoint.GetAsync);
            Write(folder + "/{**name}", endpoint.PutAsync);
        }

        if (options.ShowPages)
        {
            PageLayout layout = new(storeDirectory);
            RouteGroupBuilder pages = group.MapGroup("");
            pages.WithOrder(int.MaxValue); // whatever else the application has there comes first
            Page("", new StoreListPages(paths, storeDirectory, layout, options).GetAsync);
            Page("path/{**place}", new StorePathPages(store, paths, storeDirectory, layout, options).GetAsync);
            Page("style.css", PageLayout.GetStyleAsync);
            Page("icon.svg", PageLayout.GetIconAsync);

            void Page(string pattern, RequestDelegate handler) => pages.MapMethods(pattern, s_read, gate.Guard(StoreAccess.Read, handler));
        }

        return group;

        void Read(string pattern, RequestDelegate handler) => group.MapMethods(pattern, s_read, gate.Guard(StoreAccess.Read, handler));

        void Write(string pattern, RequestDelegate handler) => group.MapMethods(pattern, s_write, gate.Guard(StoreAccess.Write, handler));
    }

    /// <summary>What has the name of the root is also the plain service, and someone may have registered only that.</summary>
    private static T Find<T>(IEndpointRouteBuilder endpoints, string name)
        where T : class =>
        (name == TvixStoreBuilder.RootName ? endpoints.ServiceProvider.GetService<T>() : endpoints.ServiceProvider.GetKeyedService<T>(name))
            ?? throw new InvalidOperationException($"There is no {typeof(T).Name} named '{name}' in the container.");
}
