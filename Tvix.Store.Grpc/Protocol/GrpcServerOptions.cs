namespace Tvix.Store.Grpc.Protocol;

/// <summary>Settings of served calls.</summary>
public sealed class GrpcServerOptions
{
    /// <summary>The longest message that is taken, in bytes, also after decompression. A longer one ends the call with RESOURCE_EXHAUSTED.</summary>
    /// <value>4 MiB, unless set.</value>
    public int MaxReceiveMessageSize { get; set; } = 4 << 20;

    /// <summary>The longest message that is sent, in bytes; <see langword="null"/> for any. A longer one ends the call with RESOURCE_EXHAUSTED.</summary>
    /// <value><see langword="null"/>, unless set.</value>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>
    /// Gives the status for what a handler threw; <see langword="null"/> for UNKNOWN without a text. <see cref="GrpcException"/> and cancellation need none.
    /// </summary>
    public Func<Exception, GrpcException?>? MapException { get; set; }

    /// <summary>Tells the time for deadlines.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
