namespace Tvix.Store.Grpc;

/// <summary>Under which names the services are called. The messages are the same bytes.</summary>
public enum GrpcPackage
{
    /// <summary><c>tvix.castore.v1</c> and <c>tvix.store.v1</c>.</summary>
    Tvix,

    /// <summary><c>snix.castore.v1</c> and <c>snix.store.v1</c>.</summary>
    Snix,
}
