using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Primitives;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>One call, served over an HTTP/2 request. Source of the protocol: grpc.io, "gRPC over HTTP2".</summary>
internal sealed class GrpcHttpCall<TRequest, TResponse> : IGrpcServerContext, IGrpcResponseWriter<TResponse>, IDisposable
{
    private readonly HttpContext _http;
    private readonly GrpcServerMethod<TRequest, TResponse> _method;
    private readonly GrpcServerOptions _options;
    private readonly GrpcPipeFrameReader _reader;
    private readonly CancellationTokenSource _stop;
    private readonly ITimer? _deadlineTimer;
    private bool _deadlinePassed;
    private bool _compress;
    private bool _enumerated;

    private GrpcHttpCall(HttpContext http, GrpcServerMethod<TRequest, TResponse> method, GrpcServerOptions options, TimeSpan? timeout)
    {
        _http = http;
        _method = method;
        _options = options;
        _reader = new GrpcPipeFrameReader(http.Request.BodyReader, options.MaxReceiveMessageSize);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        if (timeout is { } time)
        {
            Deadline = options.TimeProvider.GetUtcNow() + time;
            _deadlineTimer = options.TimeProvider.CreateTimer(static state => ((GrpcHttpCall<TRequest, TResponse>)state!).OnDeadline(), this, time, Timeout.InfiniteTimeSpan);
        }

        foreach ((string key, StringValues values) in http.Request.Headers)
        {
            foreach (string? value in values)
            {
                RequestHeaders.AddReceived(key, value ?? "");
            }
        }
    }

    public GrpcMetadata RequestHeaders { get; } = new();

    public GrpcMetadata ResponseTrailers { get; } = new();

    public DateTimeOffset? Deadline { get; }

    public CancellationToken CancellationToken => _stop.Token;

    public static async Task ServeAsync(HttpContext http, GrpcServerMethod<TRequest, TResponse> method, GrpcServerOptions options)
    {
        if (!GrpcHttp.Accept(http))
        {
            return;
        }

        TimeSpan? timeout = null;
        if (http.Request.Headers.TryGetValue("grpc-timeout", out StringValues text))
        {
            if (!GrpcTimeout.TryParse(text.ToString(), out TimeSpan parsed))
            {
                await GrpcHttp.EndAsync(http, GrpcStatusCode.InvalidArgument, $"'{text}' is no timeout.").ConfigureAwait(false);
                return;
            }

            timeout = parsed;
        }

        using GrpcHttpCall<TRequest, TResponse> call = new(http, method, options, timeout);
        await call.ServeAsync().ConfigureAwait(false);
    }

