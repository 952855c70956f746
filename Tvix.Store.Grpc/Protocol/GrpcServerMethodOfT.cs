using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A method with what serves it, in the one shape that all four kinds of call have in common.</summary>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server answers.</typeparam>
/// <remarks>This is what an application binds that has a gRPC stack of its own.</remarks>
public sealed class GrpcServerMethod<TRequest, TResponse> : GrpcServerMethod
{
    internal GrpcServerMethod(MethodDescriptor descriptor, GrpcMethod<TRequest, TResponse> method, GrpcHandler<TRequest, TResponse> handler)
        : base(descriptor, method.IsReadOnly)
    {
        Method = method;
        Handler = handler;
    }

    /// <summary>The name, the shape, and how messages travel.</summary>
    public GrpcMethod<TRequest, TResponse> Method { get; }

    /// <summary>Serves a call.</summary>
    public GrpcHandler<TRequest, TResponse> Handler { get; }

    internal override Task ServeAsync(HttpContext http, GrpcServerOptions options) => GrpcHttpCall<TRequest, TResponse>.ServeAsync(http, this, options);
}
