using Google.Protobuf;
using Google.Protobuf.Reflection;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Tests.Protos;

namespace Tvix.Store.Grpc.Tests.Protocol;

/// <summary>The service of <c>echo.proto</c>, and its methods for clients.</summary>
internal static class EchoService
{
    private static readonly ProtobufMarshaller<EchoMessage> _message = new(EchoMessage.Parser);

    public static ServiceDescriptor Descriptor => EchoReflection.Descriptor.Services[0];

    public static GrpcMethod<EchoMessage, EchoMessage> Unary { get; } = Method("Unary");

    public static GrpcMethod<EchoMessage, EchoMessage> ServerStream { get; } = Method("ServerStream");

    public static GrpcMethod<EchoMessage, EchoMessage> ClientStream { get; } = Method("ClientStream");

    public static GrpcMethod<EchoMessage, EchoMessage> Duplex { get; } = Method("Duplex");

    /// <param name="behave">What is done before a message is answered.</param>
    public static GrpcServiceDefinition Define(Func<EchoMessage, IGrpcServerContext, ValueTask>? behave = null) => Define(behave, null, null);

    /// <summary>With another server stream.</summary>
    public static GrpcServiceDefinition DefineServerStream(Func<IGrpcResponseWriter<EchoMessage>, IGrpcServerContext, Task> handler) => Define(null, handler, null);

    /// <summary>With another client stream.</summary>
    public static GrpcServiceDefinition DefineClientStream(Func<IAsyncEnumerable<EchoMessage>, IGrpcServerContext, ValueTask<EchoMessage>> handler) => Define(null, null, handler);

    private static GrpcServiceDefinition Define(
        Func<EchoMessage, IGrpcServerContext, ValueTask>? behave,
        Func<IGrpcResponseWriter<EchoMessage>, IGrpcServerContext, Task>? serverStream,
        Func<IAsyncEnumerable<EchoMessage>, IGrpcServerContext, ValueTask<EchoMessage>>? clientStream)
    {
        behave ??= static (_, _) => ValueTask.CompletedTask;
        return new GrpcServiceDefinition(Descriptor)
            .AddUnary("Unary", _message, _message, async (request, context) =>
            {
                await behave(request, context);
                return request;
            })
            .AddServerStreaming("ServerStream", _message, _message, async (request, responses, context) =>
            {
                if (serverStream is not null)
                {
                    await serverStream(responses, context);
                    return;
                }

                await behave(request, context);
                for (int i = 0; i < request.Times; i++)
                {
                    await responses.WriteAsync(request);
                }
            })
            .AddClientStreaming("ClientStream", _message, _message, clientStream ?? (async (requests, context) =>
            {
                EchoMessage all = new();
                await foreach (EchoMessage request in requests)
                {
                    await behave(request, context);
                    all.Data = ByteString.CopyFrom([.. all.Data.Span, .. request.Data.Span]);
                    all.Times++;
                }

                return all;
            }))
            .AddDuplexStreaming("Duplex", _message, _message, async (requests, responses, context) =>
            {
                await foreach (EchoMessage request in requests)
                {
                    await behave(request, context);
                    await responses.WriteAsync(request);
                }
            });
    }

    private static GrpcMethod<EchoMessage, EchoMessage> Method(string name) => GrpcMethod<EchoMessage, EchoMessage>.FromDescriptor(Descriptor, name, _message, _message);
}
