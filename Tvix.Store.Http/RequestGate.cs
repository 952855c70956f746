using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Tvix.Castore;
using Tvix.Store.Access;
using Tvix.Store.BinaryCaches;

namespace Tvix.Store.Http;

/// <summary>What all requests go through: who may make them, what becomes of failures, and a line in the log.</summary>
internal sealed class RequestGate(NixBinaryCacheOptions options, ILogger logger)
{
    /// <summary>How fast uploads must be on average, in bytes a second: any network is faster, as long as something comes.</summary>
    private const double SlowestUpload = 240;

    private readonly TimeSpan _patience = options.UploadPatience;
    private readonly AccessPolicy? _access = options.Access;
    private readonly bool _isReadOnly = options.IsReadOnly;
    private readonly Func<HttpContext, bool>? _isPublic = options.IsPublic;

    /// <summary>Puts the gate before a handler.</summary>
    /// <param name="needed">What the requests are about.</param>
    /// <param name="handler">Answers those that are let through.</param>
    public RequestDelegate Guard(StoreAccess needed, RequestDelegate handler) => http => HandleAsync(http, needed, handler);

    private async Task HandleAsync(HttpContext http, StoreAccess needed, RequestDelegate handler)
    {
        long start = Stopwatch.GetTimestamp();
        AccessGrant? grant = null;
        try
        {
            (string Reason, int Status)? refusal = Refuse(http, needed, out grant);
            if (refusal is null)
            {
                if (needed == StoreAccess.Write)
                {
                    LimitPatience(http);
                }

                await handler(http).ConfigureAwait(false);
            }
            else
            {
                await Reply.RefuseAsync(http, refusal.Value.Status, refusal.Value.Reason).ConfigureAwait(false);
            }
        }
        catch (BadHttpRequestException e)
        {
            // The body is too long, or not what its headers say; or it ended because the client did.
            await Reply.RefuseAsync(http, e.StatusCode, e.Message).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException && http.RequestAborted.IsCancellationRequested)
        {
            Log.RequestCut(logger, http.Request.Method, PathOf(http));
            http.Abort();
        }
        catch (IOException e) when (needed == StoreAccess.Write && !http.Response.HasStarted)
        {
            // What the store reads and writes fails otherwise, so this is the connection, such as a chunk that is no chunk.
            await Reply.RefuseAsync(http, StatusCodes.Status400BadRequest, $"What was sent could not be read: {e.Message}").ConfigureAwait(false);
        }
        catch (NotSupportedException e) when (needed == StoreAccess.Write)
        {
            Log.StoreFailed(logger, e, http.Request.Method, PathOf(http));
            await Reply.RefuseAsync(http, StatusCodes.Status403Forbidden, "The store cannot be written to.").ConfigureAwait(false);
        }
        catch (StorageException e) when (e.IsTransient)
        {
            Log.StoreUnavailable(logger, http.Request.Method, PathOf(http), e.Message); // what is transient needs no trace
            await Reply.RefuseAsync(http, StatusCodes.Status503ServiceUnavailable, "The store cannot answer now.").ConfigureAwait(false);
        }
        catch (RefusedStorePathException e)
        {
            // Where it was to come from has it, but not as it should be: for the client, it is not there.
            Log.Refused(logger, http.Request.Method, PathOf(http), e.Message);
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "What another cache has for this is refused.").ConfigureAwait(false);
        }
        catch (Exception e) when (e is CastoreException or TvixStoreException)
        {
            Log.StoreFailed(logger, e, http.Request.Method, PathOf(http));
            await Reply.RefuseAsync(http, StatusCodes.Status500InternalServerError, "The store failed.").ConfigureAwait(false);
        }
        catch (Exception) when (http.Response.HasStarted)
        {
            http.Abort(); // whatever it is, what was sent must not be taken for all of it
            throw;
        }
        finally
        {
            int status = http.Response.StatusCode;
            Log.RequestEnded(
                logger,
                status >= StatusCodes.Status500InternalServerError ? LogLevel.Warning : LogLevel.Information,
                http.Request.Method,
                PathOf(http),
                status,
                Stopwatch.GetElapsedTime(start).TotalMilliseconds,
                http.Connection.RemoteIpAddress?.ToString() ?? "local",
                grant is null ? "none" : grant.Name ?? "unnamed");
        }
    }

    /// <summary>Ends an upload that brings nothing more. Reads are not ended: clients stop reading while they write to a slow disk.</summary>
    private void LimitPatience(HttpContext http)
    {
        // With HTTP/2 this is a matter of connections, which others share.
        if (_patience != Timeout.InfiniteTimeSpan
            && (HttpProtocol.IsHttp11(http.Request.Protocol) || HttpProtocol.IsHttp10(http.Request.Protocol))
            && http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } feature)
        {
            feature.MinDataRate = new Microsoft.AspNetCore.Server.Kestrel.Core.MinDataRate(SlowestUpload, _patience);
        }
    }

    private (string Reason, int Status)? Refuse(HttpContext http, StoreAccess needed, out AccessGrant? grant)
    {
        grant = null;
        if (_isPublic?.Invoke(http) == true)
        {
            return needed == StoreAccess.Write ? ("Here, this cache can only be read.", StatusCodes.Status403Forbidden) : null;
        }

        AccessDecision decision = _access is null ? AccessDecision.Granted : _access.Decide(http.Request.Headers.Authorization, needed, out grant);
        switch (decision)
        {
            case AccessDecision.Unauthenticated:
                http.Response.Headers.Append(HeaderNames.WWWAuthenticate, "Basic realm=\"binary cache\", charset=\"UTF-8\"");
                http.Response.Headers.Append(HeaderNames.WWWAuthenticate, "Bearer realm=\"binary cache\"");
                return (http.Request.Headers.Authorization.Count == 0 ? "This needs a token." : "The token is not known.", StatusCodes.Status401Unauthorized);
            case AccessDecision.Denied:
                return ("The token allows reading only.", StatusCodes.Status403Forbidden);
        }

        return needed == StoreAccess.Write && _isReadOnly ? ("This cache is read-only.", StatusCodes.Status403Forbidden) : null;
    }

    /// <summary>The path as it was on the wire: without line ends that would make lines of their own in a log, and without a query.</summary>
    private static string PathOf(HttpContext http) => (http.Request.PathBase + http.Request.Path).ToUriComponent();
}
