using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Store.Composition;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Tests.Shared;

namespace Tvix.Store.Tests;

/// <summary>Imports of store paths that read only what has changed: whatever is remembered, they give what imports without a change cache give.</summary>
[TestFixture]
[Platform("Linux")]
public sealed class TvixStoreChangeCacheTests
{
    private TempFolder _folder = null!;
    private CountedBlobs _blobs = null!;
    private StoreServices _services = null!;
    private ChangeCache _cache = null!;

    private string Tree => _folder["tree"];

    [SetUp]
    public void MakeTree()
    {
        _folder = new TempFolder();
        Directory.CreateDirectory(Path.Combine(Tree, "sub"));
        File.WriteAllText(Path.Combine(Tree, "a"), "one");
        File.WriteAllText(Path.Combine(Tree, "sub", "b"), "two");
        File.CreateSymbolicLink(Path.Combine(Tree, "link"), "a");
        _blobs = new CountedBlobs();
        _services = new StoreServices(_blobs, new MemoryDirectoryService(), new MemoryPathInfoService());
        _cache = ChangeCache.Open(_folder["changes.db"], new ChangeCacheOptions { TimeProvider = new LaterTime() });
    }

    [TearDown]
    public void RemoveTree()
    {
        _cache.Dispose();
        _folder.Dispose();
    }

    /// <summary>Imports with the cache, and holds the result to what an import without one gives.</summary>
    private async Task<PathInfo> ImportAsync(string? path = null, Action<StoreImportOptions>? set = null)
    {
        _blobs.Read = _blobs.Written = 0;
        StoreImportOptions options = new() { FileSystem = { ChangeCache = _cache } };
        set?.Invoke(options);
        await using TvixStore store = new(_services);
        PathInfo info = await store.ImportAsync(path ?? Tree, options);

        StoreImportOptions plain = new();
        set?.Invoke(plain);
        await using TvixStore other = TvixStore.Open("memory:");
        Assert.That(info, Is.EqualTo(await other.ImportAsync(path ?? Tree, plain)));
        Assert.That(_cache.Failure, Is.Null);
        return info;
    }

    private void AssertReadAndWritten(int read, int written) => Assert.That((_blobs.Read, _blobs.Written), Is.EqualTo((read, written)), "blobs read and written");

    [Test]
    public async Task Import_OfAnUnchangedTree_ReadsNothingFromDiskOrStore()
    {
        await ImportAsync();
        AssertReadAndWritten(0, 2);
        await ImportAsync();
        AssertReadAndWritten(0, 0);
        await ImportAsync(set: options => options.Name = "other");
        AssertReadAndWritten(0, 0);
    }

    [Test]
    public async Task Import_AfterAnEdit_ReadsTheFileAndComputesTheHashFromTheStore()
    {
        await ImportAsync();
        File.WriteAllText(Path.Combine(Tree, "sub", "b"), "three");
        await ImportAsync();
        AssertReadAndWritten(2, 1);
        await ImportAsync();
        AssertReadAndWritten(0, 0);
    }

    [Test]
    public async Task Import_OfAnEarlierState_KnowsItsHash()
    {
        await ImportAsync();
        File.WriteAllText(Path.Combine(Tree, "sub", "b"), "three");
        await ImportAsync();
        File.WriteAllText(Path.Combine(Tree, "sub", "b"), "two");
        await ImportAsync();
        AssertReadAndWritten(0, 1);
    }

    [Test]
    public async Task Import_OfASingleFile_DistinguishesMethodAndMode()
    {
        string file = Path.Combine(Tree, "a");
        for (int round = 0; round < 2; round++)
        {
            await ImportAsync(file);
            await ImportAsync(file, options => options.Method = StoreImportMethod.Flat);
        }

        AssertReadAndWritten(0, 0);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        await ImportAsync(file);
        await ImportAsync(file, options => options.Method = StoreImportMethod.Flat);
        await ImportAsync(file);
        AssertReadAndWritten(0, 0);
    }

    [Test]
    public async Task Import_OfASymbolicLink_Works()
    {
        await ImportAsync(Path.Combine(Tree, "link"));
        await ImportAsync(Path.Combine(Tree, "link"));
    }

    [Test]
    public async Task Import_FlatOfAFolder_FailsAsWithoutACache()
    {
        await ImportAsync();
        Assert.That(async () => await ImportAsync(set: options => options.Method = StoreImportMethod.Flat), Throws.TypeOf<ImportException>());
    }

