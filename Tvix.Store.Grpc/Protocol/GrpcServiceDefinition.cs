using Google.Protobuf.Reflection;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A service with what serves each of its methods.</summary>
/// <remarks>Filled at start, and not changed once it is mapped.</remarks>
public sealed class GrpcServiceDefinition
{
    private readonly List<GrpcServerMethod> _methods = [];

    /// <summary>Makes a definition without methods.</summary>
    /// <param name="descriptor">What the <c>.proto</c> file says of the service.</param>
    public GrpcServiceDefinition(ServiceDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        Descriptor = descriptor;
    }

    /// <summary>What the <c>.proto</c> file says of the service.</summary>
    public ServiceDescriptor Descriptor { get; }

    /// <summary>The methods that are served so far.</summary>
    public IReadOnlyList<GrpcServerMethod> Methods => _methods;

    /// <summary>Serves a method with one request and one response.</summary>
    /// <exception cref="ArgumentException">The service has no such method, or it is of another kind, or is served already.</exception>
    public GrpcServiceDefinition AddUnary<TRequest, TResponse>(
        string name,
        GrpcMarshaller<TRequest> request,
        GrpcMarshaller<TResponse> response,
        Func<TRequest, IGrpcServerContext, ValueTask<TResponse>> handler) =>
        Add(name, request, response, false, false, async (requests, responses, context) =>
        {
            TRequest one = await SingleAsync(requests, context.CancellationToken).ConfigureAwait(false);
            TResponse answer = await handler(one, context).ConfigureAwait(false);
            await responses.WriteAsync(answer, context.CancellationToken).ConfigureAwait(false);
        });

    /// <summary>Serves a method with one request and any number of responses.</summary>
    /// <exception cref="ArgumentException">The service has no such method, or it is of another kind, or is served already.</exception>
    public GrpcServiceDefinition AddServerStreaming<TRequest, TResponse>(
        string name,
        GrpcMarshaller<TRequest> request,
        GrpcMarshaller<TResponse> response,
        Func<TRequest, IGrpcResponseWriter<TResponse>, IGrpcServerContext, Task> handler) =>
        Add(name, request, response, false, true, async (requests, responses, context) =>
            await handler(await SingleAsync(requests, context.CancellationToken).ConfigureAwait(false), responses, context).ConfigureAwait(false));

    /// <summary>Serves a method with any number of requests and one response.</summary>
    /// <exception cref="ArgumentException">The service has no such method, or it is of another kind, or is served already.</exception>
    public GrpcServiceDefinition AddClientStreaming<TRequest, TResponse>(
        string name,
        GrpcMarshaller<TRequest> request,
        GrpcMarshaller<TResponse> response,
        Func<IAsyncEnumerable<TRequest>, IGrpcServerContext, ValueTask<TResponse>> handler) =>
        Add(name, request, response, true, false, async (requests, responses, context) =>
        {
            TResponse answer = await handler(requests, context).ConfigureAwait(false);
            await responses.WriteAsync(answer, context.CancellationToken).ConfigureAwait(false);
        });

    /// <summary>Serves a method with any number of requests and any number of responses.</summary>
    /// <exception cref="ArgumentException">The service has no such method, or it is of another kind, or is served already.</exception>
    public GrpcServiceDefinition AddDuplexStreaming<TRequest, TResponse>(
        string name, GrpcMarshaller<TRequest> request, GrpcMarshaller<TResponse> response, GrpcHandler<TRequest, TResponse> handler) =>
        Add(name, request, response, true, true, handler);

    private GrpcServiceDefinition Add<TRequest, TResponse>(
        string name,
        GrpcMarshaller<TRequest> request,
        GrpcMarshaller<TResponse> response,
        bool clientStreams,
        bool serverStreams,
        GrpcHandler<TRequest, TResponse> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        GrpcMethod<TRequest, TResponse> method = GrpcMethod<TRequest, TResponse>.FromDescriptor(Descriptor, name, request, response);
        if (method.IsClientStreaming != clientStreams || method.IsServerStreaming != serverStreams)
        {
            throw new ArgumentException($"The method {method.Path} has another shape.", nameof(name));
        }

        if (_methods.Exists(other => other.Descriptor.Name == name))
        {
            throw new ArgumentException($"The method {method.Path} is served already.", nameof(name));
        }

        _methods.Add(new GrpcServerMethod<TRequest, TResponse>(Descriptor.FindMethodByName(name), method, handler));
        return this;
    }

    private static async ValueTask<T> SingleAsync<T>(IAsyncEnumerable<T> requests, CancellationToken cancellationToken)
    {
        // That there is no other is for whoever reads them: the message is not valid once the next is asked for.
        await foreach (T request in requests.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            return request;
        }

        throw new GrpcException(GrpcStatusCode.Unimplemented, "The call takes one message, but none came.");
    }
}
