namespace Tvix.Store.Grpc.Client;

/// <summary>Settings of a <see cref="GrpcBlobService"/>.</summary>
public sealed class GrpcBlobServiceOptions : GrpcClientOptions
{
    /// <summary>
    /// How many bytes of chunks all readers together may have fetched ahead, and how many bytes of blobs may be on their way to the server.
    /// Beyond that each reader has the chunk that it is reading.
    /// </summary>
    /// <value>16 MiB, unless set.</value>
    public long BufferBytes { get; set; } = 16 << 20;

    /// <summary>How many calls for one reader, or for one service that is written to, are under way at a time, from 1 to 64.</summary>
    /// <value>16, unless set.</value>
    public int MaxParallelCalls { get; set; } = 16;

    /// <summary>The longest blob without chunks that a stream holds in memory, in bytes; a longer one is streamed. From 0 to 1
    /// GiB.</summary>
    /// <value>4 MiB, unless set.</value>
    public int MaxBufferedBlob { get; set; } = 4 << 20;

    /// <summary>The longest chunk that is taken, in bytes; a longer one is an error.</summary>
    /// <value>64 MiB, unless set.</value>
    public int MaxChunkBytes { get; set; } = 64 << 20;

    /// <summary>How many bytes a message of an upload has at most, from 4 KiB to 1 MiB.</summary>
    /// <value>256 KiB, unless set.</value>
    public int PieceBytes { get; set; } = 256 << 10;

    /// <summary>
    /// Up to this many bytes a writer keeps what is written, so that nothing is sent if the server has that blob. From 0 to 64 MiB.
    /// </summary>
    /// <value>1 MiB, unless set.</value>
    public int WriteBuffer { get; set; } = 1 << 20;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(BufferBytes, 0, nameof(BufferBytes));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxParallelCalls, 1, nameof(MaxParallelCalls));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxParallelCalls, 64, nameof(MaxParallelCalls));
        ArgumentOutOfRangeException.ThrowIfNegative(MaxBufferedBlob, nameof(MaxBufferedBlob));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxBufferedBlob, 1 << 30, nameof(MaxBufferedBlob));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxChunkBytes, nameof(MaxChunkBytes));
        ArgumentOutOfRangeException.ThrowIfLessThan(PieceBytes, 4 << 10, nameof(PieceBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PieceBytes, 1 << 20, nameof(PieceBytes));
        ArgumentOutOfRangeException.ThrowIfNegative(WriteBuffer, nameof(WriteBuffer));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(WriteBuffer, 64 << 20, nameof(WriteBuffer));
    }
}