    [Test]
    public async Task Import_WithCandidates_RemembersWhatWasFound()
    {
        StorePath[] paths = [.. "0123456789".Select(c => new StorePath(StorePathDigest.Parse(new string(c, 32)), "p"))];
        File.WriteAllText(Path.Combine(Tree, "sub", "b"), $"{paths[3].Digest} and {paths[5].Digest}");
        File.WriteAllText(Path.Combine(Tree, "name-" + paths[7].Digest), "is not looked at");
        Action<StoreImportOptions> some = options => options.ReferenceCandidates = paths[..4];
        Action<StoreImportOptions> more = options => options.ReferenceCandidates = paths[..8];
        PathInfo found = await ImportAsync(set: some);
        Assert.That(found.References, Is.EqualTo((StorePath[])[paths[3]]));
        Assert.That((await ImportAsync(set: some)).StorePath, Is.EqualTo(found.StorePath));
        AssertReadAndWritten(0, 0);

        found = await ImportAsync(set: more);
        Assert.That(found.References, Is.EqualTo((StorePath[])[paths[3], paths[5]]));
        AssertReadAndWritten(0, 3);
        await ImportAsync(set: options => options.ReferenceCandidates = [.. paths[..8].Reverse()]);
        AssertReadAndWritten(0, 0);
        Assert.That((await ImportAsync()).References, Is.Empty);

        File.WriteAllText(Path.Combine(Tree, "a"), paths[1].Digest.ToString());
        Assert.That((await ImportAsync(set: some)).References, Is.EqualTo((StorePath[])[paths[1], paths[3]]));
    }

    [Test]
    public async Task Import_IntoAStoreThatComputesHashes_AsksIt()
    {
        Calculation calculation = new(_services);
        _services = _services with { NarCalculation = calculation };
        await ImportAsync();
        Assert.That(calculation.Calls, Is.Zero, "everything was read anyway");
        File.WriteAllText(Path.Combine(Tree, "a"), "three");
        await ImportAsync();
        Assert.That(calculation.Calls, Is.EqualTo(1));
        await ImportAsync();
        Assert.That(calculation.Calls, Is.EqualTo(1));
    }

    [Test]
    public async Task Import_IntoAStoreElsewhere_ReadsTheDiskRatherThanTheStore()
    {
        _blobs.IsElsewhere = true;
        await ImportAsync();
        File.WriteAllText(Path.Combine(Tree, "a"), "three");
        await ImportAsync();
        AssertReadAndWritten(0, 3);
        await ImportAsync();
        AssertReadAndWritten(0, 0);
    }

    [Test]
    public async Task Import_WhenABlobIsGone_StoresItAgain()
    {
        PathInfo first = await ImportAsync();
        _services = _services with { Blobs = _blobs = new CountedBlobs() };
        Assert.That(await ImportAsync(), Is.EqualTo(first));
        AssertReadAndWritten(0, 2);
    }

    [Test]
    public async Task ImportContents_WithACache_ChecksTheHashOfWhatItReads()
    {
        PathInfo info = await ImportAsync();
        await using TvixStore store = new(_services);
        ContentsImportOptions options = new() { ExpectedSha256 = info.NarHash, FileSystem = { ChangeCache = _cache } };
        Assert.That((await store.ImportContentsAsync(Tree, options)).Root, Is.EqualTo(info.Node));
        File.WriteAllText(Path.Combine(Tree, "a"), "three");
        Assert.That(async () => await store.ImportContentsAsync(Tree, options), Throws.TypeOf<NarHashMismatchException>());
    }

    /// <summary>A clock that is ahead, so that what was written just now is old.</summary>
    private sealed class LaterTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromSeconds(10);
    }

    private sealed class Calculation(StoreServices services) : INarCalculationService
    {
        private readonly RenderingNarCalculationService _inner = new(services.Blobs, services.Directories);

        public int Calls { get; private set; }

        public ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
        {
            Calls++;
            return _inner.CalculateAsync(root, cancellationToken);
        }
    }

    private sealed class CountedBlobs : IBlobService
    {
        private readonly MemoryBlobService _blobs = new();

        public int Read { get; set; }

        public int Written { get; set; }

        public bool IsElsewhere { get; set; }

        public IBlobService? AskedBeforeWriting => IsElsewhere ? this : null;

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => _blobs.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default)
        {
            Read++;
            return _blobs.OpenReadAsync(digest, cancellationToken);
        }

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
        {
            Written++;
            return _blobs.OpenWriteAsync(cancellationToken);
        }

        public ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
        {
            Written++;
            return _blobs.PutAsync(content, cancellationToken);
        }
    }
}
