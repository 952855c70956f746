using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>One call, made over an HTTP/2 request. Source of the protocol: grpc.io, "gRPC over HTTP2".</summary>
internal sealed class GrpcHttpClientCall<TRequest, TResponse> : IGrpcCall<TRequest, TResponse>
{
    private readonly GrpcMethod<TRequest, TResponse> _method;
    private readonly GrpcChannelOptions _options;
    private readonly bool _compress;
    private readonly CancellationTokenSource _stop;
    private readonly ITimer? _deadlineTimer;
    private readonly CancellationToken _cancellationToken;
    private readonly GrpcChannel _channel;
    private readonly GrpcStreamingContent? _streaming;
    private GrpcSingleContent? _single;
    private readonly HttpRequestMessage _request;
    private readonly PooledBuffer _frame = new();
    private readonly SemaphoreSlim _reading = new(1);
    private Task<HttpResponseMessage>? _response;
    private HttpResponseMessage? _head;
    private CancellationTokenRegistration _closing;
    private GrpcStreamFrameReader? _reader;
    private bool _opened;
    private bool _hasCurrent;
    private bool _deadlinePassed;
    private bool _ended;
    private bool _disposed;
    private GrpcException? _failure;
    private GrpcException? _writeFailure;
    private TResponse? _current;

