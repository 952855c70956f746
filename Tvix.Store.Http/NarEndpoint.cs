using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>Serves NARs, and parts of them, made when they are asked for.</summary>
internal sealed class NarEndpoint(TvixStore store, KnownPaths paths, NarCatalog catalog, UploadJournal journal, NixBinaryCacheOptions options)
{
    public const string ContentType = "application/x-nix-nar";

    private const int PieceLength = 64 << 10;

    // Many are rendered at the same time, and each reads ahead only where the store does not answer at once.
    private readonly NarRenderer _renderer = new(store.Blobs, store.Directories, new NarRenderOptions { PrefetchBytes = 8 << 20 });
    private readonly int _maxRangeMemory = options.MaxRangeMemory;

    /// <summary>GET and HEAD of <c>nar/tvix-castore/NODE?narsize=N</c>.</summary>
    public async Task GetByNodeAsync(HttpContext http)
    {
        string node = (string?)http.GetRouteValue("node") ?? "";
        await SendAsync(http, await catalog.FindAsync(node, http.Request.Query["narsize"], http.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    /// <summary>GET and HEAD of <c>nar/HASH.nar</c>, with <c>?path=HASH</c> or without.</summary>
    public async Task GetByHashAsync(HttpContext http)
    {
        if (!BinaryCacheFileName.TryParseNar((string?)http.GetRouteValue("file"), out Sha256Digest narHash, out string? suffix))
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This is not the name of a NAR.").ConfigureAwait(false);
            return;
        }

        StorePathDigest? path = StorePathDigest.TryParse((string?)http.Request.Query["path"], out StorePathDigest digest) ? digest : null;
        NarLookup? lookup = suffix.Length > 0 ? null : await catalog.FindAsync(narHash, path, http.RequestAborted).ConfigureAwait(false);
        if (lookup is { Tree: null } && path is { } far && await TrySendFarAsync(http, far, narHash).ConfigureAwait(false))
        {
            return;
        }

        if (lookup?.Tree is null && await journal.FindAsync(narHash, http.RequestAborted).ConfigureAwait(false) is { } upload)
        {
            NarLookup contents = await catalog.CheckAsync(upload.Root, upload.NarSize, http.RequestAborted).ConfigureAwait(false);
            if (upload.Compression == NarCompression.None && suffix.Length == 0)
            {
                lookup = contents;
            }
            else if (HttpMethods.IsHead(http.Request.Method) && contents.Tree is not null)
            {
                // So clients ask whether they need to upload the file. It cannot be had again: what is kept is what was in it.
                http.Response.ContentType = ContentType;
                http.Response.ContentLength = (long)upload.FileSize;
                http.Response.Headers.CacheControl = "no-store";
                return;
            }
        }

        await SendAsync(http, lookup ?? NarLookup.Missing("NARs are served uncompressed; the narinfo says where.")).ConfigureAwait(false);
    }

    /// <summary>Sends a NAR that has to be fetched, while it comes.</summary>
    /// <returns>Whether the request was answered: that is, whether there is such a NAR.</returns>
    private async ValueTask<bool> TrySendFarAsync(HttpContext http, StorePathDigest path, Sha256Digest narHash)
    {
        if (await paths.GetNarInfoAsync(path, http.RequestAborted).ConfigureAwait(false) is not { } narInfo || narInfo.NarHash != narHash)
        {
            return false;
        }

        if (HttpMethods.IsHead(http.Request.Method))
        {
            http.Response.ContentType = ContentType;
            http.Response.ContentLength = checked((long)narInfo.NarSize);
            http.Response.Headers.CacheControl = Reply.Immutable;
            return true;
        }

        // A part of it cannot be told before all of it is here.
        Stream? nar = http.Request.Headers.Range.Count > 0 ? null : await paths.OpenNarAsync(path, http.RequestAborted).ConfigureAwait(false);
        if (nar is null)
        {
            NarLookup lookup = await paths.FetchAsync(path, http.RequestAborted).ConfigureAwait(false) is { } info && info.NarHash == narHash
                ? await catalog.CheckAsync(info.Node, info.NarSize, http.RequestAborted).ConfigureAwait(false)
                : NarLookup.Missing("The NAR is not here any more.");
            await SendAsync(http, lookup).ConfigureAwait(false);
            return true;
        }

        await using (nar.ConfigureAwait(false))
        {
            await SendWhileItComesAsync(http, nar, (long)narInfo.NarSize).ConfigureAwait(false);
        }

        return true;
    }

    private static async Task SendWhileItComesAsync(HttpContext http, Stream nar, long length)
    {
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            for (int count; (count = await ReadAsync().ConfigureAwait(false)) > 0;)
            {
                if (!http.Response.HasStarted)
                {
                    // Only now, since the first read is where it is noticed that nothing comes.
                    http.Response.ContentType = ContentType;
                    http.Response.ContentLength = length;
                    http.Response.Headers.CacheControl = Reply.Immutable;
                    await http.Response.StartAsync(http.RequestAborted).ConfigureAwait(false);
                }

                await http.Response.Body.WriteAsync(piece.AsMemory(0, count), http.RequestAborted).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        async ValueTask<int> ReadAsync()
        {
            try
            {
                return await nar.ReadAsync(piece.AsMemory(0, PieceLength), http.RequestAborted).ConfigureAwait(false);
            }
            catch (IOException e)
            {
                throw e.InnerException is RefusedStorePathException refused ? refused : new StorageException(e.Message, e, isTransient: true);
            }
        }
    }

    private async Task SendAsync(HttpContext http, NarLookup lookup)
    {
        if (lookup.Tree is not { } tree)
        {
            await Reply.RefuseAsync(http, lookup.Status, lookup.Reason).ConfigureAwait(false);
            return;
        }

        string tag = NarTree.Tag("nar", tree.Root);
        HttpResponse response = http.Response;
        response.Headers.ETag = tag;
        response.Headers.CacheControl = Reply.Immutable;
        response.Headers.AcceptRanges = "bytes";
        if (Preconditions.AllowNotModified(http.Request, tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = ContentType;
        if (HttpMethods.IsHead(http.Request.Method))
        {
            response.ContentLength = tree.NarSize;
            return;
        }

        ByteRange? range = Preconditions.AllowRange(http.Request, tag) ? ByteRange.Parse(http.Request.Headers.Range, tree.NarSize) : null;
        switch (range)
        {
            case { Length: 0 }:
                response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{tree.NarSize}");
                await Reply.RefuseAsync(http, StatusCodes.Status416RangeNotSatisfiable, $"The NAR has {tree.NarSize} bytes.").ConfigureAwait(false);
                break;
            case { } part when await TryOpenAsync(tree.Root, http.RequestAborted).ConfigureAwait(false) is { } nar:
                await using (nar.ConfigureAwait(false))
                {
                    await SendPartAsync(http, nar, part).ConfigureAwait(false);
                }

                break;
            default:
                response.ContentLength = tree.NarSize;
                await response.StartAsync(http.RequestAborted).ConfigureAwait(false); // what fails from here on cuts the connection
                GatheringPipeWriter body = new(response.BodyWriter, tree.NarSize);
                await _renderer.RenderAsync(tree.Root, body, http.RequestAborted).ConfigureAwait(false);
                await body.FinishAsync(http.RequestAborted).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Opens a NAR for access to parts of it; <see langword="null"/> when that takes too much memory.</summary>
    private async ValueTask<SeekableNarStream?> TryOpenAsync(Node root, CancellationToken cancellationToken)
    {
        try
        {
            return await SeekableNarStream.OpenAsync(root, store.Blobs, store.Directories, _maxRangeMemory, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidOperationException e) when (e is not ObjectDisposedException)
        {
            return null;
        }
    }

    private static async Task SendPartAsync(HttpContext http, SeekableNarStream nar, ByteRange part)
    {
        nar.Position = part.From;
        long left = part.Length;
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            while (left > 0)
            {
                int count = await nar.ReadAsync(piece.AsMemory(0, (int)Math.Min(left, PieceLength)), http.RequestAborted).ConfigureAwait(false);
                if (count == 0)
                {
                    throw new StorageException("The NAR ended too early.");
                }

                if (!http.Response.HasStarted)
                {
                    // Only now, since the first read is where most of what is missing is found.
                    http.Response.StatusCode = StatusCodes.Status206PartialContent;
                    http.Response.ContentLength = part.Length;
                    http.Response.Headers.ContentRange =
                        string.Create(CultureInfo.InvariantCulture, $"bytes {part.From}-{part.From + part.Length - 1}/{nar.Length}");
                    await http.Response.StartAsync(http.RequestAborted).ConfigureAwait(false);
                }

                await http.Response.Body.WriteAsync(piece.AsMemory(0, count), http.RequestAborted).ConfigureAwait(false);
                left -= count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }
}
