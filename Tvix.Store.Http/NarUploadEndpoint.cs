using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>Takes NARs. Nothing is visible of one before the narinfo comes that says what it is.</summary>
internal sealed class NarUploadEndpoint(TvixStore store, NarCatalog catalog, UploadJournal journal, NixBinaryCacheOptions options)
{
    private readonly long _maxNarSize = options.MaxNarSize;

    /// <summary>PUT of <c>nar/HASH.nar</c>, with a suffix for the compression or without.</summary>
    public async Task PutAsync(HttpContext http)
    {
        if (!BinaryCacheFileName.TryParseNar((string?)http.GetRouteValue("file"), out Sha256Digest fileHash, out string? suffix))
        {
            await Reply.RefuseAsync(http, StatusCodes.Status400BadRequest, "This is not the name of a NAR: 52 symbols, .nar, and maybe a suffix.").ConfigureAwait(false);
            return;
        }

        string? compression = NarCompression.FromSuffix(suffix);
        if (compression is null && suffix.Length > 0)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status415UnsupportedMediaType, $"NARs with the suffix '{suffix}' cannot be read.").ConfigureAwait(false);
            return;
        }

        if (http.Request.Headers.ContentEncoding.Count > 0)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status415UnsupportedMediaType, "A NAR cannot have a content encoding.").ConfigureAwait(false);
            return;
        }

        if (http.Request.ContentLength > _maxNarSize)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status413PayloadTooLarge, TooLong).ConfigureAwait(false);
            return;
        }

        LiftBodyLimit(http);
        (int status, string? reason) = await TakeAsync(http, fileHash, compression).ConfigureAwait(false);
        if (reason is null)
        {
            http.Response.StatusCode = status;
        }
        else
        {
            await Reply.RefuseAsync(http, status, reason).ConfigureAwait(false);
        }
    }

    private string TooLong => $"NARs may have {_maxNarSize} bytes.";

    /// <summary>The server's own limit is for requests of another kind; what is read here is counted.</summary>
    public static void LiftBodyLimit(HttpContext http)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
        {
            feature.MaxRequestBodySize = null;
        }
    }

    private async Task<(int Status, string? Reason)> TakeAsync(HttpContext http, Sha256Digest fileHash, string? compression)
    {
        MeasuredStream file = new(http.Request.Body, _maxNarSize, hash: true);
        await using (file.ConfigureAwait(false))
        {
            try
            {
                // Nix gives files with gzip the same name as those without compression.
                compression ??= NarCompression.Detect((await file.PeekAsync(NarCompression.DetectLength, http.RequestAborted).ConfigureAwait(false)).Span) ?? NarCompression.None;
                NarIngestResult nar = await IngestAsync(file, compression, fileHash, http.RequestAborted).ConfigureAwait(false);
                await file.CopyToAsync(Stream.Null, http.RequestAborted).ConfigureAwait(false); // a decoder may leave something, which the hash is over
                Sha256Digest actual = file.GetHash();
                if (actual != fileHash)
                {
                    return (StatusCodes.Status400BadRequest, $"The file hashes to {actual}, and not to what its name says.");
                }

                journal.Add(new Upload(fileHash, (ulong)file.Count, compression, nar.NarSha256, nar.NarSize, nar.Root));
                catalog.Remember(nar.NarSha256, nar.Root, nar.NarSize);
                return (StatusCodes.Status204NoContent, null);
            }
            catch (Exception e) when (e is NarFormatException or NarHashMismatchException or InvalidDataException)
            {
                return (StatusCodes.Status400BadRequest, e.Message);
            }
            catch (StreamTooLongException)
            {
                return (StatusCodes.Status413PayloadTooLarge, TooLong);
            }
            catch (PlatformNotSupportedException e)
            {
                return (StatusCodes.Status415UnsupportedMediaType, e.Message);
            }
        }
    }

    private async Task<NarIngestResult> IngestAsync(MeasuredStream file, string compression, Sha256Digest fileHash, CancellationToken cancellationToken)
    {
        if (compression == NarCompression.None)
        {
            return await store.IngestNarAsync(file, new NarIngestOptions { ExpectedSha256 = fileHash }, cancellationToken).ConfigureAwait(false);
        }

        Stream decompressed = NarCompression.OpenRead(file, compression, leaveOpen: true);
        await using (decompressed.ConfigureAwait(false))
        {
            MeasuredStream nar = new(decompressed, _maxNarSize, hash: false);
            await using (nar.ConfigureAwait(false))
            {
                return await store.IngestNarAsync(nar, cancellationToken: cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
