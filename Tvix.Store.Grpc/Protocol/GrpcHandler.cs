namespace Tvix.Store.Grpc.Protocol;

/// <summary>Serves a call: reads requests, writes responses, and returns when all is done.</summary>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server answers.</typeparam>
/// <param name="requests">What the client sends, read as it is asked for; to be enumerated once. A message is valid until the next one is asked for.</param>
/// <param name="responses">Takes the answers.</param>
/// <param name="context">What else there is to know.</param>
public delegate Task GrpcHandler<TRequest, TResponse>(IAsyncEnumerable<TRequest> requests, IGrpcResponseWriter<TResponse> responses, IGrpcServerContext context);
