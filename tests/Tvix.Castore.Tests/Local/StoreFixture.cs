using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Tests.Shared;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

/// <summary>A store in a temporary folder, which a test may close, damage and open again.</summary>
public abstract class StoreFixture
{
    internal TempFolder Folder { get; private set; } = null!;

    protected string StorePath => Folder["store"];

    [SetUp]
    public void MakeFolder() => Folder = new TempFolder();

    [TearDown]
    public void RemoveFolder() => Folder.Dispose();

    /// <summary>Small packs and chunks, nothing compressed, unless said otherwise.</summary>
    protected LocalStore Open(Action<LocalStoreOptions>? configure = null)
    {
        LocalStoreOptions options = new()
        {
            Path = StorePath,
            Compression = LocalCompression.None,
            AverageChunkSize = 16 * 1024,
            PackSize = 1 << 20,
            BusyTimeout = TimeSpan.FromSeconds(30),
        };
        configure?.Invoke(options);
        return new LocalStore(options);
    }

    protected string PackPath(int pack) => Path.Combine(StorePath, "packs", $"{pack:d8}.pack");

    protected string[] Packs => [.. Directory.EnumerateFiles(Path.Combine(StorePath, "packs"), "*.pack").Order()];

    protected long PackBytes => Packs.Sum(pack => new FileInfo(pack).Length);

    protected void DeleteIndex()
    {
        foreach (string file in Directory.EnumerateFiles(StorePath, "index.db*"))
        {
            File.Delete(file);
        }
    }

    internal static async Task<byte[]?> ReadAsync(LocalStore store, B3Digest digest)
    {
        using BlobContent? content = await store.Blobs.ReadAsync(digest, 1 << 30);
        return content?.Memory.ToArray();
    }

    internal static async Task<List<StoreDamage>> VerifyAsync(LocalStore store)
    {
        List<StoreDamage> found = [];
        await foreach (StoreDamage damage in store.VerifyAsync())
        {
            found.Add(damage);
        }

        return found;
    }

    internal static async Task<B3Digest> PutAsync(LocalStore store, int size, int seed) => await store.Blobs.PutAsync(SampleData.Bytes(size, seed));

    internal static B3Digest Key(byte first)
    {
        byte[] key = new byte[B3Digest.Size];
        key[0] = first;
        return new B3Digest(key);
    }

    internal static byte[]? ReadNamed(LocalStore store, B3Digest key)
    {
        using BlobContent? content = store.Read(RecordKind.Named, key);
        return content?.Memory.ToArray();
    }
}
