using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Import;

[TestFixture]
public sealed class TreeIngesterTests
{
    private static readonly B3Digest s_zeros = new(new byte[32]);
    private static readonly B3Digest s_emptyBlob = B3Digest.Parse("blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=");
    private static readonly B3Digest s_keep =
        new(Convert.FromHexString("8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e"));

    [Test]
    public async Task Ingest_SingleFile_IsTheRoot()
    {
        MemoryDirectoryService directories = new();
        Node root = await IngestAsync(directories, new IngestionEntry.Regular(Path("foo"), s_zeros, 42, true));
        Assert.That(root, Is.EqualTo(new Node.File(s_zeros, 42, true)));
        Assert.That(await directories.GetAsync(s_emptyBlob), Is.Null, "no directory is stored");
    }

    [Test]
    public async Task Ingest_SingleSymlink_IsTheRoot() =>
        Assert.That(
            await IngestAsync(new MemoryDirectoryService(), new IngestionEntry.Symlink(Path("foo"), new SymlinkTarget("../bar"))),
            Is.EqualTo(new Node.Symlink(new SymlinkTarget("../bar"))));

    [Test]
    public async Task Ingest_EmptyDirectory_IsStored()
    {
        MemoryDirectoryService directories = new();
        Node root = await IngestAsync(directories, new IngestionEntry.Directory(Path("foo")));
        Assert.That(root, Is.EqualTo(new Node.Directory(s_emptyBlob, 0)));
        Assert.That(await directories.GetAsync(s_emptyBlob), Is.EqualTo(CastoreDirectory.Empty));
    }

    [Test]
    public async Task Ingest_OneFile_GivesThePublishedDirectory() =>
        Assert.That(
            await IngestAsync(new MemoryDirectoryService(), Keep("foo/.keep"), Directory("foo")),
            Is.EqualTo(new Node.Directory(s_keep, 2)));

    [TestCase(DirectorySizeRule.EntriesTwice, 8ul, "424a7f6ce08d805d15b428062faae96299a1675d708c3a39261afe38cdd04feb")]
    [TestCase(DirectorySizeRule.EntriesOnce, 4ul, "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a")]
    public async Task Ingest_InterleavedTree_GivesThePublishedDirectory(DirectorySizeRule rule, ulong size, string digest)
    {
        MemoryDirectoryService directories = new();
        Node root = await TreeIngester.IngestAsync(
            directories,
            Entries(
                new IngestionEntry.Symlink(Path("root/aa"), new SymlinkTarget("/nix/store/somewhereelse")),
                Keep("root/keep/.keep"),
                Keep("root/.keep"),
                Directory("root/keep"),
                Directory("root")),
            rule);
        Assert.That(root, Is.EqualTo(new Node.Directory(new B3Digest(Convert.FromHexString(digest)), size)));
        Assert.That(await directories.GetAsync(s_keep), Is.Not.Null);
    }

    [Test]
    public async Task Ingest_SameDirectoryTwice_IsFine()
    {
        MemoryDirectoryService directories = new();
        Node root = await IngestAsync(
            directories, Keep("r/a/.keep"), Directory("r/a"), Keep("r/b/.keep"), Directory("r/b"), Directory("r"));
        CastoreDirectory? stored = await directories.GetAsync(((Node.Directory)root).Digest);
        Assert.That(stored!.Select(e => e.Node), Is.EqualTo(Enumerable.Repeat(new Node.Directory(s_keep, 2), 2)));
    }

    public static IEnumerable<TestCaseData> NoTrees()
    {
        yield return Case("Nothing", ImportError.NotATree, "");
        yield return Case("RootBeforeItsEntries", ImportError.NotATree, "blub/.keep", Directory("blub"), Keep("blub/.keep"));
        yield return Case("NoRoot", ImportError.NotATree, "", Keep("a/b"), Directory("a/c"));
        yield return Case("EmptyPath", ImportError.NotATree, "", new IngestionEntry.Directory(CastorePath.Root));
        yield return Case("TwoRoots", ImportError.NotATree, "b", Keep("a"), Keep("b"));
        yield return Case("OtherTop", ImportError.NotATree, "a", Keep("a/b"), Directory("c"));
        yield return Case("DirectoryWithoutEntry", ImportError.NotATree, "a/b", Keep("a/b/c"), Directory("a"));
        yield return Case("EntryAfterItsDirectory", ImportError.NotATree, "a/b", Directory("a/b"), Keep("a/b/c"), Directory("a"));
        yield return Case("EntryBelowAFile", ImportError.NotATree, "a/b", Keep("a/b"), Keep("a/b/c"), Directory("a"));
        yield return Case("NameTwice", ImportError.InvalidDirectory, "a", Keep("a/b"), Directory("a/b"), Directory("a"));
        yield return Case("NoTarget", ImportError.InvalidSymlinkTarget, "a", new IngestionEntry.Symlink(Path("a"), default));

        static TestCaseData Case(string name, ImportError error, string path, params IngestionEntry[] entries) =>
            new TestCaseData(error, path, entries).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(NoTrees))]
    public async Task Ingest_NoTree_ThrowsAndStoresNothing(ImportError error, string path, IngestionEntry[] entries)
    {
        MemoryDirectoryService directories = new();
        ImportException? thrown = Assert.ThrowsAsync<ImportException>(() => IngestAsync(directories, entries));
        Assert.That((thrown!.Error, CastorePath.Parse(thrown.Path.Span)), Is.EqualTo((error, CastorePath.Parse(path))));
        Assert.That(thrown.Message, Does.Contain(path));
        Assert.That(await directories.GetAsync(s_emptyBlob), Is.Null);
    }

    [Test]
    public void Ingest_ProducerFails_ItsExceptionComesThrough()
    {
        Assert.That(() => TreeIngester.IngestAsync(new MemoryDirectoryService(), Failing()), Throws.TypeOf<FileNotFoundException>());

        static async IAsyncEnumerable<IngestionEntry> Failing()
        {
            yield return Keep("a/b");
            await Task.Yield();
            throw new FileNotFoundException();
        }
    }

    [Test]
    public void Ingest_Cancelled_Throws()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.That(
            () => TreeIngester.IngestAsync(new MemoryDirectoryService(), Entries(Keep("a")), cancellationToken: source.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    private static Task<Node> IngestAsync(IDirectoryService directories, params IngestionEntry[] entries) =>
        TreeIngester.IngestAsync(directories, Entries(entries));

    private static async IAsyncEnumerable<IngestionEntry> Entries(params IngestionEntry[] entries)
    {
        foreach (IngestionEntry entry in entries)
        {
            await Task.Yield();
            yield return entry;
        }
    }

    private static CastorePath Path(string path) => CastorePath.Parse(path);

    private static IngestionEntry Keep(string path) => new IngestionEntry.Regular(Path(path), s_emptyBlob, 0, false);

    private static IngestionEntry Directory(string path) => new IngestionEntry.Directory(Path(path));
}
