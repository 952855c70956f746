using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Pages;

/// <summary>What is known of a store path, and what is in it.</summary>
internal sealed class StorePathPages(TvixStore store, KnownPaths paths, StoreDirectory storeDirectory, PageLayout layout, NixBinaryCacheOptions options)
{
    /// <summary>How many entries of a directory are on a page.</summary>
    public const int PageLength = 500;

    private const int MaxReferences = 1000;

    private readonly FileReply _files = new(store);
    private readonly string[] _signingKeys = [.. options.SigningKeys.Select(key => key.Name)];

    /// <summary>
    /// GET and HEAD of <c>path/STORE-PATH/NAME/…</c>, with <c>?page=</c> for large directories, and <c>?view=download</c> or <c>?view=text</c> for the contents of a file.
    /// </summary>
    public async Task GetAsync(HttpContext http)
    {
        (PlaceInStore? place, Func<Task> refuse) = await FindAsync(http).ConfigureAwait(false);
        if (place is null)
        {
            await refuse().ConfigureAwait(false);
            return;
        }

        string view = http.Request.Query["view"].ToString();
        switch (place.Node)
        {
            case Node.File file when view == "download":
                await _files.SendAsync(http, file, place.Names.Count == 0 ? Encoding.ASCII.GetBytes(place.Info.StorePath.Name) : place.Names[^1].Memory).ConfigureAwait(false);
                break;
            case Node.File file when view == "text":
                await _files.SendTextAsync(http, file).ConfigureAwait(false);
                break;
            case Node.File file:
                byte[]? preview = await _files.ReadPreviewAsync(file, http.RequestAborted).ConfigureAwait(false);
                await SendAsync(http, place, html => WriteFile(html, place, file, preview)).ConfigureAwait(false);
                break;
            case Node.Directory directory:
                if (await store.Directories.GetAsync(directory.Digest, http.RequestAborted).ConfigureAwait(false) is { } entries)
                {
                    int page = int.TryParse(http.Request.Query["page"], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? Math.Max(number, 1) : 1;
                    await SendAsync(http, place, html => WriteDirectory(html, place, entries, page)).ConfigureAwait(false);
                }
                else
                {
                    await RefuseAsync(http, place.Root, "The folder is not in the store.").ConfigureAwait(false);
                }

                break;
            case Node.Symlink symlink:
                await SendAsync(http, place, html => WriteSymlink(html, place, symlink)).ConfigureAwait(false);
                break;
        }
    }

    /// <summary>Finds what a request is about, or how to say that it is not there.</summary>
    private async ValueTask<(PlaceInStore? Place, Func<Task> Refuse)> FindAsync(HttpContext http)
    {
        if (PagePath.Of(http, (string?)http.GetRouteValue("place") ?? "") is not { } path)
        {
            return (null, () => Reply.RefuseAsync(http, StatusCodes.Status404NotFound, "This is not the path of anything: a name in it is empty, '.', '..' or too long."));
        }

        string text = Encoding.Latin1.GetString(path.StorePath);
        StorePath.TryParseBaseName(path.StorePath, out StorePath? storePath, out _);
        StorePathDigest digest = storePath?.Digest ?? default;
        if (storePath is null && !StorePathDigest.TryParse(text, out digest))
        {
            return (null, () => RefuseAsync(http, path.Root, "This is not a store path: 32 symbols, a dash and a name."));
        }

        if (await paths.FindAsync(digest, http.RequestAborted).ConfigureAwait(false) is not { } info)
        {
            return (null, () => RefuseAsync(http, path.Root, "This cache does not have the store path."));
        }

        if (info.StorePath != storePath)
        {
            return (null, () =>
            {
                http.Response.Redirect(path.Root + PagePath.Link(info.StorePath, path.Names)); // only the hash counts
                return Task.CompletedTask;
            });
        }

        Node node = info.Node;
        foreach (PathComponent name in path.Names)
        {
            if (node is not Node.Directory directory)
            {
                return (null, () => RefuseAsync(http, path.Root, "There is nothing below what is no folder."));
            }

            if (await store.Directories.GetAsync(directory.Digest, http.RequestAborted).ConfigureAwait(false) is not { } entries)
            {
                return (null, () => RefuseAsync(http, path.Root, "The folder is not in the store."));
            }

            if (!entries.TryGetNode(name, out Node? child))
            {
                return (null, () => RefuseAsync(http, path.Root, $"There is no '{HtmlWriter.Show(name.Bytes)}' in the folder."));
            }

            node = child;
        }

        return (new PlaceInStore(info, path.Names, node, path.Root), () => Task.CompletedTask);
    }

    private Task RefuseAsync(HttpContext http, string root, string reason) => layout.SendAsync(
        http,
        StatusCodes.Status404NotFound,
        root,
        "Not found",
        [("Store paths", ""), ("Not found", null)],
        null,
        html => html.Element("h1", "Not found").Element("p", reason));

    private Task SendAsync(HttpContext http, PlaceInStore place, Action<HtmlWriter> contents)
    {
        List<(string Text, string? Link)> trail = [("Store paths", "")];
        for (int count = 0; count <= place.Names.Count; count++)
        {
            string text = count == 0 ? place.Info.StorePath.Name : HtmlWriter.Show(place.Names[count - 1].Bytes);
            trail.Add((text, count == place.Names.Count ? null : PagePath.Link(place.Info.StorePath, place.Names.Take(count))));
        }

        return layout.SendAsync(http, StatusCodes.Status200OK, place.Root, place.Title, trail, null, html =>
        {
            if (place.Names.Count == 0)
            {
                html.Element("h1", place.Info.StorePath.Name);
                WriteInfo(html, place);
                html.Element("h2", place.Node is Node.Directory ? "Contents" : place.Node is Node.File ? "File" : "Symbolic link", ("id", "contents"));
            }
            else
            {
                html.Open("h1").Open("bdi").Bytes(place.Names[^1].Bytes).Close().Close();
            }

            contents(html);
        });
    }

    private void WriteInfo(HtmlWriter html, PlaceInStore place)
    {
        PathInfo info = place.Info;
        html.Open("p", ("class", "actions"))
            .Element("a", "Download NAR", ("class", "button"), ("href", place.Root + BinaryCacheFileName.FormatCastoreNar(info.Node, info.NarSize)), ("download", info.StorePath + ".nar"))
            .Element("a", "narinfo", ("class", "button plain"), ("href", place.Root + BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest)))
            .Element("a", "Listing", ("class", "button plain"), ("href", $"{place.Root}{info.StorePath.Digest}.ls"))
            .Close();

        html.Open("dl");
        Row(html, "Store path", () => html.Element("code", info.StorePath.ToAbsolutePath(storeDirectory)));
        Row(html, "NAR size", () => html.Text(SizeAndExact(info.NarSize)));
        Row(html, "NAR hash", () => html.Element("code", info.NarHash.ToString()));
        Row(html, "Deriver", () => _ = info.Deriver is null ? html.Element("span", "not known", ("class", "faint")) : html.Element("code", info.Deriver + ".drv"));
        Row(html, "Content address", () =>
            _ = info.ContentAddress is null ? html.Element("span", "none", ("class", "faint")) : html.Element("code", info.ContentAddress.ToString()));
        Row(html, "Signatures", () =>
        {
            foreach (NarSignature signature in info.Signatures)
            {
                html.Open("div").Element("code", signature.ToString()).Close();
            }

            foreach (string key in _signingKeys)
            {
                html.Open("div").Element("code", key).Element("span", " by this cache, in the narinfo", ("class", "faint")).Close();
            }

            if (info.Signatures.Count + _signingKeys.Length == 0)
            {
                html.Element("span", "none", ("class", "faint"));
            }
        });
        html.Close();

        html.Element("h2", info.References.Count == 1 ? "1 reference" : $"{SizeText.Count(info.References.Count)} references");
        if (info.References.Count == 0)
        {
            html.Element("p", "It refers to no store path.", ("class", "faint"));
            return;
        }

        html.Open("ul", ("class", "references"));
        foreach (StorePath reference in info.References.Take(MaxReferences))
        {
            html.Open("li").Open("a", ("href", place.Root + PagePath.Link(reference, [])))
                .Element("span", reference.Name).Text(" ").Element("code", reference.Digest.ToString(), ("class", "faint"))
                .Close();
            _ = reference == info.StorePath ? html.Element("span", " itself", ("class", "faint")) : html;
            html.Close();
        }

        html.Close();
        if (info.References.Count > MaxReferences)
        {
            html.Element("p", $"And {SizeText.Count(info.References.Count - MaxReferences)} more, which are in the narinfo.", ("class", "note"));
        }
    }

