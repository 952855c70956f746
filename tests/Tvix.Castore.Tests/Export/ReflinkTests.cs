using System.Runtime.InteropServices;
using NUnit.Framework;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Interop;
using Tvix.Castore.Tests.Import;

namespace Tvix.Castore.Tests.Export;

[TestFixture(false)]
[TestFixture(true)]
[Platform("Linux")]
public sealed partial class ReflinkTests(bool embedded) : LinkFolderFixture(embedded, LinkKind.Reflink)
{
    private const string Large = "file-3000000";

    [Test]
    public async Task Export_WithAnEmptyLinkFolder_WritesOrdinaryFilesAndAddsClones()
    {
        ExportResult result = await ExportAsync("out");
        AssertIsTheTree("out");
        await AssertIsOrdinaryAsync("out");
        Assert.That(DiskTree.CountOpen(At("out")) + DiskTree.CountOpen(Links), Is.Zero);
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.Files, Is.EqualTo(8));
        Assert.That(result.LinkedFiles, Is.EqualTo(1), "the twin, which came into the folder meanwhile");
        Assert.That(result.WrittenBytes + result.LinkedBytes, Is.EqualTo(3_204_097 + (3 * 8)));
        Assert.That(Entries(), Is.EquivalentTo(Names.Select(EntryOf).Distinct()));
        Assert.That(Entries().Select(InodeOf), Has.None.AnyOf(Names.Select(name => (object)InodeOf(At("out/" + name))).ToArray()));
        foreach (string name in Names)
        {
            Assert.That(File.GetUnixFileMode(EntryOf(name)), Is.EqualTo(name == "run" ? ExecutableMode : Mode), name);
            Assert.That(StatusOf(EntryOf(name)).IsModifiedAt(1), Is.True, name);
            Assert.That(File.ReadAllBytes(EntryOf(name)), Is.EqualTo(File.ReadAllBytes(Path.Combine(Source, name))), name);
        }
    }

    [Test]
    public async Task Export_WithAFilledLinkFolder_WritesNothing([Values] bool check)
    {
        await ExportAsync("first");
        ulong[] before = [.. Entries().Order().Select(InodeOf)];
        ExportResult result = await ExportAsync("second", check);
        AssertIsTheTree("second");
        await AssertIsOrdinaryAsync("second");
        Assert.That(DiskTree.CountOpen(At("second")) + DiskTree.CountOpen(Links), Is.Zero);
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files));
        Assert.That(result.LinkedBytes, Is.EqualTo(3_204_097 + (3 * 8)));
        Assert.That(result.WrittenBytes, Is.Zero);
        Assert.That(Entries().Order().Select(InodeOf), Is.EqualTo(before));
        Assert.That(Names.Select(name => InodeOf(At("second/" + name))), Is.Unique);
        foreach (string name in (string[])["file-200000", Large])
        {
            ulong block = FirstBlockOf(EntryOf(name));
            Assert.That(FirstBlockOf(At("first/" + name)), Is.EqualTo(block), name);
            Assert.That(FirstBlockOf(At("second/" + name)), Is.EqualTo(block), name);
        }
    }

    [Test]
    public async Task Export_WhereFilesAreWrittenTo_LeavesTheOthers()
    {
        await ExportAsync("first");
        await ExportAsync("second");
        foreach (string name in Names)
        {
            using FileStream file = new(At("second/" + name), FileMode.Open);
            file.Write("changed"u8);
        }

        AssertIsTheTree("first");
        Assert.That((await ExportAsync("third", check: true)).WrittenBytes, Is.Zero);
        AssertIsTheTree("third");
    }

    [Test]
    [NonParallelizable]
    public async Task Export_UnderAnUmask_ClearsItsBitsFromClonesOnly()
    {
        uint before = FileSystemExporterTests.SetUmask(0x17); // 027
        try
        {
            await ExportAsync("first");
            await ExportAsync("second");
            await AssertIsOrdinaryAsync("first");
            await AssertIsOrdinaryAsync("second");
        }
        finally
        {
            _ = FileSystemExporterTests.SetUmask(before);
        }

        Assert.That(File.GetUnixFileMode(At("second/one")), Is.EqualTo((UnixFileMode)0x1a0)); // 640
        Assert.That(File.GetUnixFileMode(At("second/run")), Is.EqualTo((UnixFileMode)0x1e8)); // 750
        Assert.That(File.GetUnixFileMode(EntryOf("one")), Is.EqualTo(Mode));
        Assert.That(File.GetUnixFileMode(EntryOf("run")), Is.EqualTo(ExecutableMode));
    }

    [Test]
    public async Task Export_WithLinksOfBothKinds_SharesTheFolder([Values] LinkKind first)
    {
        LinkKind second = first == LinkKind.Reflink ? LinkKind.HardLink : LinkKind.Reflink;
        await ExportAsync("first", otherKind: first);
        Assert.That((await ExportAsync("second", check: true, otherKind: second)).WrittenBytes, Is.Zero);
        Assert.That((await ExportAsync("third", otherKind: first)).WrittenBytes, Is.Zero);
        foreach (string tree in (string[])["first", "second", "third"])
        {
            AssertIsTheTree(tree);
        }

        Assert.That(Entries(), Has.Length.EqualTo(7));
        await AssertIsOrdinaryAsync(first == LinkKind.Reflink ? "first" : "second");
    }

    [Test]
    public async Task Export_WhereAHardLinkWasWrittenTo_ReplacesTheFileInTheFolder()
    {
        await ExportAsync("first", otherKind: LinkKind.HardLink);
        File.SetUnixFileMode(At("first/one"), (UnixFileMode)0x1a4);
        File.WriteAllText(At("first/one"), "not same");
        File.SetUnixFileMode(At("first/one"), Mode);
        ExportResult result = await ExportAsync("second");
        AssertIsTheTree("second");
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files - 1));
        Assert.That(File.ReadAllText(EntryOf("one")), Is.EqualTo("the same"));
        Assert.That(File.ReadAllText(At("first/one")), Is.EqualTo("not same"));
    }

    [Test]
    public async Task Export_BySeveralOfBothKindsAtOnce_SharesTheFolder()
    {
        ExportResult[] results = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => ExportAsync($"out-{i}", otherKind: (LinkKind)(i % 2)).AsTask())));
        for (int i = 0; i < 6; i++)
        {
            AssertIsTheTree($"out-{i}");
            Assert.That(results[i].LinkFailure, Is.Null);
        }

        Assert.That(Entries(), Has.Length.EqualTo(7));
        Assert.That((await ExportAsync("last", check: true)).WrittenBytes, Is.Zero);
    }

    [Test]
    public async Task Export_WithAFolderInPlaceOfAFile_WritesTheFile()
    {
        await ExportAsync("first");
        File.Delete(EntryOf("one"));
        Directory.CreateDirectory(EntryOf("one"));
        ExportResult result = await ExportAsync("second");
        AssertIsTheTree("second");
        Assert.That(result.LinkFailure, Is.Null);
        Assert.That(result.LinkedFiles, Is.EqualTo(result.Files - 2), "neither of the twins");
    }

    [Test]
    public async Task Export_OfOneFile_ClonesIt()
    {
        await ExportAsync("first");
        Root = await new FileSystemImporter(Blobs, Directories).ImportAsync(Path.Combine(Source, "run"));
        Assert.That((await ExportAsync("run")).LinkedFiles, Is.EqualTo(1));
        Assert.That(InodeOf(At("run")), Is.Not.EqualTo(InodeOf(At("first/run"))).And.Not.EqualTo(InodeOf(EntryOf("run"))));
        File.AppendAllText(At("run"), ", or not");
        Assert.That(async () => await ExportAsync("run"), Throws.TypeOf<ExportException>());
        Assert.That(File.ReadAllText(At("run")), Is.EqualTo("the same, or not"));
        Assert.That(File.ReadAllText(At("first/run")), Is.EqualTo("the same"));
    }

    /// <summary>Where on the disk a file begins.</summary>
    private static unsafe ulong FirstBlockOf(string path)
    {
        const nuint MapRequest = 0xc020660b; // FS_IOC_FIEMAP
        byte* map = stackalloc byte[32 + 56]; // struct fiemap, with one fiemap_extent
        new Span<byte>(map, 32 + 56).Clear();
        *(ulong*)(map + 8) = ulong.MaxValue; // the length
        *(uint*)(map + 16) = 1; // put it on the disk first
        *(uint*)(map + 24) = 1; // the room for extents
        int file = LibC.OpenAt(LibC.CurrentFolder, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], LibC.ReadOnly);
        Assert.That(Map(file, MapRequest, (nint)map), Is.Zero, path);
        _ = LibC.Close(file);
        Assert.That(*(uint*)(map + 20), Is.EqualTo(1), "the number of extents");
        return *(ulong*)(map + 32 + 8);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Map(int file, nuint request, nint map);
}
