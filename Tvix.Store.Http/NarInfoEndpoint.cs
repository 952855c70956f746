using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http;

/// <summary>Serves what is known of store paths: narinfos, and listings of their NARs.</summary>
internal sealed class NarInfoEndpoint(TvixStore store, KnownPaths paths, StoreDirectory storeDirectory, NarCatalog catalog, NixBinaryCacheOptions options)
{
    public const string ContentType = "text/x-nix-narinfo";

    private readonly SigningKey[] _signingKeys = [.. options.SigningKeys];
    private readonly NarUrlStyle _urls = options.NarUrls;
    private readonly bool _compress = options.NarCompression == NarCompression.Zstd;
    private readonly int _maxListingNodes = options.MaxListingNodes;

    /// <summary>GET and HEAD of <c>HASH.narinfo</c>. Fetches no contents.</summary>
    public async Task GetNarInfoAsync(HttpContext http)
    {
        if (await DigestOf(http).ConfigureAwait(false) is not { } digest)
        {
            return;
        }

        byte[] text;
        if (await paths.FindAsync(digest, http.RequestAborted).ConfigureAwait(false) is { } info)
        {
            catalog.Remember(info);
            text = Render(info);
        }
        else if (await paths.GetNarInfoAsync(digest, http.RequestAborted).ConfigureAwait(false) is { } narInfo)
        {
            text = Render(narInfo);
        }
        else
        {
            await RefuseAsync(http).ConfigureAwait(false);
            return;
        }

        string tag = $"\"narinfo-{Base64Url.EncodeToString(SHA256.HashData(text))}\"";
        await Reply.SendTaggedAsync(http, text, ContentType, tag, Reply.Revalidate).ConfigureAwait(false);
    }

    /// <summary>GET and HEAD of <c>HASH.ls</c>.</summary>
    public async Task GetListingAsync(HttpContext http)
    {
        if (await FindAsync(http).ConfigureAwait(false) is not { } info)
        {
            return;
        }

        byte[] json;
        try
        {
            json = (await NarListing.CreateAsync(info.Node, store.Directories, _maxListingNodes, http.RequestAborted).ConfigureAwait(false)).ToUtf8Json();
        }
        catch (NotSupportedException)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "There is no listing: a name or target is not UTF-8.").ConfigureAwait(false);
            return;
        }
        catch (InvalidOperationException)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, $"There is no listing: there are more than {_maxListingNodes} files.").ConfigureAwait(false);
            return;
        }

        await Reply.SendTaggedAsync(http, json, "application/json", NarTree.Tag("ls", info.Node), Reply.Revalidate).ConfigureAwait(false);
    }

    /// <summary>The path info that the request is about, with its contents; <see langword="null"/> when there is none, and it was answered.</summary>
    private async ValueTask<PathInfo?> FindAsync(HttpContext http)
    {
        if (await DigestOf(http).ConfigureAwait(false) is not { } digest)
        {
            return null;
        }

        PathInfo? info = await paths.FetchAsync(digest, http.RequestAborted).ConfigureAwait(false);
        if (info is null)
        {
            await RefuseAsync(http).ConfigureAwait(false);
        }

        return info;
    }

    /// <summary>What store path the request is about; <see langword="null"/> when that makes no sense, and it was answered.</summary>
    private static async ValueTask<StorePathDigest?> DigestOf(HttpContext http)
    {
        if (StorePathDigest.TryParse((string?)http.GetRouteValue("hash"), out StorePathDigest digest))
        {
            return digest;
        }

        await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This is not the hash part of a store path.").ConfigureAwait(false);
        return null;
    }

    private static Task RefuseAsync(HttpContext http) =>
        Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This cache does not have the store path.");

    private byte[] Render(PathInfo info) => Render(info.ToNarInfo("-"), UrlOf(info), _compress);

    /// <summary>The narinfo of what is to be fetched when it is asked for.</summary>
    private byte[] Render(NarInfo narInfo) => Render(narInfo, UrlByHash(narInfo.NarHash, narInfo.StorePath), isCompressed: false);

    private byte[] Render(NarInfo text, string url, bool isCompressed)
    {
        IEnumerable<NarSignature> signatures = text.Signatures;
        if (_signingKeys.Length > 0)
        {
            byte[] fingerprint = text.GetFingerprint(storeDirectory);
            signatures = signatures.Concat(_signingKeys.Select(key => key.Sign(fingerprint))).Distinct();
        }

        // Where the file is the NAR: without the size, clients show no progress; without the hash, Nix cannot sign what is in a cache. Of a compressed one, neither is known before it is sent.
        return new NarInfo
        {
            StorePath = text.StorePath,
            Url = url,
            Compression = isCompressed ? NarCompression.Zstd : NarCompression.None,
            FileHash = isCompressed ? null : text.NarHash,
            FileSize = isCompressed ? null : text.NarSize,
            NarHash = text.NarHash,
            NarSize = text.NarSize,
            References = text.References,
            Deriver = text.Deriver,
            Signatures = [.. signatures],
            ContentAddress = text.ContentAddress,
        }.ToUtf8(storeDirectory);
    }

    private string UrlOf(PathInfo info)
    {
        string url = _urls switch
        {
            NarUrlStyle.NarHash => UrlByHash(info.NarHash, info.StorePath),
            NarUrlStyle.SnixCastore => $"nar/snix-castore/{Base64Url.EncodeToString(DirectoryCodec.EncodeNode(default, info.Node))}?narsize={info.NarSize}",
            _ => BinaryCacheFileName.FormatCastoreNar(info.Node, info.NarSize),
        };
        return _compress ? url.Replace(_urls == NarUrlStyle.NarHash ? ".nar?" : "?", BinaryCacheFileName.ZstdNarExtension + "?", StringComparison.Ordinal) : url;
    }

    private static string UrlByHash(Sha256Digest narHash, StorePath path) => $"nar/{BinaryCacheFileName.FormatNar(narHash)}?path={path.Digest}";
}
