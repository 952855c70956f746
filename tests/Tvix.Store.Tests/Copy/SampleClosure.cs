using System.Security.Cryptography;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Tests.Copy;

/// <summary>Makes stores with store paths that refer to each other, and checks what became of them.</summary>
internal static class SampleClosure
{
    public static TvixStore NewStore() => TvixStore.Open("memory:");

    public static StorePath PathOf(string name) =>
        new(new StorePathDigest(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, StorePathDigest.Size)), name);

    public static byte[] Bytes(int seed, int length)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static async Task<Node.File> PutFileAsync(this TvixStore store, byte[] contents) =>
        new(await store.Blobs.PutAsync(contents), (ulong)contents.Length, Executable: false);

    public static Task<Node.File> PutFileAsync(this TvixStore store, string contents) => store.PutFileAsync(Encoding.UTF8.GetBytes(contents));

    public static async Task<Node.Directory> PutTreeAsync(this TvixStore store, params (string Name, Node Node)[] entries)
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries(entries.Select(e => new DirectoryEntry(new PathComponent(e.Name), e.Node)));
        await store.Directories.PutAsync(directory);
        return directory.ToNode();
    }

    public static async Task<PathInfo> PutPathAsync(this TvixStore store, string name, Node node, params string[] references)
    {
        PathInfo info = new()
        {
            StorePath = PathOf(name),
            Node = node,
            NarSize = 1000,
            NarHash = Sha256Digest.Compute(Encoding.UTF8.GetBytes(name)),
            References = [.. references.Select(PathOf)],
            Deriver = PathOf(name + "-deriver"),
            ContentAddress = ContentAddress.Nar(Sha256Digest.Compute(Encoding.UTF8.GetBytes(name))),
        };
        return await store.PathInfos.PutAsync(info);
    }

    /// <summary>
    /// Four paths, and <c>apart</c>: <c>top</c> refers to <c>left</c>, <c>right</c> and itself, and these to <c>bottom</c>, which is a
    /// single file. 5 distinct blobs of 4445 bytes together.
    /// </summary>
    public static async Task<TvixStore> DiamondAsync()
    {
        TvixStore store = NewStore();
        Node shared = await store.PutTreeAsync(("shared", await store.PutFileAsync(Bytes(1, 4000))), ("link", new Node.Symlink(new SymlinkTarget("shared"))));
        await store.PutPathAsync("bottom", await store.PutFileAsync(Bytes(2, 40)));
        await store.PutPathAsync("left", await store.PutTreeAsync(("lib", shared), ("left", await store.PutFileAsync(Bytes(3, 400)))), "bottom");
        await store.PutPathAsync("right", await store.PutTreeAsync(("lib", shared), ("right", await store.PutFileAsync("r"))), "bottom");
        await store.PutPathAsync(
            "top",
            await store.PutTreeAsync(("lib", shared), ("bottom", await store.PutFileAsync(Bytes(2, 40))), ("top", await store.PutFileAsync(Bytes(4, 4)))),
            "left", "right", "top");
        await store.PutPathAsync("apart", await store.PutFileAsync("apart"));
        return store;
    }

    public static async Task<List<PathInfo>> ListAsync(this TvixStore store)
    {
        List<PathInfo> all = [];
        await foreach (PathInfo info in store.PathInfos.ListAsync())
        {
            all.Add(info);
        }

        return all;
    }

    /// <summary>Whatever is in the store is complete: its contents, which are sound, and its references.</summary>
    public static async Task AssertCompleteAsync(this TvixStore store)
    {
        await foreach (StoreFinding finding in store.VerifyAsync())
        {
            Assert.Fail(finding.Message);
        }

        foreach (PathInfo info in await store.ListAsync())
        {
            foreach (StorePath reference in info.References)
            {
                Assert.That(await store.PathInfos.GetAsync(reference.Digest), Is.Not.Null, $"{reference}, which {info} refers to");
            }
        }
    }

    /// <summary>The store has these paths and no others, as the source has them, and they are complete.</summary>
    public static async Task AssertHasAsync(this TvixStore store, TvixStore source, params string[] names)
    {
        List<PathInfo> found = await store.ListAsync();
        Assert.That(found.Select(info => info.StorePath.Name), Is.EquivalentTo(names));
        foreach (PathInfo info in found)
        {
            Assert.That(info, Is.EqualTo(await source.PathInfos.GetAsync(info.StorePath.Digest)));
        }

        await store.AssertCompleteAsync();
    }
}
