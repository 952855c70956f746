using System.Text;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Chunking;
using Tvix.Castore.Compression;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

[TestFixture]
public sealed class LocalStoreTests : StoreFixture
{
    [Test]
    public async Task Open_AfterClosing_FindsEverything()
    {
        B3Digest small, large;
        await using (LocalStore store = Open())
        {
            small = await PutAsync(store, 100, 1);
            large = await PutAsync(store, 300_000, 2);
            await PutAsync(store, 0, 0); // which the directory refers to
            await store.Directories.PutAsync(SampleTrees.Keep);
            await store.PutNamedAsync(Key(1), "value"u8, default);
        }

        await using LocalStore again = Open();
        Assert.That(await ReadAsync(again, small), Is.EqualTo(SampleData.Bytes(100, 1)));
        Assert.That(await ReadAsync(again, large), Is.EqualTo(SampleData.Bytes(300_000, 2)));
        Assert.That(await again.Directories.GetAsync(SampleTrees.Keep.Digest), Is.EqualTo(SampleTrees.Keep));
        Assert.That(ReadNamed(again, Key(1)), Is.EqualTo("value"u8.ToArray()));
        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task Put_FromTwoInstances_IsSeenByBoth()
    {
        await using LocalStore one = Open();
        await using LocalStore two = Open();
        await Task.WhenAll(Write(one, two, 1000), Write(two, one, 2000));
        Assert.That(await VerifyAsync(one), Is.Empty);

        static async Task Write(LocalStore writer, LocalStore reader, int seed)
        {
            for (int i = 0; i < 40; i++)
            {
                B3Digest digest = await Task.Run(() => PutAsync(writer, 50_000, seed + i));
                Assert.That(await ReadAsync(reader, digest), Is.EqualTo(SampleData.Bytes(50_000, seed + i)));
            }
        }
    }

    [Test]
    public async Task Open_ManyAtOnce_AllSucceed()
    {
        LocalStore[] stores = [.. Enumerable.Range(0, 8).Select(_ => Open())];
        await Task.WhenAll(stores.Select((store, i) => Task.Run(() => PutAsync(store, 1000, i))));
        foreach (LocalStore store in stores)
        {
            for (int i = 0; i < stores.Length; i++)
            {
                Assert.That(await store.Blobs.HasAsync(Blake3Hasher.HashData(SampleData.Bytes(1000, i))), Is.True);
            }
        }

        foreach (LocalStore store in stores)
        {
            await store.DisposeAsync();
        }
    }

    [Test]
    public async Task Put_BeyondThePackSize_BeginsNewPacks()
    {
        await using LocalStore store = Open();
        B3Digest[][] digests = await Task.WhenAll(Enumerable.Range(0, 8).Select(writer => Task.Run(async () =>
        {
            B3Digest[] written = new B3Digest[10];
            for (int i = 0; i < written.Length; i++)
            {
                written[i] = await PutAsync(store, 100_000, (writer * 100) + i);
                Assert.That(await store.Blobs.HasAsync(written[i]), Is.True, "acknowledged, so it is there");
            }

            return written;
        })));

        Assert.That(Packs, Has.Length.GreaterThanOrEqualTo(7));
        Assert.That(Packs.Select(pack => new FileInfo(pack).Length), Has.All.LessThan((1 << 20) + 40_000));
        for (int writer = 0; writer < digests.Length; writer++)
        {
            for (int i = 0; i < 10; i++)
            {
                Assert.That(await ReadAsync(store, digests[writer][i]), Is.EqualTo(SampleData.Bytes(100_000, (writer * 100) + i)));
            }
        }

        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Put_WhatIsThere_AddsNothing()
    {
        await using LocalStore store = Open();
        await PutAsync(store, 200_000, 1);
        await PutAsync(store, 10, 1);
        await store.Directories.PutAsync(SampleTrees.Keep);
        long before = PackBytes;

        await PutAsync(store, 200_000, 1);
        await store.Blobs.PutManyAsync([SampleData.Bytes(10), SampleData.Bytes(10)], new B3Digest[2]);
        await store.Directories.PutAsync(SampleTrees.Keep);
        Assert.That(PackBytes, Is.EqualTo(before));
    }

    [Test]
    public async Task GetChunks_OfALargeBlob_AreWhereFastCdcCuts()
    {
        await using LocalStore store = Open();
        byte[] content = SampleData.Bytes(1_000_000, 3);
        B3Digest digest = await store.Blobs.PutAsync(content);
        List<ulong> expected = [];
        for (ReadOnlyMemory<byte> rest = content; !rest.IsEmpty;)
        {
            int length = FastCdc.Cut(rest.Span[..Math.Min(rest.Length, store.Chunking.MaxSize)], store.Chunking);
            expected.Add((ulong)length);
            rest = rest[length..];
        }

        IReadOnlyList<BlobChunk> chunks = (await store.Blobs.GetChunksAsync(digest))!;
        Assert.That(chunks.Select(chunk => chunk.Size), Is.EqualTo(expected));
    }

    [Test]
    public async Task Dispose_OfAnUnfinishedWriterAndPutter_LeavesNothingVisible()
    {
        await using LocalStore store = Open();
        BlobWriter writer = await store.Blobs.OpenWriteAsync();
        await writer.WriteAsync(SampleData.Bytes(100_000, 5));
        await writer.DisposeAsync();
        DirectoryPutter putter = store.Directories.OpenPutter();
        await putter.PutAsync(SampleTrees.Keep);
        await putter.DisposeAsync();
        await PutAsync(store, 1, 1); // a commit

        Assert.That(await store.Blobs.HasAsync(Blake3Hasher.HashData(SampleData.Bytes(100_000, 5))), Is.False);
        Assert.That(await store.Directories.GetAsync(SampleTrees.Keep.Digest), Is.Null);
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Dispose_WhileWritersRun_KeepsWhatWasAcknowledged()
    {
        LocalStore store = Open();
        List<B3Digest> acknowledged = [];
        TaskCompletionSource someDone = new();
        Task[] writers = [.. Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; ; i++)
            {
                B3Digest digest = await PutAsync(store, 5000, (writer * 100_000) + i);
                lock (acknowledged)
                {
                    acknowledged.Add(digest);
                    if (acknowledged.Count == 50)
                    {
                        someDone.SetResult();
                    }
                }
            }
        }))];
        await someDone.Task;
        await store.DisposeAsync();
        foreach (Task writer in writers)
        {
            Assert.That(async () => await writer, Throws.InstanceOf<ObjectDisposedException>());
        }

