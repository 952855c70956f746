using NUnit.Framework;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Import;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Export;

[TestFixture(false)]
[TestFixture(true)]
[Platform("Linux")]
public sealed class ReflinkFallbackTests(bool embedded) : LinkFolderFixture(embedded, LinkKind.HardLink)
{
    private TempFolder? _memory;

    /// <summary>A folder in memory, where nothing can be cloned.</summary>
    private string Memory
    {
        get
        {
            if (!Directory.Exists("/dev/shm"))
            {
                Assert.Ignore("There is no file system in memory.");
            }

            return (_memory ??= new TempFolder("/dev/shm")).Path;
        }
    }

    [TearDown]
    public void RemoveMemory()
    {
        _memory?.Dispose();
        _memory = null;
    }

    private async Task<ExportResult> ExportAsync(string target, string links, LinkKind kind)
    {
        ExportResult result = await Exporter(links: links, otherKind: kind).ExportAsync(Root, target);
        Assert.That(DiskTree.Show(target), Is.EqualTo(DiskTree.Show(Source)));
        Assert.That(DiskTree.CountOpen(target) + DiskTree.CountOpen(links), Is.Zero);
        return result;
    }

    private static void AssertIsWritable(string target)
    {
        foreach (string name in Names)
        {
            string path = Path.Combine(target, name);
            Assert.That(File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserWrite), Is.True, name);
            Assert.That(File.GetLastWriteTimeUtc(path), Is.GreaterThan(DateTime.UtcNow.AddHours(-1)), name);
        }
    }

    [Test]
    public async Task Export_WhereNothingCanBeCloned_WritesFilesAndTellsWhy()
    {
        string links = Path.Combine(Memory, "links");
        string target = Path.Combine(Memory, "out");
        ExportResult result = await ExportAsync(target, links, LinkKind.Reflink);
        Assert.That(result.LinkFailure, Does.Contain("reflink"));
        Assert.That(result.LinkedFiles, Is.Zero);
        Assert.That(result.WrittenBytes, Is.EqualTo(3_204_097 + (3 * 8)));
        AssertIsWritable(target);
        Assert.That(Directory.GetFileSystemEntries(links), Is.Empty);
    }

    [Test]
    public async Task Export_OfFilesThatCannotBeCloned_LeavesThemInTheFolder()
    {
        string links = Path.Combine(Memory, "links");
        await ExportAsync(Path.Combine(Memory, "first"), links, LinkKind.HardLink);
        List<string> before = DiskTree.Show(links);
        ExportResult result = await ExportAsync(Path.Combine(Memory, "second"), links, LinkKind.Reflink);
        Assert.That(result.LinkFailure, Does.Contain("reflink"));
        Assert.That(result.LinkedFiles, Is.Zero);
        AssertIsWritable(Path.Combine(Memory, "second"));
        Assert.That(DiskTree.Show(links), Is.EqualTo(before));
        Assert.That((await ExportAsync(Path.Combine(Memory, "third"), links, LinkKind.HardLink)).WrittenBytes, Is.Zero);
    }

    [Test]
    public async Task Export_ToAnotherFileSystem_WritesFilesAndTellsWhy([Values] bool filled)
    {
        string links = Path.Combine(Memory, "links");
        if (Source.StartsWith("/dev/shm", StringComparison.Ordinal))
        {
            Assert.Ignore("There is no other file system.");
        }

        if (filled)
        {
            await ExportAsync(Path.Combine(Memory, "first"), links, LinkKind.HardLink);
        }

        ExportResult result = await ExportAsync(At("out"), links, LinkKind.Reflink);
        Assert.That(result.LinkFailure, Does.Contain("reflink"));
        Assert.That(result.LinkedFiles, Is.Zero);
        AssertIsWritable(At("out"));
        Assert.That(Directory.GetFiles(links, "*", SearchOption.AllDirectories), Has.Length.EqualTo(filled ? 7 : 0));
    }

    [Test]
    public void Export_WithReflinksToNoFolder_Refuses() => Assert.That(
        async () => await new FileSystemExporter(Blobs, Directories, new FileSystemExportOptions { LinkKind = LinkKind.Reflink }).ExportAsync(Root, At("out")),
        Throws.ArgumentException);
}
