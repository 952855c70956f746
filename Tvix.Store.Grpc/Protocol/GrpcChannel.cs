using System.Net;
using System.Net.Sockets;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Makes calls to a server over HTTP/2. Connects when the first call is made, and again when the connection was lost.</summary>
/// <remarks>
/// Safe for concurrent use. Disposing it ends all calls, also those of other threads and those that nobody is using at the moment; whoever uses one after that gets an
/// <see cref="ObjectDisposedException"/>, or after the wait if it is waiting to be repeated.
/// </remarks>
public sealed class GrpcChannel : IGrpcInvoker, IDisposable
{
    private const int StreamWindowSize = 4 << 20;

    private readonly HttpMessageInvoker _http;
    private readonly GrpcChannelOptions _options;
    private readonly CancellationTokenSource _closing = new(); // not disposed: it holds nothing, and calls may still ask it
    private readonly Lock _sendingLock = new();
    private int _sending;
    private bool _disposed;

    /// <summary>Makes a channel to an address.</summary>
    /// <param name="address"><c>http://HOST[:PORT]</c>, which is HTTP/2 without negotiation, or <c>https://HOST[:PORT]</c>.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
    /// <exception cref="ArgumentException">The address is neither, or has a path.</exception>
    public GrpcChannel(Uri address, GrpcChannelOptions? options = null)
        : this(Check(address), null, options)
    {
    }

    /// <summary>Makes a channel to a Unix socket.</summary>
    /// <param name="path">Where the socket is.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults.</param>
    public GrpcChannel(UnixDomainSocketEndPoint path, GrpcChannelOptions? options = null)
        : this(new Uri("http://localhost"), path ?? throw new ArgumentNullException(nameof(path)), options)
    {
    }

    private GrpcChannel(Uri address, UnixDomainSocketEndPoint? socket, GrpcChannelOptions? options)
    {
        Address = address;
        Target = socket is null ? address.GetLeftPart(UriPartial.Authority) : $"unix:{socket}";
        _options = options ?? new GrpcChannelOptions();
        SocketsHttpHandler sockets = new()
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = _options.ConnectTimeout,
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = StreamWindowSize,
            KeepAlivePingDelay = _options.KeepAliveDelay,
            KeepAlivePingTimeout = _options.KeepAliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5),
            UseCookies = false,
            UseProxy = socket is null,
        };
        if (_options.Tls is { } tls)
        {
            sockets.SslOptions = tls;
        }

        if (socket is not null)
        {
            sockets.ConnectCallback = (_, cancellationToken) => ConnectAsync(socket, cancellationToken);
        }

        _http = new HttpMessageInvoker(_options.ConfigureHandler?.Invoke(sockets) ?? sockets);
    }

    /// <summary>Where the server is. For a Unix socket, what requests name as their host.</summary>
    public Uri Address { get; }

    /// <summary>Where the server is, for messages.</summary>
    internal string Target { get; }

    /// <summary>Cancelled when this is disposed.</summary>
    internal CancellationToken Closing => _closing.Token;

    /// <summary>Whether this is disposed. It is so before <see cref="Closing"/> is cancelled.</summary>
    internal bool IsDisposed => Volatile.Read(ref _disposed);

    /// <inheritdoc/>
    public GrpcRetryOptions? Retry => _options.Retry;

    /// <inheritdoc/>
    public IGrpcCall<TRequest, TResponse> Start<TRequest, TResponse>(
        GrpcMethod<TRequest, TResponse> method, GrpcCallOptions options = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(method);
        return new GrpcHttpClientCall<TRequest, TResponse>(this, method, options, _options, cancellationToken);
    }

    /// <summary>Ends all calls and closes the connections.</summary>
    public void Dispose()
    {
        bool isLast;
        lock (_sendingLock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            isLast = _sending == 0;
        }

        try
        {
            _closing.Cancel();
        }
        finally
        {
            if (isLast)
            {
                _http.Dispose();
            }
        }
    }

    /// <summary>Sends a request, and returns when the head of the response is there.</summary>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Is cancelled with <see cref="Closing"/>.</param>
    /// <exception cref="ObjectDisposedException">The channel was disposed before.</exception>
    internal async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // The sockets' handler does not expect to be disposed while it begins to send: it would then make connections that nobody closes.
        lock (_sendingLock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _sending++;
        }

        try
        {
            return await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            bool isLast;
            lock (_sendingLock)
            {
                isLast = --_sending == 0 && _disposed;
            }

            if (isLast)
            {
                _http.Dispose();
            }
        }
    }

    private static Uri Check(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address is { IsAbsoluteUri: true, Scheme: "http" or "https", PathAndQuery: "/" or "", Fragment: "", UserInfo: "" }
            ? address
            : throw new ArgumentException($"'{address}' is not 'http://HOST:PORT' or 'https://HOST:PORT'.", nameof(address));
    }

    private static async ValueTask<Stream> ConnectAsync(UnixDomainSocketEndPoint endPoint, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            string reason = e.SocketErrorCode switch
            {
                SocketError.AddressNotAvailable => "there is no such socket",
                SocketError.ConnectionRefused => "nobody listens",
                SocketError.AccessDenied => "access to it is denied",
                _ => e.Message,
            };
            throw new GrpcConnectException(reason, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