        await using LocalStore again = Open();
        foreach (B3Digest digest in acknowledged)
        {
            Assert.That(await again.Blobs.HasAsync(digest), Is.True);
        }

        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task Use_AfterDispose_Throws()
    {
        LocalStore store = Open();
        B3Digest digest = await PutAsync(store, 10, 1);
        await store.DisposeAsync();
        await store.DisposeAsync();
        Assert.That(async () => await store.Blobs.HasAsync(digest), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await PutAsync(store, 11, 1), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await PutAsync(store, 10, 1), Throws.InstanceOf<ObjectDisposedException>(), "what was stored just before");
    }

    // ---- compression ----

    [Test]
    public async Task Put_WithZstd_StoresSmallerWhatCompresses()
    {
        await using LocalStore store = Open(options => options.Compression = LocalCompression.Zstd);
        byte[] text = new byte[20_000];
        B3Digest digest = await store.Blobs.PutAsync(text);
        Assert.That(PackBytes, Is.LessThan(1000));
        Assert.That(await ReadAsync(store, digest), Is.EqualTo(text));

        long before = PackBytes;
        B3Digest noise = await PutAsync(store, 20_000, 1);
        Assert.That(PackBytes - before, Is.EqualTo(20_000 + RecordHeader.Size), "what does not compress is stored as it is");
        Assert.That(await ReadAsync(store, noise), Is.EqualTo(SampleData.Bytes(20_000)));
    }

