using System.Runtime.InteropServices;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Import;
using Tvix.Tests.Shared;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Export;

[TestFixture]
[Platform("Linux")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class FileSystemExporterTests
{
    private TempFolder _folder = null!;
    private MemoryBlobService _blobs = null!;
    private MemoryDirectoryService _directories = null!;

    private string Source => _folder["source"];

    private string Target => _folder["target"];

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TempFolder();
        Directory.CreateDirectory(Source);
        _blobs = new MemoryBlobService();
        _directories = new MemoryDirectoryService();
    }

    [TearDown]
    public void RemoveFolder()
    {
        DiskTree.RemoveFrom(_folder.Path); // .NET cannot remove what has a name that is no text, or a path that is too long
        _folder.Dispose();
    }

    private ValueTask<Node> ImportAsync(string? path = null) => new FileSystemImporter(_blobs, _directories).ImportAsync(path ?? Source);

    private ValueTask<ExportResult> ExportAsync(Node root, string? path = null, CancellationToken cancellationToken = default) =>
        new FileSystemExporter(_blobs, _directories).ExportAsync(root, path ?? Target, cancellationToken: cancellationToken);

    private void MakeTree()
    {
        foreach (int size in (int[])[0, 1, 4096, 1 << 20, (1 << 20) + 1, 5_000_000])
        {
            File.WriteAllBytes(Path.Combine(Source, $"file-{size}"), SampleData.Bytes(size, size + 1));
        }

        File.SetUnixFileMode(Path.Combine(Source, "file-1"), (UnixFileMode)0x1ed);
        File.SetUnixFileMode(Path.Combine(Source, "file-5000000"), (UnixFileMode)0x1ed);
        DiskTree.WriteFile(Source, [0xff, (byte)'\n'], "bytes"u8);
        DiskTree.MakeLink(Source, "link"u8.ToArray(), [0xfe, (byte)'/', (byte)'.', (byte)'.']);
        File.CreateSymbolicLink(Path.Combine(Source, "absolute"), "/etc");
        Directory.CreateDirectory(Path.Combine(Source, "empty"));
        for (int i = 0; i < 600; i++)
        {
            Directory.CreateDirectory(Path.Combine(Source, "many", $"{i % 7}"));
            File.WriteAllBytes(Path.Combine(Source, "many", $"{i % 7}", $"{i}"), SampleData.Bytes(i * 50, i));
        }
    }

    [Test]
    public async Task Export_OfWhatWasImported_GivesTheSameTree()
    {
        MakeTree();
        Node root = await ImportAsync();
        int open = DiskTree.CountOpen(_folder.Path);
        await ExportAsync(root);
        Assert.That(DiskTree.Show(Target), Is.EqualTo(DiskTree.Show(Source)));
        Assert.That(await ImportAsync(Target), Is.EqualTo(root));
        Assert.That(DiskTree.CountOpen(_folder.Path), Is.EqualTo(open));
    }

    [Test]
    public async Task Export_OfARootThatIsNoFolder_WritesIt()
    {
        string file = Path.Combine(Source, "file");
        File.WriteAllText(file, "abc");
        await ExportAsync(await ImportAsync(file));
        Assert.That(File.ReadAllText(Target), Is.EqualTo("abc"));
        await ExportAsync(new Node.Symlink(new SymlinkTarget("no/where")), _folder["link"]);
        Assert.That(new FileInfo(_folder["link"]).LinkTarget, Is.EqualTo("no/where"));
    }

    [Test]
    public async Task Export_ToAPathWithATrailingSlash_WritesThere()
    {
        await ExportAsync(await ImportAsync(), Target + "/");
        Assert.That(Directory.Exists(Target), Is.True);
    }

    [Test]
    public async Task Export_OfADeepTree_Works()
    {
        DiskTree.MakeDeep(Source, 700, "leaf");
        Node root = await ImportAsync();
        await ExportAsync(root);
        Assert.That(await ImportAsync(Target), Is.EqualTo(root));
    }

    [Test]
    [NonParallelizable]
    public async Task Export_UnderAnUmask_ClearsItsBits()
    {
        File.WriteAllText(Path.Combine(Source, "plain"), "1");
        File.WriteAllText(Path.Combine(Source, "run"), "2");
        File.SetUnixFileMode(Path.Combine(Source, "run"), (UnixFileMode)0x1ed);
        Node root = await ImportAsync();
        uint before = SetUmask(0x17); // 027
        try
        {
            await ExportAsync(root);
        }
        finally
        {
            _ = SetUmask(before);
        }

        Assert.That(File.GetUnixFileMode(Target), Is.EqualTo((UnixFileMode)0x1e8)); // 750
        Assert.That(File.GetUnixFileMode(Path.Combine(Target, "plain")), Is.EqualTo((UnixFileMode)0x1a0)); // 640
        Assert.That(File.GetUnixFileMode(Path.Combine(Target, "run")), Is.EqualTo((UnixFileMode)0x1e8));
    }

    [Test]
    public async Task Export_ToWhatExists_RefusesAndLeavesIt([Values("file", "folder", "link")] string kind)
    {
        MakeTree();
        Node root = await ImportAsync();
        switch (kind)
        {
            case "file":
                File.WriteAllText(Target, "mine");
                break;
            case "folder":
                Directory.CreateDirectory(Target);
                File.WriteAllText(Path.Combine(Target, "letter"), "mine");
                break;
            default:
                Directory.CreateDirectory(_folder["elsewhere"]);
                File.CreateSymbolicLink(Target, _folder["elsewhere"]);
                break;
        }

        List<string> before = DiskTree.Show(_folder.Path);
        foreach (Node node in (Node[])[root, new Node.File(B3Digest.Empty, 0, false), new Node.Symlink(new SymlinkTarget("x"))])
        {
            await _blobs.PutAsync(Array.Empty<byte>());
            ExportException e = Assert.ThrowsAsync<ExportException>(async () => await ExportAsync(node))!;
            Assert.That(e.Path.IsEmpty, Is.True, "it is about the root");
            Assert.That(e.Message, Does.Contain("'target'"));
            Assert.That(DiskTree.Show(_folder.Path), Is.EqualTo(before));
        }
    }

    [Test]
    public async Task Export_IntoAFolderThatIsNotThere_Throws()
    {
        Node root = await ImportAsync();
        Assert.That(async () => await ExportAsync(root, _folder["no/where"]), Throws.TypeOf<ExportException>());
        Assert.That(async () => await ExportAsync(root, "/"), Throws.ArgumentException);
        Assert.That(Directory.Exists(_folder["no"]), Is.False);
    }

    [Test]
    public async Task Export_WithAMissingBlob_RemovesWhatItWrote([Values(10, 3_000_000)] int size)
    {
        MakeTree();
        Node.Directory tree = (Node.Directory)await ImportAsync();
        CastoreDirectory root = SampleTrees.Make(("a", tree), ("b", new Node.File(Blake3Hasher.HashData("absent"u8), (ulong)size, false)));
        await _directories.PutAsync(root);
        List<string> before = DiskTree.Show(_folder.Path);
        Assert.That(async () => await ExportAsync(root.ToNode()), Throws.TypeOf<StorageException>().With.Message.Contains("missing"));
        Assert.That(DiskTree.Show(_folder.Path), Is.EqualTo(before));
        Assert.That(DiskTree.CountOpen(_folder.Path), Is.Zero);
    }

    [Test]
    public async Task Export_WithAMissingDirectory_RemovesWhatItWrote()
    {
        CastoreDirectory root = SampleTrees.Make(("a", new Node.Symlink(new SymlinkTarget("x"))), ("b", SampleTrees.Keep.ToNode()));
        await _directories.PutAsync(root);
        Assert.That(async () => await ExportAsync(root.ToNode()), Throws.TypeOf<StorageException>());
        Assert.That(Path.Exists(Target), Is.False);
    }

    [Test]
    public async Task Export_OfAFileWhoseNodeLies_Throws([Values(3, 6, 2_000_000)] int said, [Values(5, 1_500_000)] int actual)
    {
        B3Digest digest = await _blobs.PutAsync(SampleData.Bytes(actual));
        CastoreDirectory root = SampleTrees.Make(("a", new Node.File(digest, (ulong)said, false)));
        await _directories.PutAsync(root);
        Assert.That(async () => await ExportAsync(root.ToNode()), Throws.TypeOf<StorageException>());
        Assert.That(Path.Exists(Target), Is.False);
    }

    [Test]
    public async Task Export_OfADeepTreeThatFails_RemovesAllOfIt()
    {
        // Deeper than this process may have files open by default.
        List<CastoreDirectory> levels = [SampleTrees.Make(("absent", new Node.File(Blake3Hasher.HashData("absent"u8), 1, false)))];
        while (levels.Count < 1500)
        {
            levels.Add(SampleTrees.Make(("a", new Node.Symlink(new SymlinkTarget("x"))), ("next", levels[^1].ToNode())));
        }

        foreach (CastoreDirectory level in levels)
        {
            await _directories.PutAsync(level);
        }

        Assert.That(async () => await ExportAsync(levels[^1].ToNode()), Throws.TypeOf<StorageException>());
        Assert.That(Path.Exists(Target), Is.False);
        Assert.That(DiskTree.CountOpen(_folder.Path), Is.Zero);
    }

    [Test]
    public async Task Export_ThatIsCancelled_RemovesWhatItWrote()
    {
        MakeTree();
        Node root = await ImportAsync();
        using CancellationTokenSource cancel = new();
        CancelAtFirst progress = new(cancel);
        Assert.That(
            async () => await new FileSystemExporter(_blobs, _directories).ExportAsync(root, Target, progress, cancel.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Path.Exists(Target), Is.False);
        Assert.That(DiskTree.CountOpen(_folder.Path), Is.Zero);
    }

    [Test]
    public async Task Export_WithProgress_ReportsTheWholeAtTheEnd()
    {
        File.WriteAllText(Path.Combine(Source, "file"), "abc");
        Node file = await ImportAsync(Path.Combine(Source, "file"));
        ExportProgress last = default;
        await new FileSystemExporter(_blobs, _directories).ExportAsync(file, Target, new Direct(value => last = value));
        Assert.That(last, Is.EqualTo(new ExportProgress(1, 0, 0, 3)));
    }

    private sealed class Direct(Action<ExportProgress> action) : IProgress<ExportProgress>
    {
        public void Report(ExportProgress value) => action(value);
    }

    private sealed class CancelAtFirst(CancellationTokenSource cancel) : IProgress<ExportProgress>
    {
        public void Report(ExportProgress value) => cancel.Cancel();
    }

    [LibraryImport("libc", EntryPoint = "umask")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    internal static partial uint SetUmask(uint mask);
}
