using System.Collections.Concurrent;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Client;

/// <summary>The channels of a container: services with the same address share one.</summary>
internal sealed class GrpcChannels : IDisposable
{
    private readonly ConcurrentDictionary<(string Address, Action<GrpcChannelOptions>? Configure), Lazy<GrpcChannel>> _channels = new();

    public GrpcChannel Get(GrpcStoreAddress address, Action<GrpcChannelOptions>? configure) =>
        _channels.GetOrAdd((address.ToString(), configure), _ => new Lazy<GrpcChannel>(() => address.CreateChannel(configure))).Value;

    public void Dispose()
    {
        foreach (Lazy<GrpcChannel> channel in _channels.Values)
        {
            if (channel.IsValueCreated)
            {
                channel.Value.Dispose();
            }
        }
    }
}