    private async Task ServeAsync()
    {
        try
        {
            AcceptEncoding();
            if (_method.Method.IsClientStreaming)
            {
                LiftLimits();
            }

            await _method.Handler(ReadAllAsync(), this, this).ConfigureAwait(false);
            await EndAsync(GrpcStatusCode.Ok, "").ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            await FailAsync(e).ConfigureAwait(false);
        }
        catch (Exception e) when (_stop.IsCancellationRequested)
        {
            // Whatever the handler made of it: the cause is that nobody waits any more.
            await FailAsync(_deadlinePassed
                ? new GrpcException(GrpcStatusCode.DeadlineExceeded, "The deadline passed.", e)
                : new GrpcException(GrpcStatusCode.Cancelled, "The client gave up.", e)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ConnectionResetException or ConnectionAbortedException or BadHttpRequestException)
        {
            await FailAsync(new GrpcException(GrpcStatusCode.Cancelled, "The client went away.", e)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // The server answers each call, also one whose handler is broken.
            GrpcException? mapped = _options.MapException?.Invoke(e);
            if (mapped is null)
            {
                Log.HandlerFailed(Logger, e, _method.Path);
                mapped = new GrpcException(GrpcStatusCode.Unknown, "The server failed.", e);
            }

            await FailAsync(mapped).ConfigureAwait(false);
        }
    }

    private ILogger Logger => _http.RequestServices.GetService<ILoggerFactory>()?.CreateLogger("Tvix.Store.Grpc.Server") ?? NullLogger.Instance;

    public async ValueTask WriteAsync(TResponse message, CancellationToken cancellationToken = default)
    {
        _stop.Token.ThrowIfCancellationRequested();
        PipeWriter writer = _http.Response.BodyWriter;
        GrpcFrame.Write(_method.Method.Response, message, writer, _compress, _options.MaxSendMessageSize);
        FlushResult result = await writer.FlushAsync(cancellationToken.CanBeCanceled ? cancellationToken : _stop.Token).ConfigureAwait(false);
        if (result.IsCanceled || result.IsCompleted)
        {
            // The client does not read any more. The server need not have said so yet, so this does: it is no failure, and the handler need not go on.
            await _stop.CancelAsync().ConfigureAwait(false);
            throw new OperationCanceledException("The client does not take any more.", _stop.Token);
        }
    }

    public void Dispose()
    {
        _deadlineTimer?.Dispose();
        _stop.Dispose();
        _reader.Dispose();
    }

    private async IAsyncEnumerable<TRequest> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (_enumerated)
        {
            throw new InvalidOperationException("The requests of a call can be enumerated once.");
        }

        _enumerated = true;
        if (!_method.Method.IsClientStreaming)
        {
            // What is asked for counts once it has been said to the end: nothing is done for a client that breaks off before that.
            yield return Parse((await ReadMessageAsync(isOnly: true).ConfigureAwait(false))!.Value);
            yield break;
        }

        while (await ReadMessageAsync().ConfigureAwait(false) is { } bytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return Parse(bytes);
        }
    }

    /// <summary>The next message, or the only one; <see langword="null"/> after the last.</summary>
    private async ValueTask<ReadOnlySequence<byte>?> ReadMessageAsync(bool isOnly = false)
    {
        try
        {
            return isOnly ? await _reader.ReadSingleAsync(_stop.Token).ConfigureAwait(false) : await _reader.ReadAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            // The connection broke. That is no failure of the server's, and must not look like one of a store's files to the handler.
            await _stop.CancelAsync().ConfigureAwait(false);
            throw new OperationCanceledException("The client went away.", e, _stop.Token);
        }
    }

    private TRequest Parse(in ReadOnlySequence<byte> bytes)
    {
        try
        {
            return _method.Method.Request.Read(bytes);
        }
        catch (FormatException e)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, e.Message, e);
        }
    }

    private void AcceptEncoding()
    {
        string encoding = _http.Request.Headers["grpc-encoding"].ToString();
        _http.Response.Headers["grpc-accept-encoding"] = GrpcEncoding.Accepted;
        if (encoding is not ("" or GrpcEncoding.Identity or GrpcEncoding.Gzip))
        {
            throw new GrpcException(GrpcStatusCode.Unimplemented, $"Messages compressed with '{encoding}' are not understood.");
        }

        // Who compresses gets compressed answers.
        _reader.IsGzip = encoding == GrpcEncoding.Gzip;
        _compress = _reader.IsGzip && GrpcEncoding.Accepts(_http.Request.Headers["grpc-accept-encoding"], GrpcEncoding.Gzip);
        if (_compress)
        {
            _http.Response.Headers["grpc-encoding"] = GrpcEncoding.Gzip;
        }
    }

    /// <summary>A stream of messages may be of any length, and may pause.</summary>
    private void LiftLimits()
    {
        if (_http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        if (_http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }
    }

    private void OnDeadline()
    {
        Volatile.Write(ref _deadlinePassed, true);
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The call ended at the same instant.
        }
    }

    private async ValueTask FailAsync(GrpcException failure)
    {
        foreach ((string key, string value) in failure.Trailers)
        {
            ResponseTrailers.AddReceived(key, value);
        }

        Log.CallFailed(Logger, failure.InnerException, _method.Path, failure.StatusCode, failure.Message);
        await EndAsync(failure.StatusCode, failure.Message).ConfigureAwait(false);
    }

    private ValueTask EndAsync(GrpcStatusCode status, string message) => GrpcHttp.EndAsync(_http, status, message, ResponseTrailers);
}
