using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Tvix.Castore;
using Tvix.Castore.Model;

namespace Tvix.Store.Http.Pages;

/// <summary>Sends the contents of files, as nothing that a browser would run.</summary>
internal sealed class FileReply(TvixStore store)
{
    /// <summary>How much of a file is shown, in bytes.</summary>
    public const int PreviewLength = 256 << 10;

    private const int PieceLength = 64 << 10;
    private const string ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox";

    /// <summary>Reads the start of a file; <see langword="null"/> when it is not in the store.</summary>
    public async ValueTask<byte[]?> ReadPreviewAsync(Node.File file, CancellationToken cancellationToken)
    {
        Stream? contents = await store.Blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false);
        if (contents is null)
        {
            return null;
        }

        await using (contents.ConfigureAwait(false))
        {
            byte[] start = new byte[(int)Math.Min((ulong)contents.Length, PreviewLength)];
            await contents.ReadExactlyAsync(start, cancellationToken).ConfigureAwait(false);
            return start;
        }
    }

    /// <summary>Whether bytes are the start of text, as far as one can see.</summary>
    public static bool IsText(ReadOnlySpan<byte> start)
    {
        if (start.Contains((byte)0))
        {
            return false;
        }

        // The last character may be cut.
        int end = start.Length;
        for (int i = 0; start.Length == PreviewLength && i < 4 && end > 0; i++)
        {
            bool isStart = (start[end - 1] & 0xC0) != 0x80;
            end--;
            if (isStart)
            {
                break;
            }
        }

        return System.Text.Unicode.Utf8.IsValid(start[..end]);
    }

    /// <summary>Sends the start of a file as plain text.</summary>
    public async Task SendTextAsync(HttpContext http, Node.File file)
    {
        if (await ReadPreviewAsync(file, http.RequestAborted).ConfigureAwait(false) is not { } start)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "The contents of the file are not in the store.").ConfigureAwait(false);
            return;
        }

        PageLayout.SetHeaders(http, ContentSecurityPolicy);
        await Reply.SendTaggedAsync(http, start, "text/plain; charset=utf-8", NarTree.Tag("text", file), Reply.Revalidate).ConfigureAwait(false);
    }

    /// <summary>Sends a file, or a part of it, to be saved.</summary>
    public async Task SendAsync(HttpContext http, Node.File file, ReadOnlyMemory<byte> name)
    {
        Stream? contents = await store.Blobs.OpenReadAsync(file.Digest, http.RequestAborted).ConfigureAwait(false);
        if (contents is null)
        {
            await Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "The contents of the file are not in the store.").ConfigureAwait(false);
            return;
        }

        await using (contents.ConfigureAwait(false))
        {
            await SendAsync(http, contents, NarTree.Tag("file", file), name.Span).ConfigureAwait(false);
        }
    }

    private static Task SendAsync(HttpContext http, Stream contents, string tag, ReadOnlySpan<byte> name)
    {
        HttpResponse response = http.Response;
        PageLayout.SetHeaders(http, ContentSecurityPolicy);
        response.Headers.ETag = tag;
        response.Headers.CacheControl = Reply.Revalidate;
        response.Headers.AcceptRanges = "bytes";
        if (Preconditions.AllowNotModified(http.Request, tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        IReadOnlyList<ByteRange>? ranges = HttpMethods.IsGet(http.Request.Method) && Preconditions.AllowRange(http.Request, tag)
            ? ByteRange.Parse(http.Request.Headers.Range, contents.Length)
            : null;
        if (ranges is { Count: 0 })
        {
            response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{contents.Length}");
            return Reply.RefuseAsync(http, StatusCodes.Status416RangeNotSatisfiable, $"The file has {contents.Length} bytes.");
        }

        response.ContentType = "application/octet-stream";
        response.Headers.ContentDisposition = Disposition(name);
        ByteRange part = ranges is [{ } only] ? only : new ByteRange(0, contents.Length); // several parts of a file, nobody asks for
        if (ranges is [_])
        {
            response.StatusCode = StatusCodes.Status206PartialContent;
            response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes {part.From}-{part.From + part.Length - 1}/{contents.Length}");
        }

        response.ContentLength = part.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask : CopyAsync(http, contents, part);
    }

    private static async Task CopyAsync(HttpContext http, Stream contents, ByteRange part)
    {
        contents.Position = part.From;
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceLength);
        try
        {
            for (long left = part.Length; left > 0;)
            {
                int count = await contents.ReadAsync(piece.AsMemory(0, (int)Math.Min(left, piece.Length)), http.RequestAborted).ConfigureAwait(false);
                if (count == 0)
                {
                    throw new StorageException("The file ended too early.");
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

    /// <summary>Says that it is to be saved, and under which name: for all clients in ASCII, and for those that know RFC 8187 as it is.</summary>
    private static string Disposition(ReadOnlySpan<byte> name)
    {
        StringBuilder text = new("attachment; filename=\"");
        string shown = Encoding.UTF8.GetString(name);
        foreach (char c in shown)
        {
            text.Append(char.IsAsciiLetterOrDigit(c) || c is ' ' or '-' or '.' or '_' or '+' or '=' or ',' or '@' ? c : '_');
        }

        text.Append("\"; filename*=UTF-8''");
        PagePath.Encode(text, Encoding.UTF8.GetBytes(shown)); // what is not UTF-8 cannot be said
        return text.ToString();
    }
}
