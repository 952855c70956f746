using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Testing;

namespace Tvix.Store.Tests;

[TestFixture]
[Platform("Linux")]
public sealed class TvixStoreVerifyTests
{
    private DirectoryInfo _folder = null!;

    private string StorePath => Path.Combine(_folder.FullName, "store");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("tvix-test-");

    [TearDown]
    public void RemoveFolder() => _folder.Delete(recursive: true);

    private static async Task<List<StoreFinding>> VerifyAsync(TvixStore store)
    {
        List<StoreFinding> findings = [];
        await foreach (StoreFinding finding in store.VerifyAsync())
        {
            findings.Add(finding);
        }

        return findings;
    }

    /// <summary>Two trees that share nothing; the first has a small file, a large one and a folder.</summary>
    private async Task<(PathInfo First, PathInfo Second)> ImportTwoAsync()
    {
        await using TvixStore store = TvixStore.Open("local:" + StorePath);
        string first = Directory.CreateDirectory(Path.Combine(_folder.FullName, "first", "sub")).Parent!.FullName;
        File.WriteAllBytes(Path.Combine(first, "small"), SampleData.Bytes(1000, 1));
        File.WriteAllBytes(Path.Combine(first, "sub", "large"), SampleData.Bytes(2_000_000, 2));
        string second = Path.Combine(_folder.FullName, "second");
        File.WriteAllBytes(second, SampleData.Bytes(1000, 3));
        PathInfo one = await store.ImportAsync(first);
        PathInfo two = await store.ImportAsync(second);
        Assert.That(await VerifyAsync(store), Is.Empty);
        return (one, two);
    }

    private static IEnumerable<string> Victims => ["small", "chunk", "list", "sub", "root"];

    [TestCaseSource(nameof(Victims))]
    public async Task Verify_OfADamagedObject_NamesTheStorePathThatSuffers(string victim)
    {
        (PathInfo first, PathInfo second) = await ImportTwoAsync();
        (RecordKind kind, B3Digest digest) = await FindAsync(first, victim);
        await DamageAsync(kind, digest);
        await using TvixStore store = TvixStore.Open("local:" + StorePath);
        List<StoreFinding> findings = await VerifyAsync(store);
        Assert.That(findings.Select(finding => finding.Damage?.Digest), Does.Contain(digest));
        Assert.That(findings.Where(finding => finding.StorePath is not null).Select(finding => finding.StorePath), Is.EqualTo((StorePath?[])[first.StorePath]));
        Assert.That(async () => await store.WriteNarAsync(first.Node, Stream.Null), Throws.InstanceOf<CastoreException>());
        Assert.That(async () => await store.WriteNarAsync(second.Node, Stream.Null), Throws.Nothing);
    }

    [Test]
    public async Task Verify_OfADamagedPathInfo_NamesItAndGoesOn()
    {
        (PathInfo first, PathInfo second) = await ImportTwoAsync();
        PathInfo earlier = first.StorePath.Digest.CompareTo(second.StorePath.Digest) < 0 ? first : second;
        PathInfo later = ReferenceEquals(earlier, first) ? second : first;
        byte[] key = new byte[B3Digest.Size];
        earlier.StorePath.Digest.CopyTo(key);
        await DamageAsync(RecordKind.Named, new B3Digest(key));
        await DamageAsync(later.Node is Node.Directory directory ? RecordKind.Directory : RecordKind.Chunk,
            later.Node is Node.Directory root ? root.Digest : ((Node.File)later.Node).Digest);

        await using TvixStore store = TvixStore.Open("local:" + StorePath);
        List<StoreFinding> findings = await VerifyAsync(store);
        Assert.That(findings[^2..].Select(finding => finding.Message), Has.Some.Contains(later.StorePath.ToString()));
        Assert.That(findings.Select(finding => finding.Message), Has.Some.Contains(earlier.StorePath.Digest.ToString()));
    }

    private async Task<(RecordKind Kind, B3Digest Digest)> FindAsync(PathInfo info, string victim)
    {
        await using TvixStore store = TvixStore.Open("local:" + StorePath);
        CastoreDirectory root = (await store.Directories.GetAsync(((Node.Directory)info.Node).Digest))!;
        B3Digest sub = ((Node.Directory)root[1].Node).Digest;
        B3Digest large = ((Node.File)(await store.Directories.GetAsync(sub))![0].Node).Digest;
        return victim switch
        {
            "small" => (RecordKind.Chunk, ((Node.File)root[0].Node).Digest),
            "chunk" => (RecordKind.Chunk, (await store.Blobs.GetChunksAsync(large))![1].Digest),
            "list" => (RecordKind.Blob, large),
            "sub" => (RecordKind.Directory, sub),
            _ => (RecordKind.Directory, root.Digest),
        };
    }

    /// <summary>Flips a bit in the payload of a record.</summary>
    private async Task DamageAsync(RecordKind kind, B3Digest key)
    {
        RecordLocation location;
        await using (LocalStore local = new(StorePath))
        {
            using PackIndex.Reader index = local.RentIndex();
            Assert.That(index.TryFind(kind, key, out location), Is.True);
        }

        using FileStream file = new(Path.Combine(StorePath, "packs", $"{location.Pack:d8}.pack"), FileMode.Open, FileAccess.ReadWrite);
        file.Position = location.Offset + RecordHeader.Size;
        int value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 1));
    }
}
