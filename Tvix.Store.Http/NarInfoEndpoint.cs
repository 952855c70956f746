using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http;

/// <summary>Serves what is known of store paths: narinfos, and listings of their NARs.</summary>
internal sealed class NarInfoEndpoint(TvixStore store, StoreDirectory storeDirectory, NarCatalog catalog, NixBinaryCacheOptions options)
{
    public const string ContentType = "text/x-nix-narinfo";

    private readonly SigningKey[] _signingKeys = [.. options.SigningKeys];
    private readonly NarUrlStyle _urls = options.NarUrls;
    private readonly int _maxListingNodes = options.MaxListingNodes;

    /// <summary>GET and HEAD of <c>HASH.narinfo</c>.</summary>
    public async Task GetNarInfoAsync(HttpContext http)
    {
        if (await FindAsync(http).ConfigureAwait(false) is { } info)
        {
            catalog.Remember(info);
            byte[] text = Render(info);
            string tag = $"\"narinfo-{Base64Url.EncodeToString(SHA256.HashData(text))}\"";
            await Reply.SendTaggedAsync(http, text, ContentType, tag, Reply.Revalidate).ConfigureAwait(false);
        }
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

    /// <summary>The path info that the request is about; <see langword="null"/> when there is none, and it was answered.</summary>
    private async ValueTask<PathInfo?> FindAsync(HttpContext http)
    {
        if (!StorePathDigest.TryParse((string?)http.GetRouteValue("hash"), out StorePathDigest digest))
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This is not the hash part of a store path.").ConfigureAwait(false);
            return null;
        }

        PathInfo? info = await store.PathInfos.GetAsync(digest, http.RequestAborted).ConfigureAwait(false);
        if (info is null)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This cache does not have the store path.").ConfigureAwait(false);
        }

        return info;
    }

    private byte[] Render(PathInfo info)
    {
        if (_signingKeys.Length > 0)
        {
            byte[] fingerprint = info.GetFingerprint(storeDirectory);
            info = info with { Signatures = [.. info.Signatures.Concat(_signingKeys.Select(key => key.Sign(fingerprint))).Distinct()] };
        }

        NarInfo text = info.ToNarInfo(UrlOf(info));

        // The file is the NAR. Without the size, clients show no progress; without the hash, Nix cannot sign what is in a cache.
        return new NarInfo
        {
            StorePath = text.StorePath,
            Url = text.Url,
            FileHash = text.NarHash,
            FileSize = text.NarSize,
            NarHash = text.NarHash,
            NarSize = text.NarSize,
            References = text.References,
            Deriver = text.Deriver,
            Signatures = text.Signatures,
            ContentAddress = text.ContentAddress,
        }.ToUtf8(storeDirectory);
    }

    private string UrlOf(PathInfo info) => _urls switch
    {
        NarUrlStyle.NarHash => $"nar/{BinaryCacheFileName.FormatNar(info.NarHash)}?path={info.StorePath.Digest}",
        NarUrlStyle.SnixCastore => $"nar/snix-castore/{Base64Url.EncodeToString(DirectoryCodec.EncodeNode(default, info.Node))}?narsize={info.NarSize}",
        _ => BinaryCacheFileName.FormatCastoreNar(info.Node, info.NarSize),
    };
}
