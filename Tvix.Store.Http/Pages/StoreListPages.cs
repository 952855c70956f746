using System.Text;
using Microsoft.AspNetCore.Http;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Pages;

/// <summary>The list of the store paths, and the search.</summary>
internal sealed class StoreListPages(KnownPaths paths, StoreDirectory storeDirectory, PageLayout layout, NixBinaryCacheOptions options)
{
    /// <summary>How many store paths are on a page.</summary>
    public const int PageLength = 100;

    private const int MaxQueryLength = 256;
    private static readonly TimeSpan s_maxTime = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _listings = new(2, 2); // each reads all that the store has
    private readonly int _maxListedPaths = options.MaxListedPaths;
    private readonly TimeProvider _time = options.TimeProvider;

    /// <summary>GET of the base of the cache, with <c>?q=</c> for what to search for, and <c>?after=</c> or <c>?before=</c> and a store path for another page.</summary>
    public async Task GetAsync(HttpContext http)
    {
        string raw = PagePath.RawPath(http);
        if (!raw.EndsWith('/'))
        {
            // Links are relative to a folder.
            http.Response.Redirect($"./{raw[(raw.LastIndexOf('/') + 1)..]}/{http.Request.QueryString.ToUriComponent()}");
            return;
        }

        string query = http.Request.Query["q"].ToString().Trim();
        query = query.Length <= MaxQueryLength ? query : query[..MaxQueryLength];
        if (await FindAsync(query, http.RequestAborted).ConfigureAwait(false) is { } found)
        {
            http.Response.Redirect("./" + PagePath.Link(found, []));
            return;
        }

        StorePathSelection selection = new(
            query.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), ParsePath(http.Request.Query["after"]), ParsePath(http.Request.Query["before"]), PageLength);
        bool canList = await ReadAsync(selection, http.RequestAborted).ConfigureAwait(false);
        await layout.SendAsync(
            http,
            StatusCodes.Status200OK,
            "./",
            query.Length == 0 ? "Store paths" : $"Search for {query}",
            query.Length == 0 ? [] : [("Store paths", ""), ("Search", null)],
            query.Length == 0 ? null : query,
            html => Write(html, selection, canList, query)).ConfigureAwait(false);
    }

    private static StorePath? ParsePath(string? text) =>
        text is not null && StorePath.TryParseBaseName(Encoding.UTF8.GetBytes(text), out StorePath? path, out _) ? path : null;

    /// <summary>Who has the hash, or the whole of a store path, need not wait for a listing.</summary>
    private async ValueTask<StorePath?> FindAsync(string query, CancellationToken cancellationToken)
    {
        string directory = storeDirectory.Path + "/";
        query = query.StartsWith(directory, StringComparison.Ordinal) ? query[directory.Length..] : query;
        string hash = query.Length > StorePathDigest.TextLength && query[StorePathDigest.TextLength] == '-' ? query[..StorePathDigest.TextLength] : query;
        return StorePathDigest.TryParse(hash, out StorePathDigest digest)
            ? (await paths.FindAsync(digest, cancellationToken).ConfigureAwait(false))?.StorePath
            : null;
    }

    /// <returns>Whether the store can list what it has.</returns>
    private async ValueTask<bool> ReadAsync(StorePathSelection selection, CancellationToken cancellationToken)
    {
        await _listings.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await selection.ReadAsync(paths.ListAsync(cancellationToken), _maxListedPaths, s_maxTime, _time, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NotSupportedException)
        {
            return false;
        }
        finally
        {
            _listings.Release();
        }
    }

    private static void Write(HtmlWriter html, StorePathSelection selection, bool canList, string query)
    {
        html.Element("h1", query.Length == 0 ? "Store paths" : $"Search for “{query}”");
        if (!canList)
        {
            html.Element("p", "This store cannot list what it has. Search for the hash or the whole of a store path instead.", ("class", "note"));
            return;
        }

        html.Element("p", Summary(selection, query), ("class", "summary"));
        if (selection.IsCut)
        {
            html.Element(
                "p",
                $"The store has more than the {SizeText.Count(selection.Seen)} store paths that were looked at. What is not here can be found by its hash or its whole name.",
                ("class", "note"));
        }

        if (selection.Rows.Count == 0)
        {
            return;
        }

        html.Open("table", ("class", "paths")).Element("caption", "Store paths by name", ("class", "unseen"))
            .Open("thead").Open("tr")
            .Element("th", "Name", ("scope", "col")).Element("th", "Hash", ("scope", "col"), ("class", "wide")).Element("th", "References", ("scope", "col"), ("class", "number wide"))
            .Element("th", "NAR size", ("scope", "col"), ("class", "number"))
            .Close().Close().Open("tbody");
        foreach (StorePathRow row in selection.Rows)
        {
            html.Open("tr")
                .Open("th", ("scope", "row")).Element("a", row.Path.Name, ("href", "./" + PagePath.Link(row.Path, []))).Close()
                .Open("td", ("class", "wide")).Element("code", row.Path.Digest.ToString()).Close()
                .Element("td", SizeText.Count(row.References), ("class", "number wide"))
                .Element("td", SizeText.Short(row.NarSize), ("class", "number"), ("title", SizeText.Exact(row.NarSize)))
                .Close();
        }

        html.Close().Close();
        if (!selection.HasPrevious && !selection.HasNext)
        {
            return;
        }

        html.Open("nav", ("class", "pages"), ("aria-label", "Pages"));
        Link("First", selection.HasPrevious ? "" : null, null);
        Link("Previous", selection.HasPrevious ? "before" : null, selection.Rows.First());
        Link("Next", selection.HasNext ? "after" : null, selection.Rows.Last());
        html.Close();

        void Link(string text, string? parameter, StorePathRow? row)
        {
            string search = query.Length == 0 ? "" : "q=" + Uri.EscapeDataString(query);
            string place = string.IsNullOrEmpty(parameter) ? "" : $"{parameter}={Uri.EscapeDataString(row!.Path.ToString())}";
            string all = string.Join('&', ((string[])[search, place]).Where(part => part.Length > 0));
            _ = parameter is null ? html.Element("span", text, ("aria-disabled", "true")) : html.Element("a", text, ("href", all.Length == 0 ? "./" : "./?" + all));
        }
    }

    private static string Summary(StorePathSelection selection, string query)
    {
        string number = selection.Wanted == 1 ? "1 store path" : $"{SizeText.Count(selection.Wanted)} store paths";
        return query.Length == 0
            ? selection.Wanted == 0 ? "There is nothing in this store yet." : $"{number}, by name."
            : selection.Wanted == 0 ? "No store path has that in its name or hash." : $"{number} found, by name.";
    }
}
