using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Tvix.Store.Nix;

namespace Tvix.Store.Http.Pages;

/// <summary>What all pages have in common, and how they and their parts are sent.</summary>
internal sealed class PageLayout(StoreDirectory storeDirectory)
{
    // Nothing runs, and nothing comes from elsewhere. What the pages show is what someone has uploaded.
    private const string ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    private static readonly byte[] s_style = Resource("style.css");
    private static readonly byte[] s_icon = Resource("icon.svg");
    private static readonly string s_styleVersion = Version(s_style);
    private static readonly string s_iconVersion = Version(s_icon);

    /// <summary>GET of <c>style.css</c>.</summary>
    public static Task GetStyleAsync(HttpContext http) => SendPartAsync(http, s_style, "text/css; charset=utf-8", s_styleVersion);

    /// <summary>GET of <c>icon.svg</c>.</summary>
    public static Task GetIconAsync(HttpContext http) => SendPartAsync(http, s_icon, "image/svg+xml", s_iconVersion);

    /// <summary>Sends a page.</summary>
    /// <param name="http">The request.</param>
    /// <param name="status">The status.</param>
    /// <param name="root">The base of the cache relative to the page; ends with a slash.</param>
    /// <param name="title">What the page is about.</param>
    /// <param name="trail">What is above it, from the outermost: texts and links relative to the base; may be nothing.</param>
    /// <param name="query">What was searched for.</param>
    /// <param name="main">Writes the contents.</param>
    public Task SendAsync(
        HttpContext http, int status, string root, string title, IReadOnlyList<(string Text, string? Link)> trail, string? query, Action<HtmlWriter> main)
    {
        HtmlWriter html = new();
        html.Open("html", ("lang", "en")).Open("head")
            .Empty("meta", ("charset", "utf-8"))
            .Empty("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1"))
            .Empty("meta", ("name", "color-scheme"), ("content", "light dark"))
            .Element("title", $"{title} · binary cache")
            .Empty("link", ("rel", "stylesheet"), ("href", $"{root}style.css?v={s_styleVersion}"))
            .Empty("link", ("rel", "icon"), ("href", $"{root}icon.svg?v={s_iconVersion}"))
            .Close()
            .Open("body")
            .Element("a", "Skip to the contents", ("class", "skip"), ("href", "#main"));

        html.Open("header")
            .Open("div", ("class", "bar"))
            .Open("a", ("class", "brand"), ("href", root)).Text("Binary cache").Close()
            .Open("form", ("role", "search"), ("action", root), ("method", "get"))
            .Element("label", "Search store paths", ("for", "q"), ("class", "unseen"))
            .Empty("input", ("id", "q"), ("name", "q"), ("type", "search"), ("value", query), ("maxlength", "256"), ("autocomplete", "off"), ("placeholder", "Name or hash"))
            .Element("button", "Search")
            .Close().Close().Close();

        html.Open("main", ("id", "main"));
        if (trail.Count > 0)
        {
            html.Open("nav", ("aria-label", "Where you are"), ("class", "trail")).Open("ol");
            foreach ((string text, string? link) in trail)
            {
                html.Open("li").Open("bdi");
                _ = link is null ? html.Text(text) : html.Element("a", text, ("href", root + link));
                html.Close().Close();
            }

            html.Close().Close();
        }

        main(html);
        html.Close();
        html.Open("footer").Open("p").Text("Store paths of ").Element("code", storeDirectory.Path).Text(" · ")
            .Element("a", NarInfos.NixCacheInfo.FileName, ("href", root + NarInfos.NixCacheInfo.FileName)).Close().Close();

        http.Response.StatusCode = status;
        http.Response.Headers.CacheControl = Reply.Revalidate;
        SetHeaders(http, ContentSecurityPolicy);
        return Reply.SendAsync(http, html.ToUtf8(), "text/html; charset=utf-8");
    }

    /// <summary>Sets what keeps browsers from doing more with an answer than they should.</summary>
    public static void SetHeaders(HttpContext http, string contentSecurityPolicy)
    {
        http.Response.Headers.ContentSecurityPolicy = contentSecurityPolicy;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers["Referrer-Policy"] = "no-referrer";
        http.Response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }

    private static Task SendPartAsync(HttpContext http, byte[] bytes, string contentType, string version)
    {
        SetHeaders(http, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
        string cacheControl = http.Request.Query["v"] == version ? Reply.Immutable : Reply.Revalidate;
        return Reply.SendTaggedAsync(http, bytes, contentType, $"\"{version}\"", cacheControl);
    }

    private static byte[] Resource(string name)
    {
        using Stream resource = typeof(PageLayout).Assembly.GetManifestResourceStream("Tvix.Store.Http.Pages." + name)!;
        byte[] bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return bytes;
    }

    private static string Version(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes).AsSpan(0, 8));
}
