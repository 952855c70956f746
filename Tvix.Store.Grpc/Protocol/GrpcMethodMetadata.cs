using Google.Protobuf.Reflection;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Says of an endpoint which method it serves: for middleware that decides by method.</summary>
/// <param name="Descriptor">What the <c>.proto</c> file says of it.</param>
/// <param name="IsReadOnly">Whether a call changes nothing.</param>
public sealed record GrpcMethodMetadata(MethodDescriptor Descriptor, bool IsReadOnly);
