using System.Net;
using System.Net.Http.Headers;
using Tvix.Castore;

namespace Tvix.Store.BinaryCaches;

/// <summary>A body that is being received, and received further from where it was when the connection breaks. Used by one caller at a time.</summary>
internal sealed class HttpDownload : ForwardReadStream
{
    private readonly HttpBinaryCacheFiles _files;
    private readonly Uri _uri;
    private readonly long? _length;
    private readonly EntityTagHeaderValue? _tag;
    private readonly bool _canResume;
    private HttpResponseMessage _response;
    private Stream _body;
    private long _position;
    private int _failures;

    private HttpDownload(HttpBinaryCacheFiles files, Uri uri, HttpResponseMessage response, Stream body)
    {
        _files = files;
        _uri = uri;
        _response = response;
        _body = body;
        _length = response.Content.Headers.ContentLength;
        _tag = response.Headers.ETag is { IsWeak: false } tag ? tag : null;
        _canResume = response.Headers.AcceptRanges.Contains("bytes") && response.Content.Headers.ContentEncoding.Count == 0;
    }

    public static async ValueTask<HttpDownload> OpenAsync(HttpBinaryCacheFiles files, Uri uri, HttpResponseMessage response, CancellationToken cancellationToken) =>
        new(files, uri, response, await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            try
            {
                int count = await ReadOnceAsync(buffer, cancellationToken).ConfigureAwait(false);
                if (count > 0)
                {
                    _position += count;
                    _failures = 0;
                    return count;
                }

                if (buffer.Length == 0 || _length is null || _position >= _length)
                {
                    return 0;
                }

                throw new HttpIOException(HttpRequestError.ResponseEnded, $"it ended after {_position} of {_length} bytes");
            }
            catch (Exception e) when (e is IOException or HttpRequestException or TimeoutException && !cancellationToken.IsCancellationRequested)
            {
                if (!_canResume || _failures == _files.Options.Retries)
                {
                    throw new IOException($"GET {_uri} broke off: {e.Message}", e);
                }

                _failures++;
                await ResumeAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _body.Dispose();
            _response.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadOnceAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource pause = new(_files.Options.Timeout, _files.Options.TimeProvider);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, pause.Token);
        try
        {
            return await _body.ReadAsync(buffer, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (pause.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"nothing came for {_files.Options.Timeout.TotalSeconds:0.#} s");
        }
    }

    private async ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        Dispose(true);
        HttpResponseMessage? response = await _files.GetAsync(_uri, _position, _tag, cancellationToken).ConfigureAwait(false);
        if (response is null || (_position > 0 && !IsContinuation(response)))
        {
            response?.Dispose();
            throw new IOException($"GET {_uri} broke off after {_position} bytes, and what comes then cannot be had.");
        }

        _response = response;
        _body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether a response is what follows, and of the same file as before.</summary>
    private bool IsContinuation(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.PartialContent
        && response.Content.Headers.ContentRange is { } range
        && range.From == _position
        && (_length is null || range.Length is null || range.Length == _length)
        && (_tag is null || response.Headers.ETag is null || _tag.Equals(response.Headers.ETag));
}