    private static void WriteDirectory(HtmlWriter html, PlaceInStore place, CastoreDirectory directory, int page)
    {
        if (directory.Count == 0)
        {
            html.Element("p", "The folder is empty.", ("class", "faint"));
            return;
        }

        int pages = (directory.Count + PageLength - 1) / PageLength;
        page = Math.Min(page, pages);
        int start = (page - 1) * PageLength;
        int end = Math.Min(start + PageLength, directory.Count);
        html.Element(
            "p",
            pages > 1 ? $"Entries {SizeText.Count(start + 1)} to {SizeText.Count(end)} of {SizeText.Count(directory.Count)}"
                : directory.Count == 1 ? "1 entry" : $"{SizeText.Count(directory.Count)} entries",
            ("class", "summary"));
        WritePages(html, place, page, pages);
        html.Open("table", ("class", "entries")).Element("caption", "Entries of the folder", ("class", "unseen"))
            .Open("thead").Open("tr")
            .Element("th", "Name", ("scope", "col")).Element("th", "Kind", ("scope", "col")).Element("th", "Size", ("scope", "col"), ("class", "number"))
            .Close().Close().Open("tbody");
        for (int i = start; i < end; i++)
        {
            (PathComponent name, Node node) = directory[i];
            string? link = place.Link(name);
            html.Open("tr").Open("th", ("scope", "row"), ("class", KindOf(node).Class))
                .Open(link is null ? "span" : "a", ("href", link))
                .Open("bdi").Bytes(name.Bytes).Close()
                .Close().Close();
            html.Open("td").Element("span", KindOf(node).Text, ("class", "kind"));
            if (node is Node.Symlink symlink)
            {
                html.Text(" to ").Open("bdi").Bytes(symlink.Target.Bytes).Close();
            }

            html.Close();
            _ = node is Node.File file
                ? html.Element("td", SizeText.Short(file.Size), ("class", "number"), ("title", SizeText.Exact(file.Size)))
                : html.Element("td", "", ("class", "number"));
            html.Close();
        }

        html.Close().Close();
        WritePages(html, place, page, pages);
    }

