using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Tests.Nar;

/// <summary>A tree in memory, with its NAR as plain recursion makes it.</summary>
internal sealed class TestTree
{
    public MemoryBlobService Blobs { get; } = new();

    public MemoryDirectoryService Directories { get; } = new();

    public Node Root { get; private set; } = null!;

    public byte[] Nar { get; private set; } = [];

    /// <summary>The number of nodes.</summary>
    public int Nodes { get; private set; }

    /// <summary>Stores a tree of random shape; the same seed gives the same tree.</summary>
    public static async Task<TestTree> RandomAsync(int seed, int maxFileLength = 100)
    {
        TestTree tree = new();
        (tree.Root, byte[] node) = await tree.MakeAsync(new Random(seed), depth: 0, maxFileLength);
        tree.Nar = NarBytes.Archive(node);
        return tree;
    }

    /// <summary>Stores one file.</summary>
    public static async Task<TestTree> FileAsync(byte[] contents, bool executable = false)
    {
        TestTree tree = new() { Nodes = 1 };
        tree.Root = new Node.File(await tree.Blobs.PutAsync(contents), (ulong)contents.Length, executable);
        tree.Nar = NarBytes.Archive(NarBytes.File(contents, executable));
        return tree;
    }

    /// <summary>Stores a directory of entries.</summary>
    public async Task<Node.Directory> PutDirectoryAsync(params (string Name, Node Node)[] entries)
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries(
            entries.Select(e => new DirectoryEntry(new PathComponent(e.Name), e.Node)));
        await Directories.PutAsync(directory);
        return directory.ToNode();
    }

    private async Task<(Node Node, byte[] Nar)> MakeAsync(Random random, int depth, int maxFileLength)
    {
        Nodes++;
        int kind = random.Next(depth == 0 ? 8 : 10);
        if (kind < 5 && depth < 4)
        {
            SortedSet<byte[]> names = new(Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)));
            int count = random.Next(7);
            while (names.Count < count)
            {
                names.Add(MakeName(random));
            }

            List<DirectoryEntry> entries = [];
            List<byte[]> nars = [];
            foreach (byte[] name in names)
            {
                (Node child, byte[] nar) = await MakeAsync(random, depth + 1, maxFileLength);
                entries.Add(new DirectoryEntry(new PathComponent(name), child));
                nars.Add(NarBytes.Entry(name, nar));
            }

            CastoreDirectory directory = CastoreDirectory.FromEntries(entries);
            await Directories.PutAsync(directory);
            return (directory.ToNode(), NarBytes.Directory([.. nars]));
        }

        if (kind == 7)
        {
            byte[] target = new byte[random.Next(4) == 0 ? random.Next(1, 4096) : random.Next(1, 30)];
            random.NextBytes(target);
            target.AsSpan().Replace((byte)0, (byte)'/');
            byte[] nar = NarBytes.Node(NarBytes.Str("type", "symlink", "target"), NarBytes.Str(target));
            return (new Node.Symlink(new SymlinkTarget(target)), nar);
        }

        byte[] contents = new byte[random.Next(5) == 0 ? 0 : random.Next(maxFileLength)];
        random.NextBytes(contents);
        bool executable = random.Next(2) == 0;
        return (new Node.File(await Blobs.PutAsync(contents), (ulong)contents.Length, executable), NarBytes.File(contents, executable));
    }

    private static byte[] MakeName(Random random)
    {
        byte[] name = new byte[random.Next(8) == 0 ? random.Next(1, 256) : random.Next(1, 9)];
        random.NextBytes(name);
        name.AsSpan().Replace((byte)0, (byte)'a');
        name.AsSpan().Replace((byte)'/', (byte)'b');
        return name is [(byte)'.'] or [(byte)'.', (byte)'.'] ? "c"u8.ToArray() : name;
    }
}
