using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Client;

/// <summary>Which server a service or a store is, and how it is called.</summary>
public sealed class GrpcStoreOptions
{
    /// <summary>The address; see <see cref="GrpcStoreAddress"/>. Its parameters go before the settings of <see cref="Blobs"/>.</summary>
    public string Address { get; set; } = "";

    /// <summary>Further settings of the channel; <see langword="null"/> for none. Called when the channel is made.</summary>
    public Action<GrpcChannelOptions>? ConfigureChannel { get; set; }

    /// <summary>Settings for blobs. What the address says of package and timeout counts instead of what these say.</summary>
    public GrpcBlobServiceOptions Blobs { get; set; } = new();
}
