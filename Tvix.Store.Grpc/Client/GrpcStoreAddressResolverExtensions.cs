using Tvix.Store.Grpc.Client;

namespace Tvix.Store.Composition;

/// <summary>Lets stores be opened that a server has.</summary>
public static class GrpcStoreAddressResolverExtensions
{
    /// <summary>This resolver with the addresses of <see cref="GrpcStoreAddress"/>: <c>grpc+http</c>, <c>grpc+https</c> and
    /// <c>grpc+unix</c>.</summary>
    /// <remarks>Opening one with <c>wait-connect=1</c> blocks until the server has answered.</remarks>
    public static StoreAddressResolver WithGrpc(this StoreAddressResolver resolver)
    {
        ArgumentNullException.ThrowIfNull(resolver);
        foreach (string scheme in GrpcStoreAddress.Schemes)
        {
            resolver = resolver.With(scheme, static (address, _) => Open(address), static (address, _) => GrpcStoreAddress.FromAddress(address));
        }

        return resolver;
    }

    private static StoreServices Open(StoreAddress address)
    {
        GrpcStoreAddress server = GrpcStoreAddress.FromAddress(address);
        if (!server.WaitConnect)
        {
            return new GrpcStore(server).ToServices();
        }

        // Resolvers are synchronous; on another thread, whoever opens the store has no context that the answer would have to wait for.
        Task<GrpcStore> opening = Task.Run(async () => await GrpcStore.OpenAsync(server).ConfigureAwait(false));
        return opening.GetAwaiter().GetResult().ToServices();
    }
}
