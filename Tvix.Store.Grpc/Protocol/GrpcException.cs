namespace Tvix.Store.Grpc.Protocol;

/// <summary>A call ended with a status other than <see cref="GrpcStatusCode.Ok"/>. A handler throws it to end its call so.</summary>
public sealed class GrpcException : Exception
{
    /// <summary>Makes an exception of a status.</summary>
    /// <param name="statusCode">How the call ended.</param>
    /// <param name="message">What went wrong, for people. It travels to the other side.</param>
    /// <param name="inner">What caused it; it does not travel.</param>
    /// <param name="trailers">What the server said besides.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="statusCode"/> is <see cref="GrpcStatusCode.Ok"/>.</exception>
    public GrpcException(GrpcStatusCode statusCode, string message, Exception? inner = null, GrpcMetadata? trailers = null)
        : base(message, inner)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)statusCode, (int)GrpcStatusCode.Ok, nameof(statusCode));
        StatusCode = statusCode;
        Trailers = trailers ?? new GrpcMetadata();
    }

    /// <summary>How the call ended.</summary>
    public GrpcStatusCode StatusCode { get; }

    /// <summary>What the server said besides; maybe empty.</summary>
    public GrpcMetadata Trailers { get; }
}
