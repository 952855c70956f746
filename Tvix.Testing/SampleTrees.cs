using System.Globalization;
using Tvix.Castore.Model;

namespace Tvix.Testing;

/// <summary>Directories and trees to store. The fixed ones are the fixtures that implementations of the format have in common.</summary>
public static class SampleTrees
{
    /// <summary>The directory without entries; fixture A.</summary>
    public static CastoreDirectory Empty => CastoreDirectory.Empty;

    /// <summary>A directory with nothing but an empty file <c>.keep</c>; fixture KEEP.</summary>
    public static CastoreDirectory Keep { get; } = Make((".keep", EmptyFile));

    /// <summary>
    /// A directory of all three kinds, sizes by <see cref="DirectorySizeRule.EntriesTwice"/>; fixture COMPL (R2). Its child is
    /// <see cref="Keep"/>.
    /// </summary>
    public static CastoreDirectory Complicated { get; } = MakeComplicated(DirectorySizeRule.EntriesTwice);

    /// <summary>
    /// The same with sizes by <see cref="DirectorySizeRule.EntriesOnce"/>, as it was written before August 2024; fixture COMPL (R1).
    /// </summary>
    public static CastoreDirectory ComplicatedBySingleSize { get; } = MakeComplicated(DirectorySizeRule.EntriesOnce);

    /// <summary>A directory whose only entry <c>a</c> is <see cref="Empty"/>; fixture B.</summary>
    public static CastoreDirectory OneEmptyChild { get; } = Make(("a", Empty.ToNode()));

    /// <summary>A directory whose entries <c>a</c> and <c>a'</c> are both <see cref="Empty"/>; fixture C.</summary>
    public static CastoreDirectory TwoEmptyChildren { get; } = Make(("a", Empty.ToNode()), ("a'", Empty.ToNode()));

    /// <summary>Trees of many shapes, with sizes by <see cref="DirectorySizeRule.EntriesTwice"/>.</summary>
    public static IReadOnlyList<SampleTree> All { get; } =
    [
        new("Empty", [Empty]),
        new("Keep", [Keep]),
        new("Complicated", [Keep, Complicated]),
        new("OneEmptyChild", [Empty, OneEmptyChild]),
        new("TwoEmptyChildren", [Empty, TwoEmptyChildren]),
        MakeNamesThatAreNotText(),
        Diamond(12),
        Chain(200),
        Wide(500),
    ];

    /// <summary>A directory from names and nodes in any order.</summary>
    public static CastoreDirectory Make(params IEnumerable<(string Name, Node Node)> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return CastoreDirectory.FromEntries(entries.Select(entry => new DirectoryEntry(new PathComponent(entry.Name), entry.Node)));
    }

    /// <summary>Directories in a row, each the only child of the next: deep, to find recursion.</summary>
    /// <param name="depth">The number of directories; at least one.</param>
    public static SampleTree Chain(int depth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth);
        List<CastoreDirectory> directories = [Keep];
        while (directories.Count < depth)
        {
            directories.Add(Make(("next", directories[^1].ToNode())));
        }

        return new($"Chain({depth})", directories);
    }

    /// <summary>A root with many different children.</summary>
    /// <param name="width">The number of children.</param>
    public static SampleTree Wide(int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        CastoreDirectory[] children =
            [.. Enumerable.Range(0, width).Select(i => Make(("link", new Node.Symlink(new SymlinkTarget(Number(i))))))];
        CastoreDirectory root = Make(children.Select((child, i) => (Number(i), (Node)child.ToNode())));
        return new($"Wide({width})", [.. children, root]);
    }

    /// <summary>
    /// Directories in a row, each referring twice to the one before: few to store, but 2^depth paths to walk for who does not notice.
    /// </summary>
    /// <param name="depth">The number of directories; from 1 to 60, beyond which the size overflows.</param>
    public static SampleTree Diamond(int depth)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(depth, 60);
        List<CastoreDirectory> directories = [Keep];
        while (directories.Count < depth)
        {
            directories.Add(Make(("left", directories[^1].ToNode()), ("right", directories[^1].ToNode())));
        }

        return new($"Diamond({depth})", directories);
    }

    private static Node EmptyFile => new Node.File(B3Digest.Empty, 0, Executable: false);

    private static CastoreDirectory MakeComplicated(DirectorySizeRule rule) => Make(
        ("keep", Keep.ToNode(rule)),
        (".keep", EmptyFile),
        ("aa", new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse"))));

    private static SampleTree MakeNamesThatAreNotText()
    {
        DirectoryEntry[] entries =
        [
            new(new PathComponent([0xc5, 0xc4, 0xd6]), Keep.ToNode()),
            new(new PathComponent([0xff]), new Node.Symlink(new SymlinkTarget([0xfe, (byte)'/', 0x80]))),
            new(new PathComponent("back\\slash\n"), new Node.File(B3Digest.Empty, 0, Executable: true)),
            new(
                new PathComponent(new string('x', PathComponent.MaxLength)),
                new Node.Symlink(new SymlinkTarget(new string('y', SymlinkTarget.MaxLength)))),
        ];
        return new("NamesThatAreNotText", [Keep, CastoreDirectory.FromEntries(entries)]);
    }

    private static string Number(int i) => i.ToString("d6", CultureInfo.InvariantCulture);
}
