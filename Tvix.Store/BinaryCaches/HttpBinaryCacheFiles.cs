using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;
using Tvix.Castore;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>The files of a binary cache that is served over HTTP.</summary>
/// <remarks>
/// <para>Failures of the connection, statuses from 500, 408 and 429 are tried again after a while, which the server may choose (<c>Retry-After</c>); when nearly everything fails,
/// requests are not even made for a time. A download that breaks off goes on where it was, if the server can do that.</para>
/// <para>Statuses 401, 403, 404 and 410 mean that there is no such file, as caches use them. Redirections are followed, but never from HTTPS to HTTP. The token and the headers go
/// to the server of the cache only, wherever it points to; a password of a netrc file also to another server that the file names. A content coding (gzip, br, zstd, xz) is undone;
/// none is asked for.</para>
/// </remarks>
public sealed class HttpBinaryCacheFiles : IBinaryCacheFiles, IDisposable
{
    private const int MaxReasonLength = 200;
    private const int MaxRedirections = 10;
    private const double FailureRatio = 0.9;

    private readonly Uri _base;
    private readonly HttpBinaryCacheOptions _options;
    private readonly HttpMessageInvoker _invoker;
    private readonly HttpMessageHandler? _handler;
    private readonly ResiliencePipeline<HttpResponseMessage> _requests;
    private readonly ResiliencePipeline<HttpResponseMessage> _uploads;

    /// <summary>Makes it. Nothing is asked yet.</summary>
    /// <param name="baseUrl">The URL that the files are under, with a slash at the end or without. What it has as user information is sent as user and password.</param>
    /// <param name="options">How the server is asked; <see langword="null"/> for the defaults.</param>
    /// <exception cref="ArgumentException">The URL is not absolute, not of HTTP, or has a query; or an option is out of range.</exception>
    public HttpBinaryCacheFiles(Uri baseUrl, HttpBinaryCacheOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(baseUrl);
        if (!baseUrl.IsAbsoluteUri || baseUrl.Scheme is not ("http" or "https") || baseUrl.Query.Length > 0 || baseUrl.Fragment.Length > 0)
        {
            throw new ArgumentException("The URL of a binary cache is absolute, of HTTP, and has neither a query nor a fragment.", nameof(baseUrl));
        }

        // What is relative to a URL without the slash would be relative to its parent.
        UriBuilder builder = new(baseUrl);
        builder.Path = builder.Path.EndsWith('/') ? builder.Path : builder.Path + "/";
        UserInfo = builder.UserName.Length > 0 ? new NetworkCredential(Uri.UnescapeDataString(builder.UserName), Uri.UnescapeDataString(builder.Password)) : null;
        builder.UserName = builder.Password = "";
        _base = builder.Uri;
        _options = (options ?? new HttpBinaryCacheOptions()).Validated();
        if (_options.Invoker is null)
        {
            _handler = new SocketsHttpHandler
            {
                AllowAutoRedirect = false, // it would take the headers along
                AutomaticDecompression = DecompressionMethods.None,
                ConnectTimeout = _options.ConnectTimeout,
                PooledConnectionLifetime = TimeSpan.FromMinutes(5), // so that a change of the server's address is seen
                UseCookies = false,
            };
        }

        _invoker = _options.Invoker ?? new HttpMessageInvoker(_handler!);
        _requests = MakePipeline(withTimeout: true);
        _uploads = MakePipeline(withTimeout: false); // a breaker of its own: a server may be read-only; and no limit for the whole
    }

    /// <inheritdoc/>
    public string Location => _base.AbsoluteUri;

    internal HttpBinaryCacheOptions Options => _options;

    private NetworkCredential? UserInfo { get; }

