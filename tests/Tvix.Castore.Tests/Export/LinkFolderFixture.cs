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

/// <summary>A tree in a store, and a folder for links to export it with.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public abstract class LinkFolderFixture(bool embedded, LinkKind kind)
{
    protected const UnixFileMode Mode = (UnixFileMode)0x124; // 0444
    protected const UnixFileMode ExecutableMode = (UnixFileMode)0x16d; // 0555

    private TempFolder _folder = null!;
    private LocalStore? _store;

    protected LinkKind Kind => kind;

    protected IBlobService Blobs { get; private set; } = null!;

    protected IDirectoryService Directories { get; private set; } = null!;

    protected Node Root { get; set; } = null!;

    protected string Source => At("source");

    protected string Links => At("links");

    /// <summary>The files of the tree.</summary>
    protected static string[] Names { get; } = ["file-0", "file-1", "file-4096", "file-200000", "file-3000000", "one", "run", "sub/two"];

    [SetUp]
    public async Task MakeTree()
    {
        _folder = kind == LinkKind.Reflink ? ReflinkFolder.Make() : new TempFolder();
        _store = embedded ? new LocalStore(new LocalStoreOptions { Path = At("store"), AverageChunkSize = 16 * 1024 }) : null;
        Blobs = _store?.Blobs ?? new MemoryBlobService();
        Directories = _store?.Directories ?? new MemoryDirectoryService();
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
        Root = await new FileSystemImporter(Blobs, Directories).ImportAsync(Source);
    }

    [TearDown]
    public async Task RemoveTree()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        _folder?.Dispose();
    }

    protected string At(string name) => _folder[name];

    protected FileSystemExporter Exporter(bool check = false, string? links = null, LinkKind? otherKind = null, IBlobService? blobs = null) => new(
        blobs ?? Blobs,
        Directories,
        new FileSystemExportOptions { LinkFolder = links ?? Links, LinkKind = otherKind ?? kind, CheckLinks = check });

    protected ValueTask<ExportResult> ExportAsync(
        string target, bool check = false, string? links = null, LinkKind? otherKind = null, CancellationToken cancellationToken = default) =>
        Exporter(check, links, otherKind).ExportAsync(Root, At(target), cancellationToken: cancellationToken);

    protected string[] Entries() => Directory.GetFiles(Links, "*", SearchOption.AllDirectories);

    /// <summary>Where the folder has the contents of a file of the tree.</summary>
    protected string EntryOf(string name)
    {
        string digest = Convert.ToHexStringLower(Blake3Hasher.HashData(File.ReadAllBytes(Path.Combine(Source, name))).ToByteArray());
        return Path.Combine(Links, digest[..2], digest[2..] + (name == "run" ? "-x" : ""));
    }

    protected void AssertIsTheTree(string target) => Assert.That(DiskTree.Show(At(target)), Is.EqualTo(DiskTree.Show(Source)));

    /// <summary>Its files have the modes that an export without a folder for links gives them, and were made just now.</summary>
    protected async Task AssertIsOrdinaryAsync(string target)
    {
        string ordinary = target + "-ordinary";
        await new FileSystemExporter(Blobs, Directories).ExportAsync(Root, At(ordinary));
        foreach (string name in Names)
        {
            string path = At($"{target}/{name}");
            Assert.That(File.GetUnixFileMode(path), Is.EqualTo(File.GetUnixFileMode(At($"{ordinary}/{name}"))), name);
            Assert.That(File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserWrite), Is.True, name);
            Assert.That(File.GetLastWriteTimeUtc(path), Is.GreaterThan(DateTime.UtcNow.AddHours(-1)), name);
        }
    }

    internal static ulong InodeOf(string path) => StatusOf(path).Inode;

    internal static LibC.FileStatus StatusOf(string path)
    {
        Assert.That(LibC.StatAt(LibC.CurrentFolder, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], out LibC.FileStatus status), Is.Zero, path);
        return status;
    }
}
