using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Reflection;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>One call, made over an HTTP/2 request. Source of the protocol: grpc.io, "gRPC over HTTP2".</summary>
internal sealed class GrpcHttpClientCall<TRequest, TResponse> : IGrpcCall<TRequest, TResponse>
{
    private const int ReadSize = 64 * 1024;

    private static readonly StreamPipeReaderOptions _readerOptions = new(bufferSize: ReadSize, minimumReadSize: ReadSize / 4);

    private readonly GrpcMethod<TRequest, TResponse> _method;
    private readonly GrpcChannelOptions _channel;
    private readonly bool _compress;
    private readonly CancellationTokenSource _stop;
    private readonly ITimer? _deadlineTimer;
    private readonly CancellationToken _cancellationToken;
    private readonly GrpcRequestContent _content = new();
    private readonly HttpRequestMessage _request;
    private readonly Task<HttpResponseMessage> _response;
    private readonly PooledBuffer _frame = new();
    private PipeReader? _body;
    private GrpcFrameReader? _reader;
    private bool _deadlinePassed;
    private bool _ended;
    private GrpcException? _failure;
    private TResponse? _current;

    public GrpcHttpClientCall(
        HttpMessageInvoker http,
        Uri address,
        GrpcMethod<TRequest, TResponse> method,
        GrpcCallOptions options,
        GrpcChannelOptions channel,
        CancellationToken cancellationToken)
    {
        _method = method;
        _channel = channel;
        _compress = options.Compress ?? channel.Compress;
        _cancellationToken = cancellationToken;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, method.Path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = _content,
        };
        HttpRequestHeaders headers = _request.Headers;
        headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        headers.TryAddWithoutValidation("user-agent", GrpcUserAgent.Text);
        headers.TryAddWithoutValidation("grpc-accept-encoding", GrpcEncoding.Accepted);
        if (_compress)
        {
            headers.TryAddWithoutValidation("grpc-encoding", GrpcEncoding.Gzip);
        }

        foreach ((string key, string value) in options.Headers ?? [])
        {
            headers.TryAddWithoutValidation(key, value);
        }

        if ((options.Timeout ?? channel.Timeout) is { } timeout)
        {
            headers.TryAddWithoutValidation("grpc-timeout", GrpcTimeout.Format(timeout));
            _deadlineTimer = channel.TimeProvider.CreateTimer(
                static state => ((GrpcHttpClientCall<TRequest, TResponse>)state!).OnDeadline(),
                this,
                timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero,
                Timeout.InfiniteTimeSpan);
        }