    private static void WritePages(HtmlWriter html, PlaceInStore place, int page, int pages)
    {
        if (pages == 1)
        {
            return;
        }

        html.Open("nav", ("class", "pages"), ("aria-label", "Pages"));
        Link("First", page > 1, 1);
        Link("Previous", page > 1, page - 1);
        html.Element("span", $"Page {SizeText.Count(page)} of {SizeText.Count(pages)}", ("aria-current", "page"));
        Link("Next", page < pages, page + 1);
        Link("Last", page < pages, pages);
        html.Close();

        void Link(string text, bool isThere, int number) => _ = isThere
            ? html.Element("a", text, ("href", string.Create(CultureInfo.InvariantCulture, $"{place.Link()}?page={number}")))
            : html.Element("span", text, ("aria-disabled", "true"));
    }

    private static void WriteFile(HtmlWriter html, PlaceInStore place, Node.File file, byte[]? preview)
    {
        string link = place.Link()!;
        bool isText = preview is not null && FileReply.IsText(preview);
        if (preview is not null)
        {
            html.Open("p", ("class", "actions")).Element("a", "Download", ("class", "button"), ("href", link + "?view=download"));
            if (isText)
            {
                html.Element("a", "Plain text", ("class", "button plain"), ("href", link + "?view=text"));
            }

            html.Close();
        }

        html.Open("dl");
        Row(html, "Kind", () => html.Text(KindOf(file).Text));
        Row(html, "Size", () => html.Text(SizeAndExact(file.Size)));
        Row(html, "BLAKE3", () => html.Element("code", file.Digest.ToString()));
        html.Close();

        switch (preview)
        {
            case null:
                html.Element("p", "The contents of the file are not in the store.", ("class", "note"));
                break;
            case []:
                html.Element("p", "The file is empty.", ("class", "faint"));
                break;
            case { } when !isText:
                html.Element("p", "The file is no text that could be shown here.", ("class", "faint"));
                break;
            default:
                if (file.Size > (ulong)preview.Length)
                {
                    html.Element("p", $"The first {SizeText.Short((ulong)preview.Length)} of it:", ("class", "note"));
                }

                html.Open("pre", ("tabindex", "0"), ("role", "region"), ("aria-label", "Contents of the file")).Bytes(preview, lines: true).Close();
                break;
        }
    }

