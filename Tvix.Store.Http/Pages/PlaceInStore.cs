using Tvix.Castore.Model;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http.Pages;

/// <summary>Something that a page is about.</summary>
/// <param name="Info">The store path that it is in.</param>
/// <param name="Names">Where it is in that; empty for the root.</param>
/// <param name="Node">What it is.</param>
/// <param name="Root">The base of the cache relative to what was asked for; ends with a slash.</param>
internal sealed record PlaceInStore(PathInfo Info, IReadOnlyList<PathComponent> Names, Node Node, string Root)
{
    /// <summary>The last name, as text for people.</summary>
    public string Title => Names.Count == 0 ? Info.StorePath.ToString() : HtmlWriter.Show(Names[^1].Bytes);

    /// <summary>The URL of something below it, or of itself; <see langword="null"/> when it would be too long.</summary>
    public string? Link(params IEnumerable<PathComponent> below) => PagePath.Link(Info.StorePath, Names.Concat(below)) is { } link ? Root + link : null;
}