    /// <inheritdoc/>
    public async ValueTask<Stream?> OpenAsync(string path, CancellationToken cancellationToken = default)
    {
        Uri uri = Resolve(path);
        HttpResponseMessage? response = await GetAsync(uri, from: 0, null, cancellationToken).ConfigureAwait(false);
        if (response is null)
        {
            return null;
        }

        HttpDownload download = await HttpDownload.OpenAsync(this, uri, response, cancellationToken).ConfigureAwait(false);
        string[] codings = [.. response.Content.Headers.ContentEncoding.Where(coding => !coding.Equals("identity", StringComparison.OrdinalIgnoreCase))];
        try
        {
            return codings switch
            {
                [] => download,
                [{ } coding] => NarCompression.OpenRead(download, coding is "x-gzip" ? NarCompression.Gzip : coding),
                _ => throw new NotSupportedException($"Several content codings cannot be undone: {string.Join(", ", codings)}."),
            };
        }
        catch (NotSupportedException e)
        {
            await download.DisposeAsync().ConfigureAwait(false);
            throw new StorageException($"{uri} cannot be read. {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> HasAsync(string path, CancellationToken cancellationToken = default)
    {
        Uri uri = Resolve(path);
        using HttpResponseMessage response = await SendAsync(_requests, "HEAD", uri, at => new HttpRequestMessage(HttpMethod.Head, at), cancellationToken).ConfigureAwait(false);
        return !IsAbsent(response.StatusCode) && (response.IsSuccessStatusCode ? true : throw await FailedAsync("HEAD", uri, response, cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The server does not allow it: it answers 405 or 501.</exception>
    public async ValueTask PutAsync(string path, string contentType, BinaryCacheContents contents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        Uri uri = Resolve(path);
        SemaphoreSlim writing = new(1, 1); // not disposed: what was given up may still release it
        HttpRequestMessage MakeRequest(Uri at)
        {
            HttpRequestMessage request = new(HttpMethod.Put, at) { Content = new WrittenContent(contents, writing, cancellationToken) };
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
            request.Headers.ExpectContinue = true; // nothing large is sent to a server that does not want it
            return request;
        }

        using HttpResponseMessage response = await SendAsync(_uploads, "PUT", uri, MakeRequest, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode is HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented)
        {
            throw new NotSupportedException($"{Location} cannot be written to: it answers with {(int)response.StatusCode}.");
        }

        if (!response.IsSuccessStatusCode)
        {
            throw await FailedAsync("PUT", uri, response, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Not supported: such a cache has no list.</summary>
    public IAsyncEnumerable<StorePathDigest> ListAsync(CancellationToken cancellationToken = default) =>
        throw new NotSupportedException($"{Location} is a binary cache over HTTP, which has no list of its store paths.");

    /// <summary>Closes connections, unless the sender of requests is the caller's.</summary>
    public void Dispose()
    {
        _handler?.Dispose();
    }

    /// <summary>Asks for a file, or what follows a part of it.</summary>
    /// <returns>A response whose body was not read; <see langword="null"/> when there is no such file.</returns>
    internal async ValueTask<HttpResponseMessage?> GetAsync(Uri uri, long from, EntityTagHeaderValue? tag, CancellationToken cancellationToken)
    {
        HttpRequestMessage MakeRequest(Uri at)
        {
            HttpRequestMessage request = new(HttpMethod.Get, at);
            if (from > 0)
            {
                request.Headers.Range = new RangeHeaderValue(from, null);
                request.Headers.IfRange = tag is null ? null : new RangeConditionHeaderValue(tag);
            }

            return request;
        }

        HttpResponseMessage response = await SendAsync(_requests, "GET", uri, MakeRequest, cancellationToken).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            return IsAbsent(response.StatusCode) ? null : throw await FailedAsync("GET", uri, response, cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsAbsent(HttpStatusCode status) =>
        status is HttpStatusCode.NotFound or HttpStatusCode.Gone or HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized;

    private static bool IsWorthRepeating(HttpResponseMessage response) =>
        response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests
        || (response.StatusCode >= HttpStatusCode.InternalServerError && response.StatusCode != HttpStatusCode.NotImplemented);

    private ResiliencePipeline<HttpResponseMessage> MakePipeline(bool withTimeout)
    {
        PredicateBuilder<HttpResponseMessage> failed = new PredicateBuilder<HttpResponseMessage>()
            .Handle<HttpRequestException>()
            .Handle<HttpIOException>()
            .Handle<TimeoutRejectedException>()
            .HandleResult(IsWorthRepeating);
        ResiliencePipelineBuilder<HttpResponseMessage> builder = new() { TimeProvider = _options.TimeProvider };
        if (_options.Retries > 0)
        {
            builder.AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = failed,
                MaxRetryAttempts = _options.Retries,
                Delay = _options.RetryDelay,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                MaxDelay = _options.Timeout,
                DelayGenerator = arguments => new ValueTask<TimeSpan?>(RetryAfter(arguments.Outcome.Result)),
                OnRetry = static arguments =>
                {
                    arguments.Outcome.Result?.Dispose();
                    return default;
                },
            });
        }

        if (_options.BreakDuration > TimeSpan.Zero)
        {
            builder.AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = failed,
                FailureRatio = FailureRatio,
                MinimumThroughput = _options.BreakAfter,
                SamplingDuration = TimeSpan.FromSeconds(30),
                BreakDuration = _options.BreakDuration,
            });
        }

        if (withTimeout)
        {
            builder.AddTimeout(_options.Timeout);
        }

        return builder.Build();
    }

    /// <summary>How long the server wants to be left alone, if that is not unreasonable.</summary>
    private TimeSpan? RetryAfter(HttpResponseMessage? response)
    {
        TimeSpan? wait = response?.Headers.RetryAfter is { } after ? after.Delta ?? (after.Date - _options.TimeProvider.GetUtcNow()) : null;
        return wait > TimeSpan.Zero ? TimeSpan.FromTicks(Math.Min(wait.Value.Ticks, _options.Timeout.Ticks)) : null;
    }

    private Uri Resolve(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Uri.TryCreate(_base, path, out Uri? uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new StorageException($"{Location} says that a file is at '{path}', which is no URL of HTTP.");
    }

    private async ValueTask<HttpResponseMessage> SendAsync(
        ResiliencePipeline<HttpResponseMessage> pipeline, string method, Uri uri, Func<Uri, HttpRequestMessage> makeRequest, CancellationToken cancellationToken)
    {
        try
        {
            return await pipeline.ExecuteAsync(
                token => SendOnceAsync(uri, makeRequest, token), cancellationToken).ConfigureAwait(false);
        }
        catch (BrokenCircuitException e)
        {
            throw new StorageException($"{method} {uri} was not tried: requests to {Location} have failed lately.", e, isTransient: true);
        }
        catch (TimeoutRejectedException e)
        {
            throw new StorageException($"{method} {uri}: there was no answer within {_options.Timeout.TotalSeconds:0.#} s.", e, isTransient: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
        {
            throw new StorageException($"{method} {uri} failed: {e.Message}", e, isTransient: true);
        }
    }

    /// <summary>Sends a request, and again to where it is sent on.</summary>
    private async ValueTask<HttpResponseMessage> SendOnceAsync(Uri uri, Func<Uri, HttpRequestMessage> makeRequest, CancellationToken cancellationToken)
    {
        Uri at = uri;
        for (int i = 0; ; i++)
        {
            HttpRequestMessage request = makeRequest(at);
            try
            {
                await AuthorizeAsync(request, cancellationToken).ConfigureAwait(false);
                HttpResponseMessage response = await (request.Content is WrittenContent body
                    ? SendUploadAsync(request, body, cancellationToken)
                    : SendCoreAsync(request, cancellationToken)).ConfigureAwait(false);
                if (i == MaxRedirections || NextOf(response, at) is not { } next)
                {
                    return response;
                }

                response.Dispose();
                at = next;
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new HttpRequestException(e.InnerException?.Message ?? e.Message, e); // the sender has a time limit of its own
            }
        }
    }

    /// <summary>Sends a request whose body may take long, unless neither the body nor the answer gets any further.</summary>
    private async Task<HttpResponseMessage> SendUploadAsync(HttpRequestMessage request, WrittenContent body, CancellationToken cancellationToken)
    {
        using CancellationTokenSource pause = new(_options.Timeout, _options.TimeProvider);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, pause.Token);
        body.Moved = () => pause.CancelAfter(_options.Timeout);
        try
        {
            return await SendCoreAsync(request, stop.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (pause.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutRejectedException(e.Message, _options.Timeout, e);
        }
        finally
        {
            body.Moved = null;
        }
    }

    private Task<HttpResponseMessage> SendCoreAsync(HttpRequestMessage request, CancellationToken cancellationToken) => _invoker is HttpClient client
        ? client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken) // or else it would read all of a NAR into memory
        : _invoker.SendAsync(request, cancellationToken);

    /// <summary>Where a response says that the request is to be made; <see langword="null"/> when it is an answer.</summary>
    private static Uri? NextOf(HttpResponseMessage response, Uri at) =>
        (response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
            || (response.StatusCode == HttpStatusCode.SeeOther && response.RequestMessage?.Method != HttpMethod.Put))
        && response.Headers.Location is { } location
        && Uri.TryCreate(at, location, out Uri? next)
        && (next.Scheme == at.Scheme || next.Scheme == Uri.UriSchemeHttps)
            ? next
            : null;

    private async ValueTask AuthorizeAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Uri uri = request.RequestUri!;
        bool isOurs = uri.Scheme == _base.Scheme && uri.Authority == _base.Authority;
        if (isOurs)
        {
            foreach ((string name, string value) in _options.Headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        if (isOurs && _options.BearerToken is { } token && await token(cancellationToken).ConfigureAwait(false) is { } bearer)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        }
        else if (CredentialFor(uri, isOurs) is { } credential)
        {
            request.Headers.Authorization =
                new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credential.UserName}:{credential.Password}")));
        }
    }

    private NetworkCredential? CredentialFor(Uri uri, bool isOurs) =>
        isOurs && UserInfo is not null ? UserInfo
        : _options.NetrcFile is not { } netrc ? null
        : isOurs ? Netrc.Read(netrc).Find(uri.Host)
        : uri.Scheme == Uri.UriSchemeHttps || _base.Scheme != Uri.UriSchemeHttps ? Netrc.Read(netrc).FindNamed(uri.Host)
        : null; // the cache is not to choose a server for what is meant for all, nor to have it sent in the clear

    /// <summary>What a status means that is no success, with the reason that the server gives.</summary>
    private static async ValueTask<StorageException> FailedAsync(string method, Uri uri, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string reason = "";
        try
        {
            byte[] start = new byte[MaxReasonLength];
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            int count = method == "HEAD" ? 0 : await body.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            reason = new string([.. Encoding.UTF8.GetString(start, 0, count).Trim().Select(c => char.IsControl(c) ? ' ' : c)]);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            // The status has to do.
        }

        return new StorageException(
            $"{method} {uri}: the server answers {(int)response.StatusCode}{(reason.Length > 0 ? ": " + reason : ".")}", isTransient: IsWorthRepeating(response));
    }

    /// <summary>A body that is written when it is sent, and not while that of an earlier attempt still is.</summary>
    private sealed class WrittenContent(BinaryCacheContents contents, SemaphoreSlim writing, CancellationToken stop) : HttpContent
    {
        /// <summary>Is told of each piece that was written.</summary>
        public Action? Moved { get; set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, stop);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await contents.WriteAsync(new WatchedStream(stream, this), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                writing.Release();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = contents.Length;
            return true;
        }
    }

    /// <summary>Writes into another stream, and tells how it gets on.</summary>
    private sealed class WatchedStream(Stream inner, WrittenContent body) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await inner.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            body.Moved?.Invoke();
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            ValidateBufferArguments(buffer, offset, count);
            return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
        }

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Use WriteAsync.");

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
