using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Interop;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Import;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Export;

[TestFixture(false)]
[TestFixture(true)]
[Platform("Linux")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class LinkFolderTests(bool embedded)
{
    private const UnixFileMode Mode = (UnixFileMode)0x124; // 0444
    private const UnixFileMode ExecutableMode = (UnixFileMode)0x16d; // 0555

    private TempFolder _folder = null!;
    private LocalStore? _store;
    private IBlobService _blobs = null!;
    private IDirectoryService _directories = null!;
    private Node _root = null!;

    private string Source => _folder["source"];

    private string Links => _folder["links"];

    [SetUp]
    public async Task MakeTree()
    {
        _folder = new TempFolder();
        _store = embedded ? new LocalStore(new LocalStoreOptions { Path = _folder["store"], AverageChunkSize = 16 * 1024 }) : null;
        _blobs = _store?.Blobs ?? new MemoryBlobService();
        _directories = _store?.Directories ?? new MemoryDirectoryService();
        Directory.CreateDirectory(Path.Combine(Source, "sub"));
        foreach (int size in (int[])[0, 1, 4096, 200_000, 3_000_000])
        {
            File.WriteAllBytes(Path.Combine(Source, $"file-{size}"), SampleData.Bytes(size, size + 1));
        }

        foreach (string twin in (string[])["one", "sub/two"])
        {
            File.WriteAllText(Path.Combine(Source, twin), "the same");
        }

        File.WriteAllText(Path.Combine(Source, "run"), "the same");
        File.SetUnixFileMode(Path.Combine(Source, "run"), (UnixFileMode)0x1ed);
        File.CreateSymbolicLink(Path.Combine(Source, "link"), "run");
        _root = await new FileSystemImporter(_blobs, _directories).ImportAsync(Source);
    }

    [TearDown]
    public async Task RemoveTree()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        _folder.Dispose();
    }

    private ValueTask<ExportResult> ExportAsync(string target, bool check = false, string? links = null, CancellationToken cancellationToken = default) =>
        new FileSystemExporter(_blobs, _directories, new FileSystemExportOptions { LinkFolder = links ?? Links, CheckLinks = check })
            .ExportAsync(_root, _folder[target], cancellationToken: cancellationToken);

    private string[] Entries() => Directory.GetFiles(Links, "*", SearchOption.AllDirectories);

    private void AssertIsTheTree(string target) => Assert.That(DiskTree.Show(_folder[target]), Is.EqualTo(DiskTree.Show(Source)));

    private static ulong InodeOf(string path)
    {
        Assert.That(LibC.StatAt(LibC.CurrentFolder, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], out LibC.FileStatus status), Is.Zero);
        return status.Inode;
    }

    private string EntryOf(string exported) => Entries().Single(entry => InodeOf(entry) == InodeOf(_folder[exported]));

    [Test]
    public async Task Export_WithAnEmptyLinkFolder_WritesAndAddsEachFileOnce()
    {
        ExportResult result = await ExportAsync("out");
        AssertIsTheTree("out");
        Assert.That(DiskTree.CountOpen(_folder["out"]) + DiskTree.CountOpen(Links), Is.Zero);
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.Files, Is.EqualTo(8));
        Assert.That(result.LinkedFiles, Is.EqualTo(1), "the twin, which came into the folder meanwhile");
        Assert.That(result.WrittenBytes + result.LinkedBytes, Is.EqualTo(3_204_097 + (3 * 8)));
        Assert.That(Entries(), Has.Length.EqualTo(7));
        Assert.That(InodeOf(_folder["out/one"]), Is.EqualTo(InodeOf(_folder["out/sub/two"])));
        Assert.That(InodeOf(_folder["out/run"]), Is.Not.EqualTo(InodeOf(_folder["out/one"])), "another mode is another file");
        Assert.That(Entries().Select(InodeOf), Has.Member(InodeOf(_folder["out/file-3000000"])));
    }

    [Test]
    public async Task Export_WithAFilledLinkFolder_WritesNothing()
    {
        await ExportAsync("first");
        ExportResult result = await ExportAsync("second", check: true);
        AssertIsTheTree("second");
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files));
        Assert.That(result.WrittenBytes, Is.Zero);
        foreach (string file in (string[])["file-0", "file-4096", "file-200000", "file-3000000", "run", "sub/two"])
        {
            string path = _folder["second/" + file];
            Assert.That(InodeOf(path), Is.EqualTo(InodeOf(_folder["first/" + file])), file);
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(file == "run" ? ExecutableMode : Mode), file);
            Assert.That(File.GetLastWriteTimeUtc(path), Is.EqualTo(DateTime.UnixEpoch.AddSeconds(1)), file);
        }
    }

    [Test]
    public async Task Export_WithAFilledLinkFolder_DoesNotNeedTheContents()
    {
        await ExportAsync("first");
        await new FileSystemExporter(new MemoryBlobService(), _directories, new FileSystemExportOptions { LinkFolder = Links }).ExportAsync(_root, _folder["second"]);
        AssertIsTheTree("second");
    }

    public enum Change
    {
        Contents,
        LongerContents,
        Mode,
        Time,
        Link,
        ContentsWithoutATrace,
    }

    [Test]
    public async Task Export_WithAChangedFileInTheLinkFolder_ReplacesIt([Values] Change change, [Values("file-4096", "file-3000000")] string name)
    {
        await ExportAsync("first");
        string entry = EntryOf("first/" + name);
        ulong before = InodeOf(entry);
        File.SetUnixFileMode(entry, (UnixFileMode)0x1a4);
        switch (change)
        {
            case Change.Contents or Change.LongerContents or Change.ContentsWithoutATrace:
                using (FileStream file = new(entry, FileMode.Open))
                {
                    file.Seek(change == Change.LongerContents ? file.Length : 100, SeekOrigin.Begin);
                    file.Write("changed"u8);
                }

                break;
            case Change.Link:
                File.Delete(entry);
                File.CreateSymbolicLink(entry, Path.Combine(Source, name));
                break;
        }

        if (change != Change.Link)
        {
            File.SetUnixFileMode(entry, change == Change.Mode ? (UnixFileMode)0x1a4 : Mode);
            File.SetLastWriteTimeUtc(entry, change is Change.Contents or Change.Time ? DateTime.UtcNow : DateTime.UnixEpoch.AddSeconds(1));
        }

        ExportResult result = await ExportAsync("second", check: change == Change.ContentsWithoutATrace);
        AssertIsTheTree("second");
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files - 1));
        Assert.That(InodeOf(entry), Is.Not.EqualTo(before).And.EqualTo(InodeOf(_folder["second/" + name])));
        Assert.That((await ExportAsync("third")).LinkedFiles, Is.EqualTo(result.Files));
        AssertIsTheTree("third");
    }

    [Test]
    public async Task Export_WhereAReaderReplacesAnExportedFile_LeavesTheOthers()
    {
        await ExportAsync("first");
        await ExportAsync("second");
        File.WriteAllText(_folder["new"], "mine");
        File.Move(_folder["new"], _folder["second/one"], overwrite: true);
        AssertIsTheTree("first");
        Assert.That((await ExportAsync("third")).WrittenBytes, Is.Zero);
        AssertIsTheTree("third");
    }

    [Test]
    public async Task Export_BySeveralAtOnce_ShareTheLinkFolder()
    {
        ExportResult[] results = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => ExportAsync($"out-{i}").AsTask())));
        for (int i = 0; i < 6; i++)
        {
            AssertIsTheTree($"out-{i}");
            Assert.That(results[i].LinkFailure, Is.Null);
        }

        Assert.That(Entries(), Has.Length.EqualTo(7));
        Assert.That((await ExportAsync("last", check: true)).WrittenBytes, Is.Zero);
    }

    [Test]
    public async Task Export_ToAnotherFileSystem_CopiesAndTellsWhy()
    {
        string links = Path.Combine("/dev/shm", "tvix-links-" + Path.GetRandomFileName());
        if (!Directory.Exists("/dev/shm") || _folder.Path.StartsWith("/dev/shm", StringComparison.Ordinal))
        {
            Assert.Ignore("There is no other file system.");
        }

        try
        {
            ExportResult result = await ExportAsync("out", links: links);
            AssertIsTheTree("out");
            Assert.That(result.LinkFailure, Is.Not.Empty);
            Assert.That(result.LinkedFiles, Is.Zero);
            foreach (string file in (string[])["file-0", "file-1", "file-4096", "file-200000", "file-3000000", "one", "run", "sub/two"])
            {
                Assert.That(File.GetUnixFileMode(_folder["out/" + file]).HasFlag(UnixFileMode.UserWrite), Is.True, file);
                Assert.That(File.GetLastWriteTimeUtc(_folder["out/" + file]), Is.GreaterThan(DateTime.UtcNow.AddHours(-1)), file);
            }
        }
        finally
        {
            Directory.Delete(links, recursive: true);
        }
    }

    [Test]
    public async Task Export_ThatFails_RemovesTheTreeButNotTheLinks()
    {
        await ExportAsync("first");
        string[] before = Entries();
        CastoreDirectory root = SampleTrees.Make(("a", _root), ("b", new Node.File(Blake3Hasher.HashData("absent"u8), 6, false)));
        await _directories.PutAsync(root);
        FileSystemExporter exporter = new(_blobs, _directories, new FileSystemExportOptions { LinkFolder = Links });
        Assert.That(async () => await exporter.ExportAsync(root.ToNode(), _folder["second"]), Throws.TypeOf<StorageException>());
        Assert.That(Path.Exists(_folder["second"]), Is.False);
        Assert.That(Entries(), Is.EquivalentTo(before));
        AssertIsTheTree("first");
        await ExportAsync("third");
        AssertIsTheTree("third");
    }

    [Test]
    public void Export_ThatIsCancelled_LeavesNoTree()
    {
        Assert.That(async () => await ExportAsync("out", cancellationToken: new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Path.Exists(_folder["out"]), Is.False);
    }

    [Test]
    public void Export_WithALinkFolderThatOthersMayWriteTo_Refuses()
    {
        Directory.CreateDirectory(Links);
        File.SetUnixFileMode(Links, (UnixFileMode)0x1ff);
        Assert.That(async () => await ExportAsync("out"), Throws.TypeOf<ExportException>().With.Message.Contains("links"));
        Assert.That(async () => await ExportAsync("out", links: _folder["no/where"]), Throws.TypeOf<ExportException>());
        File.WriteAllText(_folder["file"], "");
        Assert.That(async () => await ExportAsync("out", links: _folder["file"]), Throws.TypeOf<ExportException>());
        Assert.That(Path.Exists(_folder["out"]), Is.False);
    }

    [Test]
    public void Export_WithWrongOptions_Refuses()
    {
        Assert.That(async () => await ExportAsync("out", links: ""), Throws.ArgumentException);
        Assert.That(
            async () => await new FileSystemExporter(_blobs, _directories, new FileSystemExportOptions { CheckLinks = true }).ExportAsync(_root, _folder["out"]),
            Throws.ArgumentException);
    }

    [Test]
    public async Task Export_OfOneFile_LinksIt()
    {
        await ExportAsync("first");
        _root = await new FileSystemImporter(_blobs, _directories).ImportAsync(Path.Combine(Source, "run"));
        Assert.That((await ExportAsync("run")).LinkedFiles, Is.EqualTo(1));
        Assert.That(InodeOf(_folder["run"]), Is.EqualTo(InodeOf(_folder["first/run"])));
        Assert.That(async () => await ExportAsync("run"), Throws.TypeOf<ExportException>());
        Assert.That(File.ReadAllText(_folder["run"]), Is.EqualTo("the same"));
    }
}