    private void WriteSymlink(HtmlWriter html, PlaceInStore place, Node.Symlink symlink)
    {
        html.Open("dl");
        Row(html, "Kind", () => html.Text("link"));
        Row(html, "Target", () => html.Open("code").Bytes(symlink.Target.Bytes).Close());
        html.Close();
        if (Resolve(place, symlink.Target.Bytes) is { } link)
        {
            html.Open("p", ("class", "actions")).Element("a", "Go to the target", ("class", "button"), ("href", place.Root + link)).Close();
        }
    }

    /// <summary>Where a link leads, relative to the base of the cache and without looking whether something is there; <see langword="null"/> when that is not in a store path.</summary>
    private string? Resolve(PlaceInStore place, ReadOnlySpan<byte> target)
    {
        StorePath path = place.Info.StorePath;
        List<PathComponent> names = [.. place.Names.SkipLast(1)];
        if (target[0] == '/')
        {
            if (!StorePath.TryParseAbsoluteWithSubPath(target, out StorePath? other, out byte[] below, out _, storeDirectory))
            {
                return null;
            }

            path = other;
            names.Clear();
            target = below;
        }
        else if (place.Names.Count == 0)
        {
            return null; // relative to the store directory
        }

        foreach (Range part in target.Split((byte)'/'))
        {
            ReadOnlySpan<byte> name = target[part];
            if (name.SequenceEqual(".."u8))
            {
                if (names.Count == 0)
                {
                    return null;
                }

                names.RemoveAt(names.Count - 1);
            }
            else if (!name.IsEmpty && !name.SequenceEqual("."u8))
            {
                if (!PathComponent.TryCreate(name, out PathComponent component))
                {
                    return null;
                }

                names.Add(component);
            }
        }

        return PagePath.Link(path, names);
    }

    private static void Row(HtmlWriter html, string name, Action value)
    {
        html.Open("div").Element("dt", name).Open("dd");
        value();
        html.Close().Close();
    }

    private static string SizeAndExact(ulong bytes) => bytes < 1024 ? SizeText.Exact(bytes) : $"{SizeText.Short(bytes)} ({SizeText.Exact(bytes)})";

    private static (string Text, string Class) KindOf(Node node) => node switch
    {
        Node.Directory => ("folder", "folder"),
        Node.Symlink => ("link", "link"),
        Node.File { Executable: true } => ("executable", "executable"),
        _ => ("file", "file"),
    };
}
