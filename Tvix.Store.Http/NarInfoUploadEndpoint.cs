using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http;

/// <summary>Takes narinfos, with which uploaded NARs become store paths, and listings, which are made from the store anyhow.</summary>
internal sealed class NarInfoUploadEndpoint(
    TvixStore store, KnownPaths paths, StoreDirectory storeDirectory, NarCatalog catalog, UploadJournal journal, NixBinaryCacheOptions options)
{
    private const int MaxListingSize = 64 << 20;

    /// <summary>How many signatures a store path may have; each upload of its narinfo can add some.</summary>
    private const int MaxSignatures = 64;

    private readonly int _maxNarInfoSize = options.MaxNarInfoSize;
    private readonly TrustedKeys? _trustedKeys = options.TrustedKeys;
    private readonly bool _requireReferences = options.RequireReferences;
    private readonly SemaphoreSlim _oneAtATime = new(1, 1); // between looking what is there and writing, so that no signature is lost

    /// <summary>PUT of <c>HASH.ls</c>.</summary>
    public async Task PutListingAsync(HttpContext http)
    {
        MeasuredStream body = new(http.Request.Body, MaxListingSize, hash: false);
        await using (body.ConfigureAwait(false))
        {
            try
            {
                NarUploadEndpoint.LiftBodyLimit(http);
                await body.CopyToAsync(Stream.Null, http.RequestAborted).ConfigureAwait(false);
                http.Response.StatusCode = StatusCodes.Status204NoContent;
            }
            catch (StreamTooLongException)
            {
                await Reply.RefuseAsync(http, StatusCodes.Status413PayloadTooLarge, $"Listings may have {MaxListingSize} bytes.").ConfigureAwait(false);
            }
        }
    }

    /// <summary>PUT of <c>HASH.narinfo</c>.</summary>
    public async Task PutNarInfoAsync(HttpContext http)
    {
        (int status, string? reason) = await TakeAsync(http).ConfigureAwait(false);
        if (reason is null)
        {
            http.Response.StatusCode = status;
        }
        else
        {
            await Reply.RefuseAsync(http, status, reason).ConfigureAwait(false);
        }
    }

    private async Task<(int Status, string? Reason)> TakeAsync(HttpContext http)
    {
        if (!StorePathDigest.TryParse((string?)http.GetRouteValue("hash"), out StorePathDigest digest))
        {
            return Bad("This is not the hash part of a store path.");
        }

        NarInfo narInfo;
        try
        {
            narInfo = NarInfo.Parse(await ReadAsync(http).ConfigureAwait(false), storeDirectory);
        }
        catch (StreamTooLongException)
        {
            return (StatusCodes.Status413PayloadTooLarge, $"A narinfo may have {_maxNarInfoSize} bytes.");
        }
        catch (NotSupportedException e)
        {
            return (StatusCodes.Status415UnsupportedMediaType, e.Message);
        }
        catch (Exception e) when (e is NarInfoFormatException or InvalidDataException)
        {
            return Bad(e.Message);
        }

        if (narInfo.StorePath.Digest != digest)
        {
            return Bad($"The narinfo is of {narInfo.StorePath}, and not of what the URL says.");
        }

        (Node? root, string? reason) = await FindContentsAsync(narInfo, http.RequestAborted).ConfigureAwait(false);
        reason ??= await CheckReferencesAsync(narInfo, http.RequestAborted).ConfigureAwait(false);
        reason ??= await CheckContentAddressAsync(narInfo, root!, http.RequestAborted).ConfigureAwait(false);
        if (reason is not null)
        {
            return Bad(reason);
        }

        // Who has the contents that a path is named after needs nobody's word for it.
        if (_trustedKeys is not null && narInfo.ContentAddress is null && !_trustedKeys.Accepts(narInfo.GetFingerprint(storeDirectory), narInfo.Signatures))
        {
            return (StatusCodes.Status403Forbidden, "The narinfo is not signed with a key that this cache trusts.");
        }

        return await PutAsync(PathInfo.FromNarInfo(narInfo, root!), http.RequestAborted).ConfigureAwait(false);
    }

    private static (int Status, string? Reason) Bad(string reason) => (StatusCodes.Status400BadRequest, reason);

    /// <exception cref="StreamTooLongException">It is too long.</exception>
    /// <exception cref="InvalidDataException">It is not encoded as it says.</exception>
    /// <exception cref="NotSupportedException">It is encoded in another way than compressions of NARs.</exception>
    private async ValueTask<byte[]> ReadAsync(HttpContext http)
    {
        string encoding = http.Request.Headers.ContentEncoding.ToString();
        encoding = encoding is "" or "identity" ? NarCompression.None : encoding;
        MeasuredStream file = new(http.Request.Body, _maxNarInfoSize, hash: false);
        await using (file.ConfigureAwait(false))
        {
            Stream decoded = NarCompression.OpenRead(file, encoding, leaveOpen: true);
            await using (decoded.ConfigureAwait(false))
            {
                MeasuredStream text = new(decoded, _maxNarInfoSize, hash: false);
                await using (text.ConfigureAwait(false))
                {
                    using MemoryStream bytes = new();
                    await text.CopyToAsync(bytes, http.RequestAborted).ConfigureAwait(false);
                    return bytes.ToArray();
                }
            }
        }
    }

    /// <summary>Finds the contents that were uploaded, and compares what is said of them.</summary>
    private async ValueTask<(Node? Root, string? Reason)> FindContentsAsync(NarInfo narInfo, CancellationToken cancellationToken)
    {
        string name = narInfo.Url[(narInfo.Url.LastIndexOf('/') + 1)..];
        Upload? file = BinaryCacheFileName.TryParseNar(name, out Sha256Digest fileHash, out _)
            ? await journal.FindAsync(fileHash, cancellationToken).ConfigureAwait(false)
            : null;
        if (file is not null)
        {
            if (file.NarHash != narInfo.NarHash || file.NarSize != narInfo.NarSize)
            {
                return (null, $"The NAR that was uploaded has {file.NarSize} bytes and {file.NarHash}, and not {narInfo.NarSize} and {narInfo.NarHash}.");
            }

            if ((narInfo.FileHash ?? file.FileHash) != file.FileHash || (narInfo.FileSize ?? file.FileSize) != file.FileSize)
            {
                return (null, $"The file that was uploaded has {file.FileSize} bytes and {file.FileHash}, and not {narInfo.FileSize} and {narInfo.FileHash}.");
            }

            if (narInfo.Compression != file.Compression)
            {
                return (null, $"The file that was uploaded has the compression '{file.Compression}', and not '{narInfo.Compression}'.");
            }
        }

        // Without a file that was uploaded, it is said anew of what is there, as when a signature is added.
        Node? root = file?.Root ?? (await journal.FindAsync(narInfo.NarHash, cancellationToken).ConfigureAwait(false))?.Root;
        if (root is null)
        {
            PathInfo? known = await paths.FindAsync(narInfo.StorePath.Digest, cancellationToken).ConfigureAwait(false);
            root = known?.NarHash == narInfo.NarHash ? known.Node : null;
        }

        if (root is null)
        {
            return (null, "The NAR was not uploaded, or too long ago.");
        }

        NarLookup check = await catalog.CheckAsync(root, narInfo.NarSize, cancellationToken).ConfigureAwait(false);
        return check.Tree is null ? (null, $"The NAR must be uploaded again. {check.Reason}") : (root, null);
    }

    /// <returns>What is wrong; <see langword="null"/> when nothing is.</returns>
    private async ValueTask<string?> CheckReferencesAsync(NarInfo narInfo, CancellationToken cancellationToken)
    {
        foreach (StorePath reference in _requireReferences ? narInfo.References.Distinct() : [])
        {
            if (reference != narInfo.StorePath && !await paths.HasAsync(reference, cancellationToken).ConfigureAwait(false))
            {
                return $"It refers to {reference}, which is not in this cache.";
            }
        }

        return null;
    }

    /// <returns>What is wrong; <see langword="null"/> when nothing is.</returns>
    private async ValueTask<string?> CheckContentAddressAsync(NarInfo narInfo, Node root, CancellationToken cancellationToken)
    {
        if (narInfo.ContentAddress is not { } address)
        {
            return null;
        }

        bool self = narInfo.References.Contains(narInfo.StorePath);
        if (!ContentAddressedPath.IsOf(narInfo, storeDirectory))
        {
            return $"The content address {address} is not that of {narInfo.StorePath}.";
        }

        if (address.Kind == ContentAddressKind.Nar && !self && address.Hash == narInfo.NarHash.ToNixHash())
        {
            return null;
        }

        using ContentAddressCheck check = ContentAddressCheck.Create(address, self ? narInfo.StorePath.Digest : null)!;
        NarHasher hasher = new(check.IsOfNar ? check.Append : null);
        await using (hasher.ConfigureAwait(false))
        {
            if (check.IsOfNar)
            {
                await new NarRenderer(store.Blobs, store.Directories).RenderAsync(root, hasher, cancellationToken).ConfigureAwait(false);
                await hasher.FinishAsync(cancellationToken).ConfigureAwait(false);
            }
            else if (root is Node.File)
            {
                Stream contents = (await store.OpenFileAsync(root, "", cancellationToken).ConfigureAwait(false))!;
                await using (contents.ConfigureAwait(false))
                {
                    byte[] piece = new byte[64 << 10];
                    for (int count; (count = await contents.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0;)
                    {
                        check.Append(piece.AsSpan(0, count));
                    }
                }
            }

            try
            {
                check.Check(root);
                return null;
            }
            catch (NarHashMismatchException e)
            {
                return e.Message;
            }
        }
    }

    private async ValueTask<(int Status, string? Reason)> PutAsync(PathInfo info, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            PathInfo? known = await paths.FindAsync(info.StorePath.Digest, cancellationToken).ConfigureAwait(false);
            if (known is not null)
            {
                if (known.StorePath != info.StorePath || known.NarHash != info.NarHash || !known.References.SequenceEqual(info.References))
                {
                    return (StatusCodes.Status409Conflict, $"{known.StorePath} is here already, with other contents or references.");
                }

                info = info with
                {
                    Node = known.Node,
                    Signatures = [.. known.Signatures.Concat(info.Signatures).Distinct()],
                    Deriver = known.Deriver ?? info.Deriver,
                    ContentAddress = known.ContentAddress ?? info.ContentAddress,
                };
            }

            if (info.Signatures.Count > MaxSignatures)
            {
                return Bad($"A store path may have {MaxSignatures} signatures.");
            }

            if (info != known)
            {
                catalog.Remember(await store.PathInfos.PutAsync(info, cancellationToken).ConfigureAwait(false));
            }

            return (StatusCodes.Status204NoContent, null);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }
}
