namespace Tvix.Store.Grpc.Protocol;

/// <summary>What a call takes along besides its messages.</summary>
/// <param name="Headers">Sent before the first message; <see langword="null"/> for none.</param>
/// <param name="Timeout">How long the call may take in all, which the server is told; <see langword="null"/> for what the channel says.</param>
/// <param name="Compress">Whether messages are compressed with gzip; <see langword="null"/> for what the channel says.</param>
public readonly record struct GrpcCallOptions(GrpcMetadata? Headers = null, TimeSpan? Timeout = null, bool? Compress = null);
