using System.Runtime.InteropServices;
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

[TestFixture(false, LinkKind.HardLink)]
[TestFixture(true, LinkKind.HardLink)]
[TestFixture(false, LinkKind.Reflink)]
[TestFixture(true, LinkKind.Reflink)]
[Platform("Linux")]
public sealed partial class LinkFolderTests(bool embedded, LinkKind kind) : LinkFolderFixture(embedded, kind)
{
    [Test]
    public async Task Export_WithAFilledLinkFolder_DoesNotNeedTheContents()
    {
        await ExportAsync("first");
        await Exporter(blobs: new MemoryBlobService()).ExportAsync(Root, At("second"));
        AssertIsTheTree("second");
    }

    public enum Change
    {
        Contents,
        LongerContents,
        Mode,
        Time,
        Link,
        Pipe,
        ContentsWithoutATrace,
    }

    [Test]
    public async Task Export_WithAChangedFileInTheLinkFolder_ReplacesIt([Values] Change change, [Values("file-4096", "file-3000000")] string name)
    {
        await ExportAsync("first");
        string entry = EntryOf(name);
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
            case Change.Pipe:
                File.Delete(entry);
                Assert.That(MakePipe(entry, 0x124), Is.Zero);
                break;
        }

        if (change is not (Change.Link or Change.Pipe))
        {
            File.SetUnixFileMode(entry, change == Change.Mode ? (UnixFileMode)0x1a4 : Mode);
            File.SetLastWriteTimeUtc(entry, change is Change.Contents or Change.Time ? DateTime.UtcNow : DateTime.UnixEpoch.AddSeconds(1));
        }

        ExportResult result = await ExportAsync("second", check: change == Change.ContentsWithoutATrace);
        AssertIsTheTree("second");
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files - 1));
        LibC.FileStatus status = StatusOf(entry);
        Assert.That(status.Type, Is.EqualTo(LibC.FileType.Regular));
        Assert.That(status.IsModifiedAt(1), Is.True);
        Assert.That(status.Inode == InodeOf(At("second/" + name)), Is.EqualTo(Kind == LinkKind.HardLink));
        Assert.That(File.ReadAllBytes(entry), Is.EqualTo(File.ReadAllBytes(Path.Combine(Source, name))));
        if (Kind == LinkKind.HardLink)
        {
            Assert.That(status.Inode, Is.Not.EqualTo(before)); // which is still that of a file in the first tree
        }

        Assert.That((await ExportAsync("third")).LinkedFiles, Is.EqualTo(result.Files));
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
    public async Task Export_ThatFails_RemovesTheTreeButNotTheLinks()
    {
        await ExportAsync("first");
        string[] before = Entries();
        CastoreDirectory root = SampleTrees.Make(("a", Root), ("b", new Node.File(Blake3Hasher.HashData("absent"u8), 6, false)));
        await Directories.PutAsync(root);
        Assert.That(async () => await Exporter().ExportAsync(root.ToNode(), At("second")), Throws.TypeOf<StorageException>());
        Assert.That(Path.Exists(At("second")), Is.False);
        Assert.That(Entries(), Is.EquivalentTo(before));
        AssertIsTheTree("first");
        await ExportAsync("third");
        AssertIsTheTree("third");
    }

    [Test]
    public void Export_ThatIsCancelled_LeavesNoTree()
    {
        Assert.That(async () => await ExportAsync("out", cancellationToken: new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Path.Exists(At("out")), Is.False);
    }

    [Test]
    public void Export_WithALinkFolderThatOthersMayWriteTo_Refuses()
    {
        Directory.CreateDirectory(Links);
        foreach (int mode in new[] { 0x1ff, 0x1f8 }) // 0777, 0770
        {
            File.SetUnixFileMode(Links, (UnixFileMode)mode);
            Assert.That(async () => await ExportAsync("out"), Throws.TypeOf<ExportException>().With.Message.Contains("links"));
        }

        Assert.That(async () => await ExportAsync("out", links: At("no/where")), Throws.TypeOf<ExportException>());
        File.WriteAllText(At("file"), "");
        Assert.That(async () => await ExportAsync("out", links: At("file")), Throws.TypeOf<ExportException>());
        Assert.That(Path.Exists(At("out")), Is.False);
    }

    [Test]
    public void Export_WithWrongOptions_Refuses()
    {
        Assert.That(async () => await ExportAsync("out", links: ""), Throws.ArgumentException);
        Assert.That(async () => await ExportAsync("out", otherKind: (LinkKind)2), Throws.ArgumentException);
        Assert.That(
            async () => await new FileSystemExporter(Blobs, Directories, new FileSystemExportOptions { CheckLinks = true }).ExportAsync(Root, At("out")),
            Throws.ArgumentException);
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MakePipe(string path, uint mode);
}
