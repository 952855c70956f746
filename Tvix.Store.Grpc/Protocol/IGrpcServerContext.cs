namespace Tvix.Store.Grpc.Protocol;

/// <summary>What a handler knows of the call that it serves, besides its messages.</summary>
public interface IGrpcServerContext
{
    /// <summary>What the client sent besides its messages.</summary>
    GrpcMetadata RequestHeaders { get; }

    /// <summary>What is sent besides the status, after the last message.</summary>
    GrpcMetadata ResponseTrailers { get; }

    /// <summary>When the client stops waiting; <see langword="null"/> when it waits for as long as it takes.</summary>
    DateTimeOffset? Deadline { get; }

    /// <summary>Fires when the client went away or its deadline passed. The handler should stop then.</summary>
    CancellationToken CancellationToken { get; }
}
