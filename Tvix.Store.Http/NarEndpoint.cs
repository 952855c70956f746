using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Net.Http.Headers;
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

    private const string ZstdContentType = "application/zstd";
    private const string ZstdSuffix = ".zst";
    private const int PieceLength = 64 << 10;
    private const int LeastZstdPiece = 64 << 10; // room for the heads of frames

    /// <summary>What a NAR does not have, and other servers send with their files: when it was last changed. Nix gives all files of a store the same time, so that the NAR has it too.</summary>
    private static readonly DateTimeOffset s_lastModified = DateTimeOffset.UnixEpoch.AddSeconds(1);
    private static readonly string s_lastModifiedText = HeaderUtilities.FormatDate(s_lastModified);

    // Many are rendered at the same time, and each reads ahead only where the store does not answer at once. An embedded store does, with blobs of one chunk, so larger ones are streamed.
    private readonly NarRenderer _renderer =
        new(store.Blobs, store.Directories, new NarRenderOptions { PrefetchBytes = 8 << 20, SmallBlobBytes = 256 << 10 });
    private readonly int _maxRangeMemory = options.MaxRangeMemory;

    /// <summary>GET and HEAD of <c>nar/tvix-castore/NODE?narsize=N</c>.</summary>
    public async Task GetByNodeAsync(HttpContext http)
    {
        string node = (string?)http.GetRouteValue("node") ?? "";
        bool isZstdFile = node.EndsWith(BinaryCacheFileName.ZstdNarExtension, StringComparison.Ordinal);
        node = isZstdFile ? node[..^BinaryCacheFileName.ZstdNarExtension.Length] : node;
        NarLookup lookup = await catalog.FindAsync(node, http.Request.Query["narsize"], http.RequestAborted).ConfigureAwait(false);
        await SendAsync(http, lookup, isZstdFile).ConfigureAwait(false);
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
        bool isZstdFile = suffix == ZstdSuffix;
        NarLookup? lookup = suffix.Length > 0 && !isZstdFile ? null : await catalog.FindAsync(narHash, path, http.RequestAborted).ConfigureAwait(false);
        if (lookup is { Tree: null } && path is { } far && await TrySendFarAsync(http, far, narHash, isZstdFile).ConfigureAwait(false))
        {
            return;
        }

        if (lookup?.Tree is null && await journal.FindAsync(narHash, http.RequestAborted).ConfigureAwait(false) is { } upload)
        {
            NarLookup contents = await catalog.CheckAsync(upload.Root, upload.NarSize, http.RequestAborted).ConfigureAwait(false);
            if (upload.Compression == NarCompression.None && (suffix.Length == 0 || isZstdFile))
            {
                lookup = contents;
            }
            else if (contents.Tree is { } tree)
            {
                await SendUploadAsync(http, upload, tree).ConfigureAwait(false);
                return;
            }
        }

        await SendAsync(http, lookup ?? NarLookup.Missing("NARs are served uncompressed; the narinfo says where."), isZstdFile).ConfigureAwait(false);
    }

    /// <summary>
    /// Sends a compressed file that was uploaded; or rather another one with the same NAR in it, since what is kept is what was in it. Clients ask for it when they still know
    /// the narinfo that they uploaded with it.
    /// </summary>
    private async Task SendUploadAsync(HttpContext http, Upload upload, NarTree tree)
    {
        http.Response.ContentType = ContentType;
        http.Response.Headers.CacheControl = "no-store";
        if (HttpMethods.IsHead(http.Request.Method))
        {
            http.Response.ContentLength = (long)upload.FileSize; // so clients ask whether they need to upload the file
        }
        else if (upload.Compression == NarCompression.Zstd)
        {
            await SendAsync(http, NarLookup.Found(tree), isZstdFile: true).ConfigureAwait(false);
        }
        else if (!NarCompression.CanWrite(upload.Compression))
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, $"NARs are not served as {upload.Compression}; the narinfo says where this one is.").ConfigureAwait(false);
        }
        else
        {
            Stream compressed = NarCompression.OpenWrite(http.Response.Body, upload.Compression, fastest: true);
            await using (compressed.ConfigureAwait(false))
            {
                await http.Response.StartAsync(http.RequestAborted).ConfigureAwait(false);
                await _renderer.RenderAsync(tree.Root, compressed, http.RequestAborted).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sends a NAR that has to be fetched, while it comes.</summary>
    /// <returns>Whether the request was answered: that is, whether there is such a NAR.</returns>
    private async ValueTask<bool> TrySendFarAsync(HttpContext http, StorePathDigest path, Sha256Digest narHash, bool isZstdFile)
    {
        if (await paths.GetNarInfoAsync(path, http.RequestAborted).ConfigureAwait(false) is not { } narInfo || narInfo.NarHash != narHash)
        {
            return false;
        }

        if (HttpMethods.IsHead(http.Request.Method))
        {
            http.Response.ContentType = ContentType;
            http.Response.ContentLength = isZstdFile ? null : checked((long)narInfo.NarSize);
            http.Response.Headers.CacheControl = Reply.Immutable;
            return true;
        }

        // A part of it, or how it is stored, cannot be told before all of it is here.
        Stream? nar = isZstdFile || http.Request.Headers.Range.Count > 0 ? null : await paths.OpenNarAsync(path, http.RequestAborted).ConfigureAwait(false);
        if (nar is null)
        {
            NarLookup lookup = await paths.FetchAsync(path, http.RequestAborted).ConfigureAwait(false) is { } info && info.NarHash == narHash
                ? await catalog.CheckAsync(info.Node, info.NarSize, http.RequestAborted).ConfigureAwait(false)
                : NarLookup.Missing("The NAR is not here any more.");
            await SendAsync(http, lookup, isZstdFile).ConfigureAwait(false);
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

    private async Task SendAsync(HttpContext http, NarLookup lookup, bool isZstdFile = false)
    {
        if (lookup.Tree is not { } tree)
        {
            await Reply.RefuseAsync(http, lookup.Status, lookup.Reason).ConfigureAwait(false);
            return;
        }

        if (isZstdFile || ContentCoding.PrefersZstd(http.Request))
        {
            await SendZstdAsync(http, tree, isZstdFile).ConfigureAwait(false);
            return;
        }

        string tag = NarTree.Tag("nar", tree.Root);
        HttpResponse response = http.Response;
        response.Headers.ETag = tag;
        response.Headers.LastModified = s_lastModifiedText;
        response.Headers.CacheControl = Reply.Immutable;
        response.Headers.Vary = HeaderNames.AcceptEncoding;
        response.Headers.AcceptRanges = "bytes";
        if (Preconditions.AllowNotModified(http.Request, tag, s_lastModified))
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

        IReadOnlyList<ByteRange>? parts = Preconditions.AllowRange(http.Request, tag, s_lastModified) ? ByteRange.Parse(http.Request.Headers.Range, tree.NarSize) : null;
        switch (parts)
        {
            case []:
                response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{tree.NarSize}");
                await Reply.RefuseAsync(http, StatusCodes.Status416RangeNotSatisfiable, $"The NAR has {tree.NarSize} bytes.").ConfigureAwait(false);
                break;
            case not null when await TryOpenAsync(tree.Root, http.RequestAborted).ConfigureAwait(false) is { } nar:
                await using (nar.ConfigureAwait(false))
                {
                    await SendPartsAsync(http, nar, parts).ConfigureAwait(false);
                }

                break;
            default:
                response.ContentLength = tree.NarSize;
                await response.StartAsync(http.RequestAborted).ConfigureAwait(false); // what fails from here on cuts the connection
                GatheringPipeWriter body = new(response.BodyWriter, tree.NarSize);
                await _renderer.RenderAsync(tree.Root, body, http.RequestAborted).ConfigureAwait(false);
                await FinishAsync(body).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Sends a NAR as zstd, whose length is not known before, and of which there are no parts.</summary>
    /// <param name="http">The request.</param>
    /// <param name="tree">The tree.</param>
    /// <param name="isFile">Whether the compressed NAR is what was asked for, and not only the way in which it travels.</param>
    private async Task SendZstdAsync(HttpContext http, NarTree tree, bool isFile)
    {
        // Weak: the store may come to keep the same chunks compressed in another way.
        string tag = NarTree.Tag(isFile ? "nar-file-zstd" : "nar-zstd", tree.Root);
        HttpResponse response = http.Response;
        response.Headers.ETag = "W/" + tag;
        response.Headers.LastModified = s_lastModifiedText;
        response.Headers.CacheControl = Reply.Immutable;
        if (!isFile)
        {
            response.Headers.Vary = HeaderNames.AcceptEncoding;
        }

        if (Preconditions.AllowNotModified(http.Request, tag, s_lastModified))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = isFile ? ZstdContentType : ContentType;
        if (!isFile)
        {
            response.Headers.ContentEncoding = ContentCoding.Zstd;
        }

        if (HttpMethods.IsHead(http.Request.Method))
        {
            return;
        }

        await response.StartAsync(http.RequestAborted).ConfigureAwait(false); // what fails from here on cuts the connection
        GatheringPipeWriter body = new(response.BodyWriter, tree.NarSize + LeastZstdPiece);
        await _renderer.RenderZstdAsync(tree.Root, body, http.RequestAborted).ConfigureAwait(false);
        await FinishAsync(body).ConfigureAwait(false);
    }

    /// <summary>Sends the rest. Without regard to whether the client is gone: it may have gone because it has everything.</summary>
    private static async ValueTask FinishAsync(GatheringPipeWriter body) => await body.FinishAsync(CancellationToken.None).ConfigureAwait(false);

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

    /// <summary>Sends one part, or several as <c>multipart/byteranges</c>. Source: RFC 9110, sections 14.6 and 15.3.7.</summary>
    private static async Task SendPartsAsync(HttpContext http, SeekableNarStream nar, IReadOnlyList<ByteRange> parts)
    {
        byte[] first = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            // Before anything is said, since the first read is where most of what is missing is found.
            nar.Position = parts[0].From;
            int count = await ReadAsync(nar, first.AsMemory(0, (int)Math.Min(parts[0].Length, PieceLength)), http.RequestAborted).ConfigureAwait(false);
            http.Response.StatusCode = StatusCodes.Status206PartialContent;
            byte[][] heads = [];
            byte[] end = [];
            if (parts.Count == 1)
            {
                http.Response.Headers.ContentRange = Describe(parts[0], nar.Length);
            }
            else
            {
                string boundary = Guid.NewGuid().ToString("N");
                http.Response.ContentType = $"multipart/byteranges; boundary={boundary}";
                heads = [.. parts.Select((part, i) => Encoding.ASCII.GetBytes(
                    $"{(i > 0 ? "\r\n" : "")}--{boundary}\r\nContent-Type: {ContentType}\r\nContent-Range: {Describe(part, nar.Length)}\r\n\r\n"))];
                end = Encoding.ASCII.GetBytes($"\r\n--{boundary}--\r\n");
            }

            long length = parts.Sum(part => part.Length) + heads.Sum(head => head.Length) + end.Length;
            http.Response.ContentLength = length;
            await http.Response.StartAsync(http.RequestAborted).ConfigureAwait(false);
            GatheringPipeWriter body = new(http.Response.BodyWriter, length);
            for (int i = 0; i < parts.Count; i++)
            {
                if (heads.Length > 0)
                {
                    body.Write(heads[i]);
                }

                long left = parts[i].Length;
                if (i == 0)
                {
                    body.Write(first.AsSpan(0, count));
                    left -= count;
                }
                else
                {
                    nar.Position = parts[i].From;
                }

                await CopyAsync(nar, body, left, http.RequestAborted).ConfigureAwait(false);
            }

            body.Write(end);
            await FinishAsync(body).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(first);
        }
    }

    private static async ValueTask CopyAsync(SeekableNarStream nar, GatheringPipeWriter body, long length, CancellationToken cancellationToken)
    {
        while (length > 0)
        {
            Memory<byte> memory = body.GetMemory();
            int count = await ReadAsync(nar, memory[..(int)Math.Min(memory.Length, length)], cancellationToken).ConfigureAwait(false);
            body.Advance(count);
            length -= count;
            FlushResult result = await body.FlushAsync(cancellationToken).ConfigureAwait(false);
            if (result.IsCompleted || result.IsCanceled)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw new IOException("The client has stopped reading.");
            }
        }
    }

    private static async ValueTask<int> ReadAsync(SeekableNarStream nar, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count = await nar.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        return count > 0 ? count : throw new StorageException("The NAR ended too early.");
    }

    private static string Describe(ByteRange part, long length) =>
        string.Create(CultureInfo.InvariantCulture, $"bytes {part.From}-{part.From + part.Length - 1}/{length}");
}
