using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(DirectoryTraversal))]
public sealed class DirectoryTraversalTests
{
    private static readonly Node File = new Node.File(B3Digest.Empty, 0, Executable: false);

    [TestCase("", true)]
    [TestCase("keep", true)]
    [TestCase("keep/.keep", true)]
    [TestCase("aa", true)]
    [TestCase("nothing", false)]
    [TestCase("keep/nothing", false)]
    [TestCase("aa/below", false, Description = "symlinks are not followed")]
    [TestCase(".keep/below", false)]
    [TestCase("nothing/below", false)]
    public async Task DescendAsync_Path_FindsTheNodeOrNothing(string path, bool found)
    {
        IDirectoryService service = await StoreAsync(SampleTrees.Keep, SampleTrees.Complicated);
        Node? node = await service.DescendAsync(SampleTrees.Complicated.ToNode(), CastorePath.Parse(path));
        Node? expected = path switch
        {
            "" => SampleTrees.Complicated.ToNode(),
            "keep" => SampleTrees.Keep.ToNode(),
            "keep/.keep" => File,
            "aa" => new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")),
            _ => null,
        };
        Assert.That(node, Is.EqualTo(expected));
        Assert.That(node is not null, Is.EqualTo(found));
    }

    [Test]
    public async Task DescendAsync_FromAFile_FindsOnlyItself()
    {
        MemoryDirectoryService service = new();
        Assert.That(await service.DescendAsync(File, CastorePath.Root), Is.SameAs(File));
        Assert.That(await service.DescendAsync(File, CastorePath.Parse("a")), Is.Null);
    }

    [Test]
    public async Task DescendAsync_DirectoryMissing_Throws()
    {
        IDirectoryService service = await StoreAsync(SampleTrees.Complicated);
        Node root = SampleTrees.Complicated.ToNode();
        Assert.That(await service.DescendAsync(root, CastorePath.Parse("keep")), Is.EqualTo(SampleTrees.Keep.ToNode()), "not needed yet");
        Assert.That(
            async () => await service.DescendAsync(root, CastorePath.Parse("keep/.keep")),
            Throws.InstanceOf<StorageException>().With.Message.Contains(SampleTrees.Keep.Digest.ToString()));
    }

    [Test]
    public async Task GetClosureAsync_ByDefault_GoesBreadthFirstInNameOrder()
    {
        CastoreDirectory x = SampleTrees.Make(("x", File)), y = SampleTrees.Make(("y", File)), z = SampleTrees.Make(("z", File));
        CastoreDirectory middle = SampleTrees.Make(("2", x.ToNode()), ("1", y.ToNode()));
        CastoreDirectory root = SampleTrees.Make(("b", middle.ToNode()), ("c", x.ToNode()), ("a", z.ToNode()));
        IDirectoryService service = await StoreAsync(x, y, z, middle, root);
        Assert.That(await service.GetClosureAsync(root.Digest).ToListAsync(), Is.EqualTo(new[] { root, z, middle, x, y }));
    }

    private static async Task<IDirectoryService> StoreAsync(params CastoreDirectory[] directories)
    {
        MemoryDirectoryService service = new();
        foreach (CastoreDirectory directory in directories)
        {
            await service.PutAsync(directory);
        }

        return service;
    }
}
