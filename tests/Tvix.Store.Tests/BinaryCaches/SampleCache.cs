using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.Copy;
using Tvix.Store.Tests.NarInfos;

namespace Tvix.Store.Tests.BinaryCaches;

/// <summary>A binary cache with a tree, and services to bring it into.</summary>
internal sealed class SampleCache
{
    private readonly B3Digest[] _directories;

    private SampleCache(Node.Directory root, Node.Directory inner, byte[] nar)
    {
        Root = root;
        Nar = nar;
        _directories = [root.Digest, inner.Digest];
    }

    public MemoryBinaryCacheFiles Files { get; init; } = new();

    /// <summary>The root of a tree with a folder in it.</summary>
    public Node Root { get; }

    /// <summary>The NAR of the tree, of some 300 000 bytes.</summary>
    public byte[] Nar { get; }

    public MemoryBlobService Blobs { get; } = new();

    public MemoryDirectoryService Directories { get; } = new();

    public static SigningKey Key { get; } = SigningKey.Parse(NarInfoSamples.TestSecret);

    public static async Task<SampleCache> NewAsync(bool readOnly = false)
    {
        await using TvixStore store = SampleClosure.NewStore();
        Node.Directory inner = await store.PutTreeAsync(("run", await store.PutFileAsync("#!/bin/sh\n")), ("link", new Node.Symlink(new SymlinkTarget("run"))));
        Node.Directory root = await store.PutTreeAsync(
            ("bin", inner),
            ("large", await store.PutFileAsync(SampleClosure.Bytes(9, 300_000))));
        return new SampleCache(root, inner, await NarOfAsync(store, root)) { Files = new MemoryBinaryCacheFiles { IsReadOnly = readOnly } };
    }

    public static async Task<byte[]> NarOfAsync(TvixStore store, Node root)
    {
        MemoryStream nar = new();
        await store.WriteNarAsync(root, nar);
        return nar.ToArray();
    }

    public static async Task<byte[]> CompressAsync(byte[] bytes, string compression)
    {
        MemoryStream file = new();
        if (compression == NarCompression.None)
        {
            return bytes;
        }

        await using (Stream stream = NarCompression.OpenWrite(file, compression))
        {
            await stream.WriteAsync(bytes);
        }

        return file.ToArray();
    }

    /// <summary>Adds a narinfo, and the file of its NAR.</summary>
    public NarInfo Add(
        string name = "sample",
        byte[]? nar = null,
        string compression = NarCompression.None,
        byte[]? file = null,
        Sha256Digest? narHash = null,
        ulong? narSize = null,
        StorePath? path = null,
        IReadOnlyList<StorePath>? references = null,
        ContentAddress? address = null,
        bool signed = false,
        string? url = null)
    {
        nar ??= Nar;
        NarInfo info = Make([]);
        info = signed ? Make([Key.Sign(info.GetFingerprint())]) : info;
        Files.Files[info.Url] = file ?? nar;
        Files.Files[BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest)] = info.ToUtf8();
        return info;

        NarInfo Make(NarSignature[] signatures) => new()
        {
            StorePath = path ?? SampleClosure.PathOf(name),
            Url = url ?? $"nar/{name}.nar",
            Compression = compression,
            NarHash = narHash ?? Sha256Digest.Compute(nar),
            NarSize = narSize ?? (ulong)nar.Length,
            References = references ?? [],
            Signatures = signatures,
            ContentAddress = address,
        };
    }

    public BinaryCache Open(Action<BinaryCacheOptions>? configure = null)
    {
        BinaryCacheOptions options = new();
        configure?.Invoke(options);
        return new BinaryCache(Files, options);
    }

    public BinaryCachePathInfoService OpenService(Action<BinaryCacheOptions>? configure = null) => new(Open(configure), Blobs, Directories);

    public async Task<PathInfo> FetchAsync(NarInfo narInfo, Action<BinaryCacheOptions>? configure = null) =>
        await Open(configure).FetchAsync(narInfo, Blobs, Directories);

    /// <summary>No tree is visible.</summary>
    public async Task AssertNothingAsync()
    {
        foreach (B3Digest digest in _directories)
        {
            Assert.That(await Directories.GetAsync(digest), Is.Null);
        }
    }

    /// <summary>The tree can be had, and is the right one.</summary>
    public async Task AssertIsThereAsync(PathInfo? info)
    {
        Assert.That(info?.Node, Is.EqualTo(Root));
        await using TvixStore store = new(Blobs, Directories, new MemoryPathInfoService());
        Assert.That(await NarOfAsync(store, info!.Node), Is.EqualTo(Nar));
    }
}