    public GrpcHttpClientCall(
        GrpcChannel channel,
        GrpcMethod<TRequest, TResponse> method,
        GrpcCallOptions call,
        GrpcChannelOptions options,
        CancellationToken cancellationToken)
    {
        _channel = channel;
        _method = method;
        _options = options;
        _compress = call.Compress ?? options.Compress;
        _cancellationToken = cancellationToken;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, channel.Closing);
        _request = new HttpRequestMessage(HttpMethod.Post, new Uri(channel.Address, method.Path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        HttpRequestHeaders headers = _request.Headers;
        headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        headers.TryAddWithoutValidation("user-agent", GrpcUserAgent.Text);
        headers.TryAddWithoutValidation("grpc-accept-encoding", GrpcEncoding.Accepted);
        if (_compress)
        {
            headers.TryAddWithoutValidation("grpc-encoding", GrpcEncoding.Gzip);
        }

        foreach ((string key, string value) in call.Headers ?? [])
        {
            headers.TryAddWithoutValidation(key, value);
        }

        if ((call.Timeout ?? options.Timeout) is { } timeout)
        {
            headers.TryAddWithoutValidation("grpc-timeout", GrpcTimeout.Format(timeout));
            _deadlineTimer = options.TimeProvider.CreateTimer(
                static state => ((GrpcHttpClientCall<TRequest, TResponse>)state!).OnDeadline(),
                this,
                timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero,
                Timeout.InfiniteTimeSpan);
        }

        if (method.IsClientStreaming)
        {
            _streaming = new GrpcStreamingContent(sendsAtOnce: method.IsServerStreaming);
            _response = SendAsync(_streaming);
        }
    }

    public GrpcMetadata ResponseHeaders { get; } = new();

    public GrpcMetadata ResponseTrailers { get; } = new();

    public TResponse Current => _hasCurrent ? _current! : throw new InvalidOperationException("There is no message.");

    public async ValueTask WriteAsync(TRequest message, CancellationToken cancellationToken = default)
    {
        ThrowIfFailed();
        using CancellationTokenRegistration registration = Register(cancellationToken);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_streaming is null)
            {
                if (_frame.WrittenCount > 0)
                {
                    throw new InvalidOperationException($"{_method.Path} takes one message.");
                }

                GrpcFrame.Write(_method.Request, message, _frame, _compress, _options.MaxSendMessageSize);
                return;
            }

            Stream stream = await StreamAsync(_streaming).ConfigureAwait(false);
            _frame.Clear();
            GrpcFrame.Write(_method.Request, message, _frame, _compress, _options.MaxSendMessageSize);
            try
            {
                // Who answers only at the end can wait for short messages until there are more of them, or the end; that spares a wake-up of the connection for each.
                await stream.WriteAsync(_frame.WrittenMemory, _stop.Token).ConfigureAwait(false);
                if (_method.IsServerStreaming)
                {
                    await stream.FlushAsync(_stop.Token).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (
                !_stop.IsCancellationRequested && !_channel.IsDisposed && e is IOException or HttpRequestException or InvalidOperationException or OperationCanceledException)
            {
                // The server ended the call before it had read everything (a write that waits for the window is cancelled then). Its status says why.
                await FindStatusAsync().ConfigureAwait(false);
                throw Failure(e);
            }
        }
        catch (Exception e) when (Translate(e, cancellationToken) is { } translated)
        {
            throw translated;
        }
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfFailed();
        using CancellationTokenRegistration registration = Register(cancellationToken);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_streaming is null)
            {
                if (_single is null)
                {
                    _single = new GrpcSingleContent(_frame.WrittenMemory, _stop.Token);
                    _response = SendAsync(_single);
                }

                return;
            }

            await StreamAsync(_streaming).ConfigureAwait(false);
            _streaming.Complete();
        }
        catch (Exception e) when (Translate(e, cancellationToken) is { } translated)
        {
            throw translated;
        }
    }

    public async ValueTask<bool> MoveNextAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfFailed();
        using CancellationTokenRegistration registration = Register(cancellationToken);
        bool isReading = false;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            await _reading.WaitAsync(_stop.Token).ConfigureAwait(false); // a write that failed may be looking for the status
            isReading = true;
            ThrowIfFailed();
            _hasCurrent = false;
            if (_ended)
            {
                return false;
            }

            HttpResponseMessage response = await ResponseAsync().ConfigureAwait(false);
            if (_reader is not null && await _reader.ReadAsync(_stop.Token).ConfigureAwait(false) is { } bytes)
            {
                _current = Parse(bytes);
                return _hasCurrent = true;
            }

            End(response);
            return false;
        }
        catch (Exception e) when (Translate(e, cancellationToken) is { } translated)
        {
            throw translated;
        }
        finally
        {
            if (isReading)
            {
                StopReading();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        if (_ended)
        {
            _streaming?.Complete();
        }
        else
        {
            // In this order: once the head of the response is there, only the body can tell the server.
            _streaming?.Abort();
            await _stop.CancelAsync().ConfigureAwait(false);
        }

        try
        {
            if (_response is not null)
            {
                // Whoever made the call has heard what was wrong with it.
                await ((Task)_response).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await _closing.DisposeAsync().ConfigureAwait(false);
                if (_response.IsCompletedSuccessfully)
                {
                    (await _response.ConfigureAwait(false)).Dispose();
                }
            }
        }
        finally
        {
            if (!_ended || _single?.IsBusy == true)
            {
                _frame.Abandon(); // a write that was cut off may still read it
            }

            _frame.Dispose();
            _reader?.Dispose();
            _reading.Dispose();
            _request.Dispose();
            if (_deadlineTimer is not null)
            {
                await _deadlineTimer.DisposeAsync().ConfigureAwait(false);
            }

            await _stop.CancelAsync().ConfigureAwait(false); // for a message that the server answered without taking it
            _stop.Dispose();
        }
    }

    private TResponse Parse(in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return _method.Response.Read(bytes);
        }
        catch (FormatException e)
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"The server's answer cannot be read: {e.Message}", e);
        }
    }

    private async Task<HttpResponseMessage> SendAsync(GrpcRequestContent content)
    {
        _request.Content = content;
        if (_options.BearerToken is { } getToken && await getToken(_stop.Token).ConfigureAwait(false) is { } token)
        {
            _request.Headers.TryAddWithoutValidation("authorization", "Bearer " + token);
        }

        _head = await _channel.SendAsync(_request, _stop.Token).ConfigureAwait(false);
        _closing = _channel.Closing.UnsafeRegister(static call => ((GrpcHttpClientCall<TRequest, TResponse>)call!).OnClosing(), this);
        return _head;
    }

    /// <summary>Tells the server that the call has ended, unless somebody is reading, who does it then.</summary>
    private void OnClosing()
    {
        _streaming?.Abort();
        if (_reading.Wait(0))
        {
            try
            {
                _head?.Dispose();
            }
            finally
            {
                _reading.Release();
            }
        }
    }

    private void StopReading()
    {
        _reading.Release();
        if (_channel.IsDisposed)
        {
            OnClosing();
        }
    }

    /// <summary>Where messages are written to.</summary>
    private async ValueTask<Stream> StreamAsync(GrpcStreamingContent content)
    {
        if (!content.Stream.IsCompleted)
        {
            await Task.WhenAny(content.Stream, _response!).ConfigureAwait(false);
        }

        if (content.Stream.IsCompletedSuccessfully)
        {
            return await content.Stream.ConfigureAwait(false);
        }

        await FindStatusAsync().ConfigureAwait(false);
        throw new GrpcException(GrpcStatusCode.Unknown, $"The server ended {_method.Path} before it was asked.");
    }

    /// <summary>Finds the status of a call that nothing more can be sent to. Throws, unless it is a good one.</summary>
    private async ValueTask FindStatusAsync()
    {
        if (_method.IsServerStreaming && !_channel.IsDisposed)
        {
            // There may be answers yet, which are for whoever reads.
            throw _writeFailure = new GrpcException(
                GrpcStatusCode.Aborted, $"The server takes no more messages of {_method.Path}; how it ended the call shows when its answers are read.");
        }

        await _reading.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            ThrowIfFailed();
            if (!_ended)
            {
                await ReadToEndAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            StopReading();
        }
    }

    private async ValueTask ReadToEndAsync()
    {
        HttpResponseMessage response = await ResponseAsync().ConfigureAwait(false);
        while (_reader is not null && await _reader.ReadAsync(_stop.Token).ConfigureAwait(false) is not null)
        {
        }

        End(response);
    }

    /// <summary>Waits for the head of the response. The reader is <see langword="null"/> after that when there is nothing else.</summary>
    private async ValueTask<HttpResponseMessage> ResponseAsync()
    {
        HttpResponseMessage response = await (_response ?? throw new InvalidOperationException("The request is not complete.")).ConfigureAwait(false);
        if (_opened)
        {
            return response;
        }

        bool headersOnly = response.Headers.Contains("grpc-status");
        string? type = response.Content.Headers.ContentType?.ToString();
        if (!headersOnly && response.StatusCode != HttpStatusCode.OK)
        {
            throw new GrpcException(FromHttp(response.StatusCode), $"The server answered with the HTTP status {(int)response.StatusCode} {response.ReasonPhrase}.");
        }

        if (!headersOnly && !GrpcHttp.IsGrpc(type))
        {
            throw new GrpcException(GrpcStatusCode.Unknown, $"The server's answer is not gRPC, but of type '{type ?? "none"}'.");
        }

        Collect(response.Headers, ResponseHeaders);
        if (!headersOnly)
        {
            string encoding = First(response.Headers, "grpc-encoding") ?? GrpcEncoding.Identity;
            if (encoding is not (GrpcEncoding.Identity or GrpcEncoding.Gzip))
            {
                throw new GrpcException(GrpcStatusCode.Internal, $"The server compresses with '{encoding}', which was not offered.");
            }

            Stream body = await response.Content.ReadAsStreamAsync(_stop.Token).ConfigureAwait(false);
            _reader = new GrpcStreamFrameReader(body, _options.MaxReceiveMessageSize, encoding == GrpcEncoding.Gzip);
        }

        _opened = true;
        return response;
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

    private void ThrowIfFailed()
    {
        if (_failure is not null)
        {
            throw _failure;
        }
    }

    private CancellationTokenRegistration Register(CancellationToken cancellationToken) =>
        cancellationToken.CanBeCanceled && cancellationToken != _cancellationToken
            ? cancellationToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop)
            : default;

    /// <summary>What to throw for what went wrong; <see langword="null"/> for the exception itself.</summary>
    private Exception? Translate(Exception e, CancellationToken cancellationToken)
    {
        if (e is GrpcException failure)
        {
            _failure = failure == _writeFailure ? _failure : failure;
            return null;
        }

        if (_deadlinePassed)
        {
            return _failure = new GrpcException(GrpcStatusCode.DeadlineExceeded, $"{_method.Path} was not done by its deadline.", e);
        }

        if (cancellationToken.IsCancellationRequested || _cancellationToken.IsCancellationRequested)
        {
            CancellationToken cause = cancellationToken.IsCancellationRequested ? cancellationToken : _cancellationToken;
            return e is OperationCanceledException own && own.CancellationToken == cause ? null : new OperationCanceledException(e.Message, e, cause);
        }

        if (_channel.IsDisposed && e is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            return new ObjectDisposedException($"The channel to {_channel.Target} was disposed before {_method.Path} was done.", e);
        }

        return e is HttpRequestException or IOException or OperationCanceledException ? _failure = Failure(e) : null;
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

        return new GrpcException(GrpcStatusCode.Unavailable, $"The server at {_channel.Target} cannot be reached, or went away: {Reason(e)}", e);
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

    /// <summary>What says most: the cause of all, unless there are better words for it.</summary>
    private static string Reason(Exception e) => e.InnerException is { } inner && !(e is GrpcConnectException) ? Reason(inner) : e.Message;

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
