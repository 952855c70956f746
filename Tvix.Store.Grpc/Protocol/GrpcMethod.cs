using Google.Protobuf.Reflection;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A method that can be called or served: its name, its shape, and how its messages travel.</summary>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server answers.</typeparam>
/// <param name="Service">The full name of the service, such as <c>tvix.castore.v1.BlobService</c>.</param>
/// <param name="Name">The name of the method, such as <c>Stat</c>.</param>
/// <param name="Request">Marshals requests.</param>
/// <param name="Response">Marshals responses.</param>
public sealed record GrpcMethod<TRequest, TResponse>(string Service, string Name, GrpcMarshaller<TRequest> Request, GrpcMarshaller<TResponse> Response)
{
    /// <summary>Whether the client sends any number of messages, rather than one.</summary>
    public bool IsClientStreaming { get; init; }

    /// <summary>Whether the server sends any number of messages, rather than one.</summary>
    public bool IsServerStreaming { get; init; }

    /// <summary>Whether calling twice is the same as calling once, so that a call may be repeated when the server could not be reached.</summary>
    public bool IsIdempotent { get; init; }

    /// <summary>Whether a call changes nothing.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Where requests go: <c>/SERVICE/METHOD</c>.</summary>
    public string Path => $"/{Service}/{Name}";

    /// <summary>Makes a method of what its descriptor says.</summary>
    /// <param name="service">The service's descriptor.</param>
    /// <param name="name">The name of one of its methods.</param>
    /// <param name="request">Marshals requests.</param>
    /// <param name="response">Marshals responses.</param>
    /// <exception cref="ArgumentException">The service has no such method.</exception>
    public static GrpcMethod<TRequest, TResponse> FromDescriptor(
        ServiceDescriptor service, string name, GrpcMarshaller<TRequest> request, GrpcMarshaller<TResponse> response)
    {
        ArgumentNullException.ThrowIfNull(service);
        MethodDescriptor method = service.FindMethodByName(name) ?? throw new ArgumentException($"{service.FullName} has no method '{name}'.", nameof(name));
        MethodOptions.Types.IdempotencyLevel level = method.GetOptions()?.IdempotencyLevel ?? MethodOptions.Types.IdempotencyLevel.IdempotencyUnknown;
        return new GrpcMethod<TRequest, TResponse>(service.FullName, name, request, response)
        {
            IsClientStreaming = method.IsClientStreaming,
            IsServerStreaming = method.IsServerStreaming,
            IsIdempotent = level != MethodOptions.Types.IdempotencyLevel.IdempotencyUnknown,
            IsReadOnly = level == MethodOptions.Types.IdempotencyLevel.NoSideEffects,
        };
    }
}
