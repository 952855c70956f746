using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Nar;

namespace Tvix.Store.Grpc.Server;

/// <summary>Settings of a store that is served over gRPC.</summary>
public sealed class TvixStoreGrpcOptions
{
    /// <summary>The length of the pieces in which blobs are sent, in bytes; the last piece of a blob is shorter. From 1 to 4 194 000.</summary>
    /// <value>256 KiB, unless set.</value>
    public int ReadPieceSize { get; set; } = 256 << 10;

    /// <summary>The longest message that is taken, in bytes, also after decompression. A longer one ends the call with RESOURCE_EXHAUSTED.</summary>
    /// <value>4 MiB, which is what other servers take, unless set.</value>
    public int MaxReceiveMessageSize { get; set; } = 4 << 20;

    /// <summary>
    /// Whether the store cannot be written to. Calls that would then end with FAILED_PRECONDITION before anything is read of what they bring: the state of the server is at fault, not
    /// what the caller may do, and trying again does not help.
    /// </summary>
    /// <value><see langword="false"/>, unless set.</value>
    public bool IsReadOnly { get; set; }

    /// <summary>Whether the server tells which services it has and what they look like, as tools such as <c>grpcurl</c> ask.</summary>
    /// <value><see langword="true"/>, unless set.</value>
    public bool Reflection { get; set; } = true;

    /// <summary>How long an answer of the services about their health counts, before they are asked again.</summary>
    /// <value>5 s, unless set.</value>
    public TimeSpan HealthInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a service may take for that answer before it counts as not serving.</summary>
    /// <value>3 s, unless set.</value>
    public TimeSpan HealthTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Finds out size and hash of NARs; <see langword="null"/> for what the container has under the name of the store, or the path info service if it can, and otherwise for rendering
    /// them from the store. The results are kept in any case.
    /// </summary>
    public INarCalculationService? NarCalculation { get; set; }

    /// <summary>How many results of NAR calculations are kept; at least 1. One takes some 200 bytes.</summary>
    /// <value>100 000, unless set.</value>
    public int NarCacheCapacity { get; set; } = 100_000;

    /// <summary>How many NARs are calculated at a time; at least 1. Others wait.</summary>
    /// <value>The number of processors, unless set.</value>
    public int MaxConcurrentNarCalculations { get; set; } = Environment.ProcessorCount;

    /// <summary>Tells the time, for deadlines and health.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    internal GrpcServerOptions ToServerOptions() => new() { MaxReceiveMessageSize = MaxReceiveMessageSize, TimeProvider = TimeProvider };

    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ReadPieceSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ReadPieceSize, BlobServiceEndpoint.LongestPiece);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxReceiveMessageSize);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HealthInterval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HealthTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(NarCacheCapacity);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxConcurrentNarCalculations);
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }
}
