using System.Text;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Store.Tests.Copy;
using Tvix.Store.Tests.Nar;
using Tvix.Store.Tests.NarInfos;

namespace Tvix.Store.Tests.BinaryCaches;

/// <summary>What is found in a binary cache, and fetched from it.</summary>
[TestFixture]
public sealed class BinaryCacheTests
{
    private const long MoreThanMuch = 1L << 40;
    private const string OfficialKey = NarInfoSamples.OfficialKey;

    [Test]
    public async Task FindNarInfo_OfAnUnknownPath_IsNull()
    {
        SampleCache sample = await SampleCache.NewAsync();
        Assert.That(await sample.Open().FindNarInfoAsync(default), Is.Null);
    }

    [Test]
    public async Task FindNarInfo_OfAKnownPath_IsWhatTheFileSays()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add(references: [SampleClosure.PathOf("other")]);
        Assert.That((await sample.Open().FindNarInfoAsync(info.StorePath.Digest))!.ToText(), Is.EqualTo(info.ToText()));
    }

    [TestCase("", "none")]
    [TestCase("nonsense", "none")]
    [TestCase("StorePath: /nix/store/x\n", "none")]
    public async Task FindNarInfo_OfAMalformedOne_IsRefused(string text, string why)
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        Write(sample, info, Encoding.UTF8.GetBytes(text));
        await AssertRefusedAsync(sample.Open(), info, why);
    }

    [Test]
    public async Task FindNarInfo_NotUtf8_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        Write(sample, info, [.. info.ToUtf8(), .. "Deriver: "u8, 0xff, 0xfe, (byte)'\n']);
        await AssertRefusedAsync(sample.Open(), info, "none");
    }

    [Test]
    public async Task FindNarInfo_LongerThanAllowed_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        int length = info.ToUtf8().Length;
        await AssertRefusedAsync(sample.Open(options => options.MaxNarInfoSize = length - 1), info, "none");
        Assert.That(await sample.Open(options => options.MaxNarInfoSize = length).FindNarInfoAsync(info.StorePath.Digest), Is.Not.Null);
    }

    [Test]
    public async Task FindNarInfo_EndlessOne_IsRefusedWithoutReadingItAll()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        EndlessStream endless = new();
        sample.Files.Read = (_, _) => endless;
        await AssertRefusedAsync(sample.Open(), info, "none");
        Assert.That(endless.Given, Is.LessThan(3 << 20));
    }

    [Test]
    public async Task FindNarInfo_OfAnotherPath_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo other = sample.Add("other");
        NarInfo info = sample.Add();
        Write(sample, info, other.ToUtf8());
        await AssertRefusedAsync(sample.Open(), info, "is of");
    }

    [Test]
    public async Task FindNarInfo_OfATooLongNar_IsRefused([Values(301_000UL, 1UL << 63, ulong.MaxValue)] ulong size)
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add(narSize: size);
        BinaryCache cache = sample.Open(options => options.MaxNarSize = 300_999);
        await AssertRefusedAsync(cache, info, "more than");
        Assert.That(() => cache.FetchAsync(info, sample.Blobs, sample.Directories), Throws.TypeOf<RefusedStorePathException>());
        Assert.That(sample.Files.CountOf("open nar/"), Is.Zero);
    }

    [Test]
    public async Task FindNarInfo_WithUnknownCompression_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        await AssertRefusedAsync(sample.Open(), sample.Add(compression: "lzip"), "'lzip'");
    }

    [Test]
    public async Task FindNarInfo_Signed_NeedsAKeyThatIsTrusted()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo signed = sample.Add("signed", signed: true);
        NarInfo unsigned = sample.Add("unsigned");
        NarInfo altered = sample.Add("altered", signed: true);
        Write(sample, altered, Encoding.UTF8.GetBytes(altered.ToText().Replace($"NarSize: {altered.NarSize}", "NarSize: 5", StringComparison.Ordinal)));
        StorePathDigest[] all = [signed.StorePath.Digest, unsigned.StorePath.Digest, altered.StorePath.Digest];

        BinaryCache anyone = sample.Open();
        BinaryCache none = sample.Open(options => options.TrustedKeys = new TrustedKeys([]));
        BinaryCache wrong = sample.Open(options => options.TrustedKeys = TrustedKeys.Parse(OfficialKey));
        BinaryCache right = sample.Open(options => options.TrustedKeys = TrustedKeys.Parse($"{OfficialKey} {NarInfoSamples.TestKey}"));
        foreach (StorePathDigest digest in all)
        {
            Assert.That(await anyone.FindNarInfoAsync(digest), Is.Not.Null);
            Assert.That(async () => await none.FindNarInfoAsync(digest), Throws.TypeOf<RefusedStorePathException>().With.Message.Contains("not signed"));
            Assert.That(async () => await wrong.FindNarInfoAsync(digest), Throws.TypeOf<RefusedStorePathException>());
        }

        Assert.That(await right.FindNarInfoAsync(signed.StorePath.Digest), Is.Not.Null);
        Assert.That(async () => await right.FindNarInfoAsync(unsigned.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
        RefusedStorePathException? e = Assert.ThrowsAsync<RefusedStorePathException>(async () => await right.FindNarInfoAsync(altered.StorePath.Digest));
        Assert.That(e!.Digest, Is.EqualTo(altered.StorePath.Digest));
    }

    [Test]
    public async Task FindNarInfo_OfAContentAddressedPath_NeedsNoSignature()
    {
        SampleCache sample = await SampleCache.NewAsync();
        ContentAddress address = ContentAddress.Nar(Sha256Digest.Compute(sample.Nar));
        NarInfo right = sample.Add(path: StorePathBuilder.FromContentAddress("right", address), address: address);
        NarInfo wrong = sample.Add("wrong", address: address, signed: true);
        BinaryCache cache = sample.Open(options => options.TrustedKeys = new TrustedKeys([]));
        Assert.That(await cache.FindNarInfoAsync(right.StorePath.Digest), Is.Not.Null);
        await AssertRefusedAsync(cache, wrong, "another path");
        await AssertRefusedAsync(sample.Open(), wrong, "another path");
        await AssertRefusedAsync(sample.Open(options => options.TrustedKeys = TrustedKeys.Parse(NarInfoSamples.TestKey)), wrong, "another path");
    }

    [Test]
    public async Task FindNarInfo_Again_AsksAgainAfterALifetime()
    {
        SampleCache sample = await SampleCache.NewAsync();
        ManualTime time = new();
        BinaryCache cache = sample.Open(options => (options.TimeProvider, options.FoundLifetime, options.MissingLifetime) =
            (time, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(15)));
        StorePathDigest digest = SampleClosure.PathOf("sample").Digest;

        Assert.That(await cache.FindNarInfoAsync(digest), Is.Null);
        NarInfo info = sample.Add();
        time.Advance(TimeSpan.FromSeconds(14.9));
        Assert.That(await cache.FindNarInfoAsync(digest), Is.Null, "absence is remembered");
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.That(await cache.FindNarInfoAsync(digest), Is.Not.Null, "and forgotten");

        Write(sample, info, "bad"u8.ToArray());
        time.Advance(TimeSpan.FromSeconds(59.9));
        Assert.That(await cache.FindNarInfoAsync(digest), Is.Not.Null, "presence is remembered");
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.That(async () => await cache.FindNarInfoAsync(digest), Throws.TypeOf<RefusedStorePathException>());

        sample.Add();
        time.Advance(TimeSpan.FromSeconds(14.9));
        int calls = sample.Files.Calls.Count;
        Assert.That(async () => await cache.FindNarInfoAsync(digest), Throws.TypeOf<RefusedStorePathException>(), "a refusal is remembered");
        Assert.That(sample.Files.Calls, Has.Count.EqualTo(calls));
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.That(await cache.FindNarInfoAsync(digest), Is.Not.Null, "and forgotten");
    }

    [Test]
    public async Task FindNarInfo_WithoutLifetimes_AsksEachTime()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        BinaryCache cache = sample.Open(options => options.FoundLifetime = options.MissingLifetime = TimeSpan.Zero);
        for (int i = 1; i < 4; i++)
        {
            await cache.FindNarInfoAsync(info.StorePath.Digest);
            await cache.FindNarInfoAsync(default);
            Assert.That(sample.Files.Calls, Has.Count.EqualTo(2 * i));
        }
    }

    [Test]
    public async Task FindNarInfo_WhenTheCacheFails_RemembersNothing()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        BinaryCache cache = sample.Open();
        sample.Files.Fail = _ => new StorageException("down", isTransient: true);
        Assert.That(async () => await cache.FindNarInfoAsync(info.StorePath.Digest), Throws.TypeOf<StorageException>());
        sample.Files.Fail = null;
        sample.Files.Read = (_, inner) => new GatedStream(inner, 10, _ => throw new IOException("cut"));
        Assert.That(async () => await cache.FindNarInfoAsync(info.StorePath.Digest), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
        sample.Files.Read = null;
        Assert.That(await cache.FindNarInfoAsync(info.StorePath.Digest), Is.Not.Null);
    }

    [TestCase(NarCompression.None)]
    [TestCase(NarCompression.Xz)]
    [TestCase(NarCompression.Zstd)]
    [TestCase(NarCompression.Gzip)]
    [TestCase(NarCompression.Brotli)]
    public async Task Fetch_OfEachCompression_BringsTheTree(string compression)
    {
        SampleCache sample = await SampleCache.NewAsync();
        byte[] file = await SampleCache.CompressAsync(sample.Nar, compression);
        NarInfo info = sample.Add(compression: compression, file: file, references: [SampleClosure.PathOf("other")], signed: true);
        PathInfo fetched = await sample.FetchAsync(info);
        await sample.AssertIsThereAsync(fetched);
        Assert.That(fetched, Is.EqualTo(PathInfo.FromNarInfo(info, sample.Root)));
        if (compression != NarCompression.None)
        {
            SampleCache damaged = await SampleCache.NewAsync();
            await AssertFetchRefusedAsync(damaged, damaged.Add(compression: compression, file: file[..(file.Length / 2)]), "truncated");
            byte[] other = [.. file];
            other[file.Length / 2] ^= 0x55;
            await AssertFetchRefusedAsync(damaged, damaged.Add(compression: compression, file: other), "damaged");
            await AssertFetchRefusedAsync(damaged, damaged.Add(compression: compression, file: damaged.Nar), "not compressed at all");
            await AssertFetchRefusedAsync(damaged, damaged.Add(compression: compression, file: []), "empty");
        }
    }

    [Test]
    public async Task Fetch_OfBzip2_BringsTheFile()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add(nar: NarBytes.Hello, compression: NarCompression.Bzip2, file: Convert.FromBase64String(NarCompressionTests.Bzip2));
        PathInfo fetched = await sample.FetchAsync(info);
        Assert.That(await sample.Blobs.HasAsync(((Node.File)fetched.Node).Digest), Is.True);
        Assert.That(fetched.Node, Is.EqualTo(new Node.File(await sample.Blobs.PutAsync("Hello World!"u8.ToArray()), 12, Executable: false)));
    }

    [Test]
    public async Task Fetch_OfAnotherNar_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        byte[] nar = sample.Nar;
        await AssertFetchRefusedAsync(sample, sample.Add(narHash: Sha256Digest.Compute("x"u8)), "another hash");
        await AssertFetchRefusedAsync(sample, sample.Add(narSize: (ulong)nar.Length + 8), "too short");
        await AssertFetchRefusedAsync(sample, sample.Add(narSize: (ulong)nar.Length - 8), "too long");
        await AssertFetchRefusedAsync(sample, sample.Add(file: nar[..^1]), "cut at the end");
        await AssertFetchRefusedAsync(sample, sample.Add(file: nar[..(nar.Length / 2)]), "cut");
        await AssertFetchRefusedAsync(sample, sample.Add(file: []), "empty");
        await AssertFetchRefusedAsync(sample, sample.Add(file: [.. nar, 0]), "something follows");
        await AssertFetchRefusedAsync(sample, sample.Add(nar: "<html>please sign in</html>"u8.ToArray()), "no NAR");
        byte[] altered = [.. nar];
        altered[nar.AsSpan().IndexOf("#!/bin/sh"u8)] ^= 1;
        await AssertFetchRefusedAsync(sample, sample.Add(file: altered), "one bit");
        await sample.AssertIsThereAsync(await sample.FetchAsync(sample.Add()));
    }

    [Test]
    public async Task Fetch_OfANarThatNeverEnds_NoticesEarly()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        EndlessStream endless = new();
        sample.Files.Read = (_, _) => new ConcatenatedStream(new MemoryStream(sample.Nar), endless);
        await AssertFetchRefusedAsync(sample, info, "endless");
        Assert.That(endless.Given, Is.LessThan(3 << 20));

        // A file that says it is much longer than the NAR may be.
        byte[] huge = NarBytes.Archive(NarBytes.File(new byte[100]));
        BitConverter.TryWriteBytes(huge.AsSpan(huge.AsSpan().IndexOf("contents"u8) + 8), MoreThanMuch);
        sample.Files.Read = (_, _) => new ConcatenatedStream(new MemoryStream(huge), endless = new EndlessStream());
        await AssertFetchRefusedAsync(sample, sample.Add(), "a huge file");
        Assert.That(endless.Given, Is.LessThan(3 << 20));
    }

    [TestCase(NarCompression.Xz)]
    [TestCase(NarCompression.Zstd)]
    [TestCase(NarCompression.Gzip)]
    [TestCase(NarCompression.Brotli)]
    public async Task Fetch_OfADecompressionBomb_IsRefusedEarly(string compression)
    {
        SampleCache sample = await SampleCache.NewAsync();
        byte[] bomb = await SampleCache.CompressAsync(NarBytes.Archive(NarBytes.File(new byte[40 << 20])), compression);
        NarInfo info = sample.Add(compression: compression, file: bomb);
        long before = GC.GetTotalAllocatedBytes();
        await AssertFetchRefusedAsync(sample, info, "bomb");
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(20 << 20));
    }

    [Test]
    public async Task Fetch_OfAMissingNar_IsRefused()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add(url: "nar/gone.nar");
        sample.Files.Files.TryRemove("nar/gone.nar", out _);
        RefusedStorePathException e = await AssertFetchRefusedAsync(sample, info, "missing");
        Assert.That(e.Message, Does.Contain("nar/gone.nar"));
    }

    [Test]
    public async Task Fetch_ThatBreaksOff_CanBeTriedAgain()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        BinaryCache cache = sample.Open();
        foreach (Exception failure in (Exception[])[new IOException("cut"), new StorageException("down", isTransient: true)])
        {
            sample.Files.Read = (_, inner) => new GatedStream(inner, 100_000, _ => throw failure);
            Assert.That(() => cache.FetchAsync(info, sample.Blobs, sample.Directories), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
            await sample.AssertNothingAsync();
        }

        sample.Files.Read = null;
        await sample.AssertIsThereAsync(await cache.FetchAsync((await cache.FindNarInfoAsync(info.StorePath.Digest))!, sample.Blobs, sample.Directories));
    }

    [Test]
    public async Task Fetch_WhenTheNarIsRefused_RemembersThatForAWhile()
    {
        SampleCache sample = await SampleCache.NewAsync();
        ManualTime time = new();
        NarInfo info = sample.Add(file: "bad"u8.ToArray());
        BinaryCache cache = sample.Open(options => options.TimeProvider = time);
        Assert.That(await cache.FindNarInfoAsync(info.StorePath.Digest), Is.Not.Null);
        Assert.That(() => cache.FetchAsync(info, sample.Blobs, sample.Directories), Throws.TypeOf<RefusedStorePathException>());
        sample.Add();
        Assert.That(async () => await cache.FindNarInfoAsync(info.StorePath.Digest), Throws.TypeOf<RefusedStorePathException>());
        time.Advance(TimeSpan.FromSeconds(15));
        NarInfo? found = await cache.FindNarInfoAsync(info.StorePath.Digest);
        await sample.AssertIsThereAsync(await cache.FetchAsync(found!, sample.Blobs, sample.Directories));
    }

    [Test]
    public async Task Fetch_WhenItIsCancelled_SaysSo()
    {
        SampleCache sample = await SampleCache.NewAsync();
        NarInfo info = sample.Add();
        using CancellationTokenSource stop = new();
        sample.Files.Read = (_, inner) => new GatedStream(inner, 1000, async token =>
        {
            await stop.CancelAsync();
            token.ThrowIfCancellationRequested();
        });
        Assert.That(
            () => sample.Open().FetchAsync(info, sample.Blobs, sample.Directories, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        await sample.AssertNothingAsync();
    }

    [Test]
    public async Task Fetch_OfAFixedNar_ComparesTheContents()
    {
        SampleCache sample = await SampleCache.NewAsync();
        ContentAddress right = ContentAddress.Nar(Sha256Digest.Compute(sample.Nar));
        ContentAddress wrong = ContentAddress.Nar(Sha256Digest.Compute("x"u8));
        await AssertFetchRefusedAsync(sample, sample.Add(path: StorePathBuilder.FromContentAddress("a", wrong), address: wrong), "another address");
        PathInfo fetched = await sample.FetchAsync(sample.Add(path: StorePathBuilder.FromContentAddress("a", right), address: right));
        await sample.AssertIsThereAsync(fetched);
        Assert.That(fetched.ContentAddress, Is.EqualTo(right));
    }

    [Test]
    public async Task Fetch_OfANarThatRefersToItself_ComparesItModuloThePath()
    {
        // The path follows from the address, which is of the NAR with zeros where the path is; so the path is found first, and then put in.
        SampleCache sample = await SampleCache.NewAsync();
        byte[] nar = NarBytes.Archive(NarBytes.File($"I am /nix/store/{new string('0', 32)}-me."));
        int at = nar.AsSpan().IndexOf(NarBytes.Raw(new string('0', 32)));
        nar.AsSpan(at, 32).Clear();
        ContentAddress address = ContentAddress.Nar(Sha256Digest.Compute([.. nar, .. NarBytes.Raw($"|{at}")]));
        StorePath path = StorePathBuilder.FromContentAddress("me", address, selfReference: true);
        NarBytes.Raw(path.Digest.ToString()).CopyTo(nar.AsSpan(at));
        BinaryCache cache = sample.Open(options => options.TrustedKeys = new TrustedKeys([]));

        NarInfo info = sample.Add(nar: nar, path: path, references: [path], address: address);
        PathInfo fetched = await cache.FetchAsync((await cache.FindNarInfoAsync(path.Digest))!, sample.Blobs, sample.Directories);
        Assert.That(fetched.References, Is.EqualTo(new[] { path }));

        NarInfo withoutReference = sample.Add(nar: nar, path: path, address: address);
        await AssertRefusedAsync(sample.Open(), withoutReference, "another path");
        nar[at] ^= 1;
        info = sample.Add(nar: nar, path: path, references: [path], address: address);
        await AssertFetchRefusedAsync(sample, info, "another path in it");
    }

    [Test]
    public async Task Fetch_OfAFlatFileOrText_ComparesTheContents([Values] bool isText)
    {
        SampleCache sample = await SampleCache.NewAsync();
        ContentAddress address = Make("Hello World!"u8);
        StorePath path = StorePathBuilder.FromContentAddress("hello", address);
        Assert.That((await sample.FetchAsync(sample.Add(nar: NarBytes.Hello, path: path, address: address))).ContentAddress, Is.EqualTo(address));
        await AssertFetchRefusedAsync(sample, sample.Add(nar: NarBytes.Archive(NarBytes.File("Hello World?")), path: path, address: address), "other contents");
        await AssertFetchRefusedAsync(sample, sample.Add(path: path, address: address), "a folder");

        ContentAddress Make(ReadOnlySpan<byte> contents) => isText ? ContentAddress.Text(Sha256Digest.Compute(contents)) : ContentAddress.Flat(Sha256Digest.Compute(contents).ToNixHash());
    }

    [Test]
    public async Task GetCacheInfo_OfGoodAndBadFiles_SaysWhat()
    {
        SampleCache sample = await SampleCache.NewAsync();
        Assert.That(await sample.Open().GetCacheInfoAsync(), Is.Null);
        sample.Files.Files["nix-cache-info"] = "StoreDir: /x\nPriority: 3\n"u8.ToArray();
        Assert.That(await sample.Open().GetCacheInfoAsync(), Is.EqualTo(new NixCacheInfo { StoreDirectory = "/x", Priority = 3 }));
        foreach (byte[] bad in (byte[][])["Priority: high\n"u8.ToArray(), new byte[70_000]])
        {
            sample.Files.Files["nix-cache-info"] = bad;
            Assert.That(async () => await sample.Open().GetCacheInfoAsync(), Throws.TypeOf<StorageException>().With.Message.Contains("makes no sense"));
        }
    }

    [Test]
    public void Constructor_OptionOutOfRange_Throws()
    {
        foreach (Action<BinaryCacheOptions> wrong in (Action<BinaryCacheOptions>[])
        [
            options => options.MaxNarInfoSize = 0, options => options.MaxNarSize = 0, options => options.FoundLifetime = TimeSpan.FromTicks(-1),
            options => options.MissingLifetime = TimeSpan.FromTicks(-1), options => options.KnownPaths = 0, options => options.ConcurrentFetches = 0,
            options => options.TimeProvider = null!, options => options.Compression = "lzip", options => options.Compression = NarCompression.Bzip2,
        ])
        {
            BinaryCacheOptions options = new();
            wrong(options);
            Assert.That(() => new BinaryCache(new MemoryBinaryCacheFiles(), options), Throws.InstanceOf<ArgumentException>());
        }

        Assert.That(() => new BinaryCache(null!), Throws.ArgumentNullException);
    }

    private static void Write(SampleCache sample, NarInfo info, byte[] text) => sample.Files.Files[BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest)] = text;

    private static Task AssertRefusedAsync(BinaryCache cache, NarInfo info, string why)
    {
        RefusedStorePathException? e = Assert.ThrowsAsync<RefusedStorePathException>(async () => await cache.FindNarInfoAsync(info.StorePath.Digest));
        Assert.That(e!.Message, Does.Contain(why));
        Assert.That(e.Digest, Is.EqualTo(info.StorePath.Digest));
        return Task.CompletedTask;
    }

    private static async Task<RefusedStorePathException> AssertFetchRefusedAsync(SampleCache sample, NarInfo info, string what)
    {
        RefusedStorePathException? e = Assert.ThrowsAsync<RefusedStorePathException>(() => sample.FetchAsync(info), what);
        Assert.That(e!.InnerException, Is.InstanceOf<NarFormatException>().Or.InstanceOf<NarHashMismatchException>().Or.InstanceOf<InvalidDataException>(), what);
        await sample.AssertNothingAsync();
        return e;
    }

    /// <summary>Gives zeros for ever.</summary>
    private sealed class EndlessStream : MemoryStream
    {
        public long Given { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            buffer.Span.Clear();
            Given += buffer.Length;
            return new ValueTask<int>(buffer.Length);
        }
    }

    /// <summary>Reads one stream and then another.</summary>
    private sealed class ConcatenatedStream(Stream first, Stream second) : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await first.ReadAsync(buffer, cancellationToken) is var count and > 0 ? count : await second.ReadAsync(buffer, cancellationToken);
    }
}
