namespace Tvix.Store.Grpc.Protocol;

/// <summary>Says of an endpoint that it does nothing but to answer UNIMPLEMENTED.</summary>
internal sealed class GrpcNotServed
{
    public static readonly GrpcNotServed Instance = new();
}
