using System.Net.Security;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Settings of a <see cref="GrpcChannel"/>.</summary>
public sealed class GrpcChannelOptions
{
    /// <summary>The longest message that is taken, in bytes, also after decompression. A longer one ends the call with RESOURCE_EXHAUSTED.</summary>
    /// <value>4 MiB, unless set.</value>
    public int MaxReceiveMessageSize { get; set; } = 4 << 20;

    /// <summary>The longest message that is sent, in bytes; <see langword="null"/> for any.</summary>
    /// <value>4 MiB, which is what servers take, unless set.</value>
    public int? MaxSendMessageSize { get; set; } = 4 << 20;

    /// <summary>How long a call may take in all, unless it says so itself; <see langword="null"/> for as long as it takes.</summary>
    /// <value><see langword="null"/>, unless set.</value>
    public TimeSpan? Timeout { get; set; }

    /// <summary>How long it may take to connect.</summary>
    /// <value>10 s, unless set.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection with calls on it may be silent before the server is asked whether it is alive.</summary>
    /// <value>30 s, unless set.</value>
    public TimeSpan KeepAliveDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the answer to that may take before the connection is given up.</summary>
    /// <value>20 s, unless set.</value>
    public TimeSpan KeepAliveTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Whether messages are compressed with gzip, unless a call says otherwise.</summary>
    /// <value><see langword="false"/>, unless set.</value>
    public bool Compress { get; set; }

    /// <summary>Gives the bearer token that calls carry; asked for each call. <see langword="null"/> for none.</summary>
    public Func<CancellationToken, ValueTask<string?>>? BearerToken { get; set; }

    /// <summary>How calls are repeated that may be; <see langword="null"/> for not at all.</summary>
    public GrpcRetryOptions? Retry { get; set; } = new();

    /// <summary>How the server of an <c>https</c> address is checked; <see langword="null"/> for the system's trust.</summary>
    public SslClientAuthenticationOptions? Tls { get; set; }

    /// <summary>
    /// Puts handlers between the calls and the connection: each is a <see cref="DelegatingHandler"/> over the one it is given. <see langword="null"/> for none.
    /// </summary>
    public Func<HttpMessageHandler, HttpMessageHandler>? ConfigureHandler { get; set; }

    /// <summary>Tells the time for deadlines.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
