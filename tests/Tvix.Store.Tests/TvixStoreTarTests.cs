using System.Formats.Tar;
using NUnit.Framework;
using Tvix.Castore.Import;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Tests;

[TestFixture]
public sealed class TvixStoreTarTests
{
    private static readonly StorePath Candidate = StorePath.ParseBaseName("00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60");

    private TvixStore _store = null!;

    [SetUp]
    public void Open() => _store = TvixStore.Open("memory:");

    [TearDown]
    public async Task Close() => await _store.DisposeAsync();

    /// <summary>The tree of TvixStoreTests, whose store path is known from Nix.</summary>
    private static MemoryStream Archive(string top = "comp/", string contents = "")
    {
        MemoryStream archive = new();
        using (TarWriter writer = new(archive, leaveOpen: true))
        {
            writer.WriteEntry(new PaxTarEntry(TarEntryType.Directory, top));
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, top + ".keep") { DataStream = new MemoryStream(System.Text.Encoding.ASCII.GetBytes(contents)) });
            writer.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, top + "aa") { LinkName = "/nix/store/somewhereelse" });
            writer.WriteEntry(new PaxTarEntry(TarEntryType.Directory, top + "keep/"));
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, top + "keep/.keep"));
        }

        archive.Position = 0;
        return archive;
    }

    [Test]
    public async Task ImportTar_Archive_HasThePathOfTheTree()
    {
        PathInfo info = await _store.ImportTarAsync(Archive(), new StoreImportOptions { Name = "comp" });
        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/5zk7q2q9f5gpqyiq6ag4shlmnsj8x19w-comp"));
        Assert.That(info.NarSize, Is.EqualTo(840));
        Assert.That(await _store.PathInfos.GetAsync(info.StorePath.Digest), Is.EqualTo(info));
    }

    [Test]
    public async Task ImportTar_Whole_TakesTheArchiveAsTheRoot()
    {
        PathInfo info = await _store.ImportTarAsync(Archive("./"), new StoreImportOptions { Name = "comp" }, new TarImportOptions { TopLevel = TarTopLevel.Whole });
        Assert.That(info.StorePath.ToAbsolutePath(), Is.EqualTo("/nix/store/5zk7q2q9f5gpqyiq6ag4shlmnsj8x19w-comp"));
    }

    [Test]
    public async Task ImportTar_Candidates_AreReferencesWhenFound()
    {
        StoreImportOptions options = new() { Name = "comp", ReferenceCandidates = [Candidate] };
        Assert.That((await _store.ImportTarAsync(Archive(), options)).References, Is.Empty);
        PathInfo info = await _store.ImportTarAsync(Archive(contents: $"see {Candidate}"), options);
        Assert.That(info.References, Is.EqualTo((StorePath[])[Candidate]));
        options.ReferenceCandidates = [];
        options.References = [Candidate];
        PathInfo given = await _store.ImportTarAsync(Archive(contents: $"see {Candidate}"), options);
        Assert.That(given.StorePath, Is.EqualTo(info.StorePath));
    }

    [Test]
    public void ImportTar_OptionsThatDoNotFit_Throw()
    {
        Assert.ThrowsAsync<ArgumentException>(async () => await _store.ImportTarAsync(Archive(), new StoreImportOptions()));
        Assert.ThrowsAsync<ArgumentException>(async () => await _store.ImportTarAsync(Archive(), new StoreImportOptions { Name = "a b" }));
        Assert.ThrowsAsync<ArgumentException>(
            async () => await _store.ImportTarAsync(Archive(), new StoreImportOptions { Name = "comp", Method = StoreImportMethod.Flat }));
    }

    [Test]
    public void ImportTar_NoArchive_Throws() =>
        Assert.ThrowsAsync<ImportException>(async () => await _store.ImportTarAsync(new MemoryStream("no archive"u8.ToArray()), new StoreImportOptions { Name = "x" }));
}
