using System.Text;
using NUnit.Framework;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Import;

namespace Tvix.Castore.Tests.Export;

[TestFixture(false)]
[TestFixture(true)]
[Platform("Linux")]
public sealed class HardLinkTests(bool embedded) : LinkFolderFixture(embedded, LinkKind.HardLink)
{
    [Test]
    public async Task Export_WithAnEmptyLinkFolder_WritesAndAddsEachFileOnce()
    {
        ExportResult result = await ExportAsync("out");
        AssertIsTheTree("out");
        Assert.That(DiskTree.CountOpen(At("out")) + DiskTree.CountOpen(Links), Is.Zero);
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.Files, Is.EqualTo(8));
        Assert.That(result.LinkedFiles, Is.EqualTo(1), "the twin, which came into the folder meanwhile");
        Assert.That(result.WrittenBytes + result.LinkedBytes, Is.EqualTo(3_204_097 + (3 * 8)));
        Assert.That(Entries(), Has.Length.EqualTo(7));
        Assert.That(InodeOf(At("out/one")), Is.EqualTo(InodeOf(At("out/sub/two"))));
        Assert.That(InodeOf(At("out/run")), Is.Not.EqualTo(InodeOf(At("out/one"))), "another mode is another file");
        Assert.That(Entries().Select(InodeOf), Has.Member(InodeOf(At("out/file-3000000"))));
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
            string path = At("second/" + file);
            Assert.That(InodeOf(path), Is.EqualTo(InodeOf(At("first/" + file))), file);
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(file == "run" ? ExecutableMode : Mode), file);
            Assert.That(File.GetLastWriteTimeUtc(path), Is.EqualTo(DateTime.UnixEpoch.AddSeconds(1)), file);
        }
    }

    [Test]
    public async Task Export_WhereAReaderReplacesAnExportedFile_LeavesTheOthers()
    {
        await ExportAsync("first");
        await ExportAsync("second");
        File.WriteAllText(At("new"), "mine");
        File.Move(At("new"), At("second/one"), overwrite: true);
        AssertIsTheTree("first");
        Assert.That((await ExportAsync("third")).WrittenBytes, Is.Zero);
        AssertIsTheTree("third");
    }

    [Test]
    public async Task Export_OfOneFile_LinksIt()
    {
        await ExportAsync("first");
        Root = await new FileSystemImporter(Blobs, Directories).ImportAsync(Path.Combine(Source, "run"));
        Assert.That((await ExportAsync("run")).LinkedFiles, Is.EqualTo(1));
        Assert.That(InodeOf(At("run")), Is.EqualTo(InodeOf(At("first/run"))));
        Assert.That(async () => await ExportAsync("run"), Throws.TypeOf<ExportException>());
        Assert.That(File.ReadAllText(At("run")), Is.EqualTo("the same"));
    }

    [Test]
    public async Task Export_ToAnotherFileSystem_CopiesAndTellsWhy()
    {
        string links = Path.Combine("/dev/shm", "tvix-links-" + Path.GetRandomFileName());
        if (!Directory.Exists("/dev/shm") || Source.StartsWith("/dev/shm", StringComparison.Ordinal))
        {
            Assert.Ignore("There is no other file system.");
        }

        try
        {
            ExportResult result = await ExportAsync("out", links: links);
            AssertIsTheTree("out");
            Assert.That(result.LinkFailure, Is.Not.Empty);
            Assert.That(result.LinkedFiles, Is.Zero);
            foreach (string file in Names)
            {
                Assert.That(File.GetUnixFileMode(At("out/" + file)).HasFlag(UnixFileMode.UserWrite), Is.True, file);
                Assert.That(File.GetLastWriteTimeUtc(At("out/" + file)), Is.GreaterThan(DateTime.UtcNow.AddHours(-1)), file);
            }
        }
        finally
        {
            Directory.Delete(links, recursive: true);
        }
    }

    [Test]
    public async Task Export_OfAFileThatHasAllNamesItMayHave_WritesAnother()
    {
        const int MoreThanSome = 70_000; // ext4 allows 65,000; others far more, or any number
        await ExportAsync("first");
        string entry = EntryOf("one");
        ulong before = InodeOf(entry);
        Directory.CreateDirectory(At("names"));
        byte[] source = [.. Encoding.UTF8.GetBytes(entry), 0];
        int names = 0;
        while (LibC.LinkAt(LibC.CurrentFolder, source, LibC.CurrentFolder, Encoding.UTF8.GetBytes(At($"names/{names}\0"))) == 0)
        {
            if (++names == MoreThanSome)
            {
                Assert.Ignore("Files may have any number of names where temporary files go.");
            }
        }

        Assert.That(LibC.LastError, Is.EqualTo(LibC.ErrorTooManyNames));
        ExportResult result = await ExportAsync("second");
        AssertIsTheTree("second");
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files - 1), "the other of the twins is a link again");
        Assert.That(InodeOf(entry), Is.Not.EqualTo(before).And.EqualTo(InodeOf(At("second/one"))).And.EqualTo(InodeOf(At("second/sub/two"))));
        AssertIsTheTree("first");
    }
}
