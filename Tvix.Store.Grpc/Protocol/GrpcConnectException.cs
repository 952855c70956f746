namespace Tvix.Store.Grpc.Protocol;

/// <summary>A Unix socket could not be connected to; the text says why. It only travels through HTTP's layers as the cause of a status.</summary>
internal sealed class GrpcConnectException(string message, Exception inner) : IOException(message, inner);