    [Test]
    public async Task PutDirectory_WithZstd_StoresSmallerWhatCompressesAndFindsItAgain([Values] bool alone)
    {
        CastoreDirectory large = CastoreDirectory.FromEntries(Enumerable.Range(0, 500).Select(i =>
            new DirectoryEntry(new PathComponent($"a-rather-long-name-of-a-file-{i:d4}"), new Node.Symlink(new SymlinkTarget("../../usr/share/somewhere")))));
        await using (LocalStore store = Open(options => options.Compression = LocalCompression.Zstd))
        {
            if (alone)
            {
                await store.Directories.PutAsync(large);
            }
            else
            {
                await using DirectoryPutter putter = store.Directories.OpenPutter();
                await putter.PutAsync(large);
                await putter.CompleteAsync();
            }

            Assert.That(PackBytes, Is.LessThan(large.EncodedSpan.Length / 4));
            Assert.That(await store.Directories.GetAsync(large.Digest), Is.EqualTo(large));
        }

        DeleteIndex();
        await using LocalStore again = Open();
        Assert.That(await again.Directories.GetAsync(large.Digest), Is.EqualTo(large));
        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task Append_OfWhatOthersStoredSinceItWasLookedUp_DoesNotStoreItTwice([Values] LocalCompression compression, [Values] bool inARun)
    {
        await using LocalStore store = Open(options => options.Compression = compression);
        byte[] content = SampleData.Bytes(10_000, 1);
        B3Digest digest = Blake3Hasher.HashData(content);
        using ChunkRun run = new(store);
        run.Add(content, null);
        run.Prepare(); // which looks it up
        Assert.That(store.Contains(RecordKind.Chunk, digest), Is.False);
        await store.Blobs.PutAsync(content);
        long once = PackBytes;

        WriteSession session = new(store);
        if (inARun)
        {
            run.Append(session, []);
        }
        else
        {
            session.Append(RecordKind.Chunk, digest, content, isNew: true);
        }

        await session.CommitAsync(default);
        Assert.That(PackBytes, Is.EqualTo(once));
    }

    [TestCase(30_000, 3)]
    [TestCase(40_000, 2)]
    public async Task Put_WithoutALevel_TakesMoreEffortForSmallContents(int length, int level)
    {
        byte[] words = [.. SampleData.Bytes(length, 1).SelectMany(b => Encoding.ASCII.GetBytes($"word-{b % 97} ")).Take(length)];
        async Task<long> StoredAsync(int? asked)
        {
            long before = Directory.Exists(StorePath) ? PackBytes : 0;
            await using LocalStore store = Open(options =>
                (options.Compression, options.CompressionLevel, options.AverageChunkSize) = (LocalCompression.Zstd, asked, 65_536));
            words[0]++; // other contents, just as long
            await store.Blobs.PutAsync(words);
            return PackBytes - before;
        }

        long stored = await StoredAsync(null);
        Assert.That(stored, Is.EqualTo(await StoredAsync(level)).Within(20));
        Assert.That(stored, Is.Not.EqualTo(await StoredAsync(level == 3 ? 2 : 3)).Within(100), "the levels differ");
    }

    [Test]
    public async Task Append_OfTheLastThatOthersStoredAtOnce_DoesNotStoreItTwice()
    {
        const int Remembered = 8192;
        await using LocalStore store = Open();
        List<ReadOnlyMemory<byte>> contents = [.. Enumerable.Range(0, Remembered + 1).Select(i => (ReadOnlyMemory<byte>)BitConverter.GetBytes(i))];
        WriteSession others = new(store);
        contents.ForEach(content => others.Append(RecordKind.Chunk, Blake3Hasher.HashData(content.Span), content.Span, isNew: true));
        await others.CommitAsync(default);
        long once = PackBytes;

        WriteSession session = new(store);
        contents[1..].ForEach(content => session.Append(RecordKind.Chunk, Blake3Hasher.HashData(content.Span), content.Span, isNew: true));
        await session.CommitAsync(default);
        Assert.That(PackBytes, Is.EqualTo(once));

        session.Append(RecordKind.Chunk, Blake3Hasher.HashData(contents[0].Span), contents[0].Span, isNew: true);
        await session.CommitAsync(default);
        Assert.That(PackBytes, Is.EqualTo(once + RecordHeader.Size + sizeof(int)), "what is remembered is bounded");
    }

    [Test]
    public async Task Append_OfWhatFilledThePack_DoesNotStoreItTwice()
    {
        await using LocalStore store = Open(options => options.PackSize = 1 << 20);
        List<byte[]> contents = [.. Enumerable.Range(0, 12).Select(i => SampleData.Bytes(100_000, i))];
        WriteSession others = new(store);
        contents.ForEach(content => others.Append(RecordKind.Chunk, Blake3Hasher.HashData(content), content, isNew: true));
        await others.CommitAsync(default);
        Assert.That(Packs, Has.Length.EqualTo(2));
        long once = PackBytes;

        WriteSession session = new(store);
        contents.ForEach(content => session.Append(RecordKind.Chunk, Blake3Hasher.HashData(content), content, isNew: true));
        await session.CommitAsync(default);
        Assert.That(PackBytes, Is.EqualTo(once));
    }

    [Test]
    [NonParallelizable]
    public async Task Open_WithoutZstd_WorksUnlessItIsAskedFor()
    {
        B3Digest compressed;
        await using (LocalStore store = Open(options => options.Compression = LocalCompression.Zstd))
        {
            compressed = await store.Blobs.PutAsync(new byte[20_000]);
        }

        LibZstd.SimulateAbsence = true;
        try
        {
            await using LocalStore auto = Open(options => options.Compression = LocalCompression.Auto);
            B3Digest raw = await auto.Blobs.PutAsync(new byte[10_000]);
            Assert.That(await ReadAsync(auto, raw), Is.EqualTo(new byte[10_000]));
            Assert.That(async () => await ReadAsync(auto, compressed), Throws.TypeOf<StorageException>().With.Message.Contains("compressed"));
            Assert.That(async () => await VerifyAsync(auto), Throws.TypeOf<StorageException>(), "a missing library is no damage");

            await using LocalStore zstd = Open(options => options.Compression = LocalCompression.Zstd);
            Assert.That(zstd.Open, Throws.TypeOf<PlatformNotSupportedException>().With.Message.Contains("libzstd"));
        }
        finally
        {
            LibZstd.SimulateAbsence = false;
        }
    }

    // ---- opening ----

    [TestCase("", 16384, 1 << 20, 1, 0)]
    [TestCase("x", 511, 1 << 20, 1, 0)]
    [TestCase("x", 2_097_154, 1 << 20, 1, 0)]
    [TestCase("x", 16384, (1 << 20) - 1, 1, 0)]
    [TestCase("x", 16384, 1 << 20, 0, 0)]
    [TestCase("x", 16384, 1 << 20, 20, 0)]
    [TestCase("x", 16384, 1 << 20, 1, -1)]
    public void New_WithOptionsOutOfRange_Throws(string path, int chunk, int pack, int level, int timeout) =>
        Assert.That(
            () => new LocalStore(new LocalStoreOptions
            {
                Path = path, AverageChunkSize = chunk, PackSize = pack, CompressionLevel = level, BusyTimeout = TimeSpan.FromSeconds(timeout),
            }),
            Throws.InstanceOf<ArgumentException>());

    [Test]
    public async Task Open_OnAFolderWithSomethingElse_ThrowsAndWritesNothing()
    {
        Directory.CreateDirectory(StorePath);
        File.WriteAllText(Path.Combine(StorePath, "letter"), "dear");
        await using LocalStore store = Open();
        Assert.That(store.Open, Throws.TypeOf<StorageException>().With.Message.Contains("something else"));
        Assert.That(Directory.EnumerateFileSystemEntries(StorePath).Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task Open_OnAFile_Throws()
    {
        File.WriteAllText(StorePath, "dear");
        await using LocalStore store = Open();
        Assert.That(store.Open, Throws.TypeOf<StorageException>());
    }

    [Test]
    public async Task Open_OfANewerFormat_Throws()
    {
        await using (LocalStore store = Open())
        {
            await PutAsync(store, 10, 1);
        }

        using (SqliteDatabase index = new(Path.Combine(StorePath, PackIndex.FileName), 1000))
        {
            index.Execute("update meta set value = 2 where name = 'format'");
        }

        await using LocalStore again = Open();
        Assert.That(again.Open, Throws.TypeOf<StorageException>().With.Message.Contains("format 2"));
    }

    // ---- named values ----

    [Test]
    public async Task PutNamed_Again_TheLatestCounts()
    {
        await using (LocalStore store = Open())
        {
            await store.PutNamedAsync(Key(1), "one"u8, default);
            await PutAsync(store, 2_000_000, 1); // other packs
            await store.PutNamedAsync(Key(1), "two"u8, default);
            Assert.That(ReadNamed(store, Key(1)), Is.EqualTo("two"u8.ToArray()));
        }

        DeleteIndex();
        await using LocalStore again = Open();
        Assert.That(ReadNamed(again, Key(1)), Is.EqualTo("two"u8.ToArray()));
    }

    [Test]
    public async Task PutNamed_WhenTheClockWentBack_StillReplaces()
    {
        await using (LocalStore store = Open())
        {
            await store.PutNamedAsync(Key(1), "one"u8, default);
        }

        using (SqliteDatabase index = new(Path.Combine(StorePath, PackIndex.FileName), 1000))
        {
            index.Execute($"update named set time = {DateTime.UtcNow.AddYears(1).Ticks}"); // as if it had been written when the clock was wrong
        }

        await using LocalStore again = Open();
        await again.PutNamedAsync(Key(1), "two"u8, default);
        Assert.That(ReadNamed(again, Key(1)), Is.EqualTo("two"u8.ToArray()));
    }

    // ---- the index by itself ----

    [Test]
    public void TryFind_DigestsWithTheSameKey_FindsEach()
    {
        Directory.CreateDirectory(StorePath);
        byte[] bytes = SampleData.Bytes(B3Digest.Size, 9);
        bytes[7] &= 0xfc;
        List<B3Digest> digests = [];
        for (int i = 0; i < 4; i++)
        {
            bytes[7] = (byte)((bytes[7] & 0xfc) | (i & 3)); // the bits that the kind takes
            bytes[20] = (byte)i;
            digests.Add(new B3Digest(bytes));
        }

        using PackIndex index = PackIndex.Open(StorePath, TimeSpan.FromSeconds(1), flush: false);
        List<IndexRow> rows =
        [
            .. digests.Take(3).Select((digest, i) => new IndexRow(RecordKind.Chunk, digest, new RecordLocation(1, i * 100, 10, 20 + i), 0)),
            new IndexRow(RecordKind.Blob, digests[0], new RecordLocation(2, 7, 8, 9), 0),
        ];
        index.Commit(rows, 1, 300);
        index.Commit(rows, 1, 300); // again changes nothing

        using PackIndex.Reader reader = index.Rent();
        for (int i = 0; i < 3; i++)
        {
            Assert.That(reader.TryFind(RecordKind.Chunk, digests[i], out RecordLocation location), Is.True);
            Assert.That(location, Is.EqualTo(new RecordLocation(1, i * 100, 10, 20 + i)));
        }

        Assert.That(reader.TryFind(RecordKind.Chunk, digests[3], out _), Is.False);
        Assert.That(reader.TryFind(RecordKind.Blob, digests[0], out RecordLocation blob), Is.True);
        Assert.That(blob, Is.EqualTo(new RecordLocation(2, 7, 8, 9)));
        Assert.That(reader.TryFind(RecordKind.Blob, digests[1], out _), Is.False);
        Assert.That(reader.ListByLocation().Select(row => (row.Kind, row.Key)), Is.EquivalentTo(rows.Select(row => (row.Kind, row.Key))));
        Assert.That(reader.Sum()[(int)RecordKind.Chunk], Is.EqualTo((3, 63, 30)));
        Assert.That(reader.Sum()[(int)RecordKind.Blob], Is.EqualTo((1, 9, 8)));
        Assert.That(reader.Sum()[(int)RecordKind.Directory], Is.EqualTo((0, 0, 0)));

        RecordLocation?[] locations = new RecordLocation?[4];
        reader.FindMany(RecordKind.Chunk, [digests[2], digests[3], digests[0], digests[1]], locations);
        Assert.That(locations.Select(location => location?.LogicalLength), Is.EqualTo(new long?[] { 22, null, 20, 21 }));
    }

    [Test]
    public void FindMany_DigestsInNoOrder_AnswersInTheirs()
    {
        const int Count = 1000;
        Directory.CreateDirectory(StorePath);
        B3Digest[] digests = [.. Enumerable.Range(0, Count).Select(i => Tvix.Castore.Blake3.Blake3Hasher.HashData(BitConverter.GetBytes(i)))];
        using PackIndex index = PackIndex.Open(StorePath, TimeSpan.FromSeconds(1), flush: false);
        index.Commit([.. digests.Index().Where(d => d.Index % 3 != 0).Select(d => RowOf(d.Index))], 1, 1);

        using PackIndex.Reader reader = index.Rent();
        int[] asked = [.. Enumerable.Range(0, Count), 4, 4, 3, 3]; // some twice
        RecordLocation?[] locations = new RecordLocation?[asked.Length];
        reader.FindMany(RecordKind.Chunk, Array.ConvertAll(asked, i => digests[i]), locations);
        Assert.That(locations, Is.EqualTo(asked.Select(i => i % 3 != 0 ? RowOf(i).Location : (RecordLocation?)null)));

        reader.FindMany(RecordKind.Chunk, [], []);
        Assert.That(reader.TryFind(RecordKind.Chunk, digests[1], out _), Is.True, "the snapshot is given back");

        IndexRow RowOf(int i) => new(RecordKind.Chunk, digests[i], new RecordLocation(1, i, 2, 3), 0);
    }
}