        _response = SendAsync(http);
    }

    public GrpcMetadata ResponseHeaders { get; } = new();

    public GrpcMetadata ResponseTrailers { get; } = new();

    public TResponse Current => _current ?? throw new InvalidOperationException("There is no message.");

    public async ValueTask WriteAsync(TRequest message, CancellationToken cancellationToken = default)
    {
        await GuardAsync(async () =>
        {
            Stream? stream = await StreamAsync().ConfigureAwait(false);
            if (stream is null)
            {
                return false;
            }

            _frame.Clear();
            GrpcFrame.Write(_method.Request, message, _frame, _compress, _channel.MaxSendMessageSize);
            try
            {
                await stream.WriteAsync(_frame.WrittenMemory, _stop.Token).ConfigureAwait(false);
                await stream.FlushAsync(_stop.Token).ConfigureAwait(false);
                return true;
            }
            catch (Exception e) when (e is IOException or HttpRequestException or ObjectDisposedException or InvalidOperationException && !_stop.IsCancellationRequested)
            {
                // The server ended the call before it had read everything. Its status says why.
                await ReadToEndAsync().ConfigureAwait(false);
                throw _failure ?? Failure(e);
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        await GuardAsync(
            async () =>
            {
                await StreamAsync().ConfigureAwait(false);
                _content.Complete();
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken = default)
    {
        _current = default;
        if (_failure is not null)
        {
            throw _failure;
        }

        if (_ended)
        {
            return false;
        }

        return await GuardAsync(
            async () =>
            {
                HttpResponseMessage response = await _response.ConfigureAwait(false);
                _reader ??= await OpenAsync(response).ConfigureAwait(false);
                if (_reader is not null && await _reader.ReadAsync(_stop.Token).ConfigureAwait(false) is { } bytes)
                {
                    try
                    {
                        _current = _method.Response.Read(bytes);
                    }
                    catch (FormatException e)
                    {
                        throw new GrpcException(GrpcStatusCode.Internal, $"The server's answer cannot be read: {e.Message}", e);
                    }

                    return true;
                }

                End(response);
                return false;
            },
            cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended)
        {
            await _stop.CancelAsync().ConfigureAwait(false);
        }

        _content.Complete();
        try
        {
            using HttpResponseMessage response = await _response.ConfigureAwait(false);
            if (_body is not null)
            {
                await _body.CompleteAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException or GrpcException)
        {
            // The call is over, and whoever made it has heard why.
        }

        _request.Dispose();
        _reader?.Dispose();
        _frame.Dispose();
        if (_deadlineTimer is not null)
        {
            await _deadlineTimer.DisposeAsync().ConfigureAwait(false);
        }

        _stop.Dispose();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMessageInvoker http)
    {
        if (_channel.BearerToken is { } getToken && await getToken(_stop.Token).ConfigureAwait(false) is { } token)
        {
            _request.Headers.TryAddWithoutValidation("authorization", "Bearer " + token);
        }

        return await http.SendAsync(_request, _stop.Token).ConfigureAwait(false);
    }

    /// <summary>Where messages are written to; <see langword="null"/> when the call has ended before.</summary>
    private async ValueTask<Stream?> StreamAsync()
    {
        if (!_content.Stream.IsCompleted)
        {
            await Task.WhenAny(_content.Stream, _response).ConfigureAwait(false);
        }

        if (_content.Stream.IsCompletedSuccessfully)
        {
            return await _content.Stream.ConfigureAwait(false);
        }

        await _response.ConfigureAwait(false); // which throws, unless the server answered without reading
        await ReadToEndAsync().ConfigureAwait(false);
        throw _failure ?? new GrpcException(GrpcStatusCode.Unknown, $"The server ended {_method.Path} before it was asked.");
    }

    /// <summary>Finds the status of a call that nothing more is sent to.</summary>
    private async ValueTask ReadToEndAsync()
    {
        if (_failure is not null || _ended)
        {
            return;
        }

        HttpResponseMessage response = await _response.ConfigureAwait(false);
        _reader ??= await OpenAsync(response).ConfigureAwait(false);
        while (_reader is not null && await _reader.ReadAsync(_stop.Token).ConfigureAwait(false) is not null)
        {
        }

        End(response);
    }

    /// <summary>Begins to read the response; <see langword="null"/> when it has only headers.</summary>
    private async ValueTask<GrpcFrameReader?> OpenAsync(HttpResponseMessage response)
    {
        bool isGrpc = GrpcHttp.IsGrpc(response.Content.Headers.ContentType?.ToString());
        if (response.StatusCode != HttpStatusCode.OK && !response.Headers.Contains("grpc-status"))
        {
            throw new GrpcException(FromHttp(response.StatusCode), $"The server answered with the HTTP status {(int)response.StatusCode} {response.ReasonPhrase}.");
        }

        if (!isGrpc && !response.Headers.Contains("grpc-status"))
        {
            throw new GrpcException(
                GrpcStatusCode.Unknown, $"The server's answer is not gRPC, but of type '{response.Content.Headers.ContentType?.ToString() ?? "none"}'.");
        }

        Collect(response.Headers, ResponseHeaders);
        if (response.Headers.Contains("grpc-status"))
        {
            return null;
        }

        string encoding = First(response.Headers, "grpc-encoding") ?? GrpcEncoding.Identity;
        if (encoding is not (GrpcEncoding.Identity or GrpcEncoding.Gzip))
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"The server compresses with '{encoding}', which was not offered.");
        }

        _body = PipeReader.Create(await response.Content.ReadAsStreamAsync(_stop.Token).ConfigureAwait(false), _readerOptions);
        return new GrpcFrameReader(_body, _channel.MaxReceiveMessageSize) { IsGzip = encoding == GrpcEncoding.Gzip };
    }

    /// <summary>Reads the status of a call whose messages have all been read.</summary>
    private void End(HttpResponseMessage response)
    {
        _ended = true;
        HttpHeaders trailers = response.Headers.Contains("grpc-status") ? response.Headers : response.TrailingHeaders;
        Collect(trailers, ResponseTrailers);
        string? status = First(trailers, "grpc-status");
        if (status is null)
        {
            throw new GrpcException(GrpcStatusCode.Internal, "The server's answer ends without a status.");
        }

        if (!int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out int code))
        {
            throw new GrpcException(GrpcStatusCode.Unknown, $"The server's status is '{status}'.");
        }

        if (code != 0)
        {
            string message = GrpcMessage.Decode(First(trailers, "grpc-message") ?? "");
            GrpcStatusCode known = Enum.IsDefined((GrpcStatusCode)code) ? (GrpcStatusCode)code : GrpcStatusCode.Unknown;
            throw new GrpcException(known, message.Length > 0 ? message : $"The call ended with the status {status}.", trailers: ResponseTrailers);
        }
    }

    /// <summary>Runs a step of the call, and turns what can go wrong with HTTP into a status.</summary>
    private async ValueTask<bool> GuardAsync(Func<ValueTask<bool>> step, CancellationToken cancellationToken)
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        using CancellationTokenRegistration registration =
            cancellationToken.CanBeCanceled && cancellationToken != _cancellationToken ? cancellationToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop) : default;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            return await step().ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            _failure = e;
            throw;
        }
        catch (Exception e) when (_deadlinePassed)
        {
            throw _failure = new GrpcException(GrpcStatusCode.DeadlineExceeded, $"{_method.Path} was not done by its deadline.", e);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested || _cancellationToken.IsCancellationRequested)
        {
            CancellationToken cause = cancellationToken.IsCancellationRequested ? cancellationToken : _cancellationToken;
            throw e is OperationCanceledException own && own.CancellationToken == cause ? own : new OperationCanceledException(e.Message, e, cause);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw _failure = Failure(e);
        }
    }

    private GrpcException Failure(Exception e)
    {
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException protocol)
            {
                // Source: grpc.io, "gRPC over HTTP2", Errors.
                GrpcStatusCode code = protocol.ErrorCode switch
                {
                    0x0 or 0x7 => GrpcStatusCode.Unavailable, // the server goes away, or refuses the stream
                    0x8 => GrpcStatusCode.Cancelled,
                    0xb => GrpcStatusCode.ResourceExhausted,
                    0xc => GrpcStatusCode.PermissionDenied,
                    _ => GrpcStatusCode.Internal,
                };
                return new GrpcException(code, $"{_method.Path} was ended by the server: {protocol.Message}", e);
            }
        }

        return new GrpcException(GrpcStatusCode.Unavailable, $"The server at {_request.RequestUri?.GetLeftPart(UriPartial.Authority)} cannot be reached, or went away: {Innermost(e).Message}", e);
    }

    private void OnDeadline()
    {
        _deadlinePassed = true;
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The call ended at the same instant.
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    private static GrpcStatusCode FromHttp(HttpStatusCode status) => status switch
    {
        HttpStatusCode.BadRequest => GrpcStatusCode.Internal,
        HttpStatusCode.Unauthorized => GrpcStatusCode.Unauthenticated,
        HttpStatusCode.Forbidden => GrpcStatusCode.PermissionDenied,
        HttpStatusCode.NotFound => GrpcStatusCode.Unimplemented,
        HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => GrpcStatusCode.Unavailable,
        _ => GrpcStatusCode.Unknown,
    };

    private static string? First(HttpHeaders headers, string key) => headers.NonValidated.TryGetValues(key, out HeaderStringValues values) ? values.FirstOrDefault() : null;

    private static void Collect(HttpHeaders headers, GrpcMetadata target)
    {
        foreach ((string key, HeaderStringValues values) in headers.NonValidated)
        {
            foreach (string value in values)
            {
                target.AddReceived(key, value);
            }
        }
    }
}
