using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

/// <summary>What a crash, a bad disk or a clumsy hand can do to the files.</summary>
[TestFixture]
public sealed class LocalStoreRecoveryTests : StoreFixture
{
    // ---- the end of a pack ----

    [Test]
    public async Task Open_WithGarbageBehindTheLastRecord_CutsIt([Values(1, 71, 72, 5000)] int length)
    {
        B3Digest digest = await WriteOneAsync();
        long sound = PackBytes;
        Append(SampleData.Bytes(length));

        await using LocalStore store = Open();
        Assert.That(await ReadAsync(store, digest), Is.EqualTo(SampleData.Bytes(1000, 1)));
        Assert.That(PackBytes, Is.EqualTo(sound));
        B3Digest next = await PutAsync(store, 500, 2);
        Assert.That(await ReadAsync(store, next), Is.EqualTo(SampleData.Bytes(500, 2)));
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Open_WithATornRecordAtTheEnd_KeepsTheWholeOnesBeforeIt([Values(10, 72, 73, 500)] int kept)
    {
        await WriteOneAsync();
        byte[] whole = SampleData.Bytes(400, 7);
        byte[] torn = SampleData.Bytes(600, 8);
        Append(Record(RecordKind.Chunk, Blake3Hasher.HashData(whole), whole));
        Append(Record(RecordKind.Chunk, Blake3Hasher.HashData(torn), torn)[..kept]);

        await using LocalStore store = Open();
        Assert.That(await ReadAsync(store, Blake3Hasher.HashData(whole)), Is.EqualTo(whole));
        Assert.That(await ReadAsync(store, Blake3Hasher.HashData(torn)), Is.Null);
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Open_WithAHeadThatPromisesMuch_DoesNotBelieveIt()
    {
        await WriteOneAsync();
        byte[] record = Record(RecordKind.Named, Key(1), new byte[10]);
        record[11] = 0x3f; // a length of almost 1 GiB
        Append(record);

        await using LocalStore store = Open();
        store.Open();
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Open_WhenTheIndexIsBehindThePack_TakesInWhatIsThere()
    {
        await WriteOneAsync();
        Directory.CreateDirectory(Folder["copy"]);
        foreach (string file in Directory.EnumerateFiles(StorePath, "index.db*"))
        {
            File.Copy(file, Path.Combine(Folder["copy"], Path.GetFileName(file)));
        }

        List<B3Digest> later = [];
        await using (LocalStore store = Open())
        {
            for (int i = 0; i < 30; i++)
            {
                later.Add(await PutAsync(store, 100_000, 10 + i)); // fills some packs
            }
        }

        DeleteIndex();
        foreach (string file in Directory.EnumerateFiles(Folder["copy"]))
        {
            File.Copy(file, Path.Combine(StorePath, Path.GetFileName(file)));
        }

        await using LocalStore again = Open();
        for (int i = 0; i < later.Count; i++)
        {
            Assert.That(await ReadAsync(again, later[i]), Is.EqualTo(SampleData.Bytes(100_000, 10 + i)));
        }

        await PutAsync(again, 100_000, 99);
        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task Open_AfterACrashDuringAnUpload_ShowsNothingOfIt([Values] bool rollOver)
    {
        CastoreDirectory parent = SampleTrees.Make(("child", SampleTrees.Empty.ToNode()));
        await using LocalStore store = Open();
        DirectoryPutter putter = store.Directories.OpenPutter();
        await putter.PutAsync(SampleTrees.Empty);
        await PutAsync(store, rollOver ? 1_500_000 : 1000, 1); // others go on meanwhile
        CopyFolder(StorePath, Folder["crashed"]);

        // The parent came to the pack as well, and then the process died.
        string last = Directory.EnumerateFiles(Path.Combine(Folder["crashed"], "packs"), "*.pack").Max()!;
        using (FileStream file = new(last, FileMode.Append))
        {
            file.Write(Record(RecordKind.Directory, parent.Digest, parent.EncodedSpan.ToArray(), isProvisional: true));
        }

        await using LocalStore crashed = Open(options => options.Path = Folder["crashed"]);
        Assert.That(await crashed.Directories.GetAsync(parent.Digest), Is.Null);
        Assert.That(await crashed.Directories.GetAsync(SampleTrees.Empty.Digest), Is.Null);
        Assert.That(await VerifyAsync(crashed), Is.Empty);
    }

    [Test]
    public async Task Open_WithAProvisionalDirectoryWhoseChildIsNowhere_LeavesItOut()
    {
        await WriteOneAsync();
        CastoreDirectory parent = SampleTrees.Make(("child", SampleTrees.Empty.ToNode()));
        Append(Record(RecordKind.Directory, parent.Digest, parent.EncodedSpan.ToArray(), isProvisional: true));
        await using LocalStore store = Open();
        Assert.That(await store.Directories.GetAsync(parent.Digest), Is.Null);
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task RebuildIndex_AfterAnUpload_FindsItAll()
    {
        CastoreDirectory parent = SampleTrees.Make(("child", SampleTrees.Empty.ToNode()));
        await using (LocalStore store = Open())
        {
            await using DirectoryPutter putter = store.Directories.OpenPutter();
            await putter.PutAsync(SampleTrees.Empty);
            await PutAsync(store, 1_500_000, 1); // the next pack begins
            await putter.PutAsync(parent);
            await putter.CompleteAsync();
        }

        DeleteIndex();
        await using LocalStore again = Open();
        Assert.That(await again.Directories.GetAsync(SampleTrees.Empty.Digest), Is.EqualTo(SampleTrees.Empty));
        Assert.That(await again.Directories.GetAsync(parent.Digest), Is.EqualTo(parent));
        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task Open_AfterAnUploadAcrossPacks_ReadsNoPackAgain()
    {
        await using (LocalStore store = Open())
        {
            await using DirectoryPutter putter = store.Directories.OpenPutter();
            await putter.PutAsync(SampleTrees.Empty);
            await PutAsync(store, 2_500_000, 1);
            await putter.CompleteAsync();
        }

        using PackIndex index = PackIndex.Open(StorePath, TimeSpan.FromSeconds(1), flush: false);
        using PackIndex.Reader reader = index.Rent();
        Assert.That(reader.ListPacks().Select(pack => pack.Length), Is.EqualTo(Packs.Select(pack => new FileInfo(pack).Length)), "all is covered");
    }

    [Test]
    public async Task Read_WhenThePackIsShorterThanTheIndexSays_NamesTheDigest()
    {
        B3Digest digest = await WriteOneAsync();
        using (FileStream file = File.OpenWrite(PackPath(1)))
        {
            file.SetLength(file.Length - 1);
        }

        await using LocalStore store = Open();
        Assert.That(async () => await ReadAsync(store, digest), Throws.TypeOf<DigestMismatchException>().With.Property("Expected").EqualTo(digest));
        List<StoreDamage> damages = await VerifyAsync(store);
        Assert.That(damages.Select(damage => damage.Kind), Is.EqualTo([StoreDamageKind.File, StoreDamageKind.Chunk]));
        Assert.That(damages[1].Digest, Is.EqualTo(digest));

        B3Digest next = await PutAsync(store, 500, 2); // goes behind the gap
        Assert.That(await ReadAsync(store, next), Is.EqualTo(SampleData.Bytes(500, 2)));
    }

    [Test]
    public async Task Read_WhenThePackIsGone_NamesTheDigest()
    {
        B3Digest digest = await WriteOneAsync();
        File.Delete(PackPath(1));
        await using LocalStore store = Open();
        Assert.That(async () => await ReadAsync(store, digest), Throws.TypeOf<DigestMismatchException>().With.Property("Expected").EqualTo(digest));
        Assert.That((await VerifyAsync(store)).Select(damage => damage.Kind), Is.EqualTo([StoreDamageKind.File, StoreDamageKind.Chunk]));
    }

    // ---- a flipped bit ----

    [Test]
    public async Task Read_OfADamagedRecord_NeverGivesWrongBytes([Values] bool compressed, [Values("head", "payload")] string where)
    {
        // Everything that is in a store, each damaged in turn.
        List<(RecordKind Kind, B3Digest Key, RecordLocation Location)> records = [];
        await using (LocalStore store = Open(options => options.Compression = compressed ? LocalCompression.Zstd : LocalCompression.None))
        {
            await store.Blobs.PutAsync(new byte[5000]);
            await PutAsync(store, 100_000, 1);
            await store.Directories.PutAsync(SampleTrees.Keep);
            await store.PutNamedAsync(Key(1), "the value of a name"u8, default);
            using PackIndex.Reader index = store.RentIndex();
            records.AddRange(index.ListByLocation().Select(row => (row.Kind, row.Key, row.Location)));
        }

        Assert.That(records.Select(record => record.Kind).Distinct().Count(), Is.EqualTo(4));
        byte[] sound = File.ReadAllBytes(PackPath(1));
        foreach ((RecordKind kind, B3Digest key, RecordLocation location) in records)
        {
            int[] places = where == "head"
                ? [0, 4, 5, 8, 11, 16, 24, 32, 63, 64, 71]
                : [RecordHeader.Size, RecordHeader.Size + (location.StoredLength / 2), RecordHeader.Size + location.StoredLength - 1];
            foreach (int place in places)
            {
                byte[] damaged = [.. sound];
                damaged[location.Offset + place] ^= 0x10;
                File.WriteAllBytes(PackPath(1), damaged);
                await using LocalStore store = Open();
                Assert.That(
                    () => store.Read(kind, key)?.Dispose(),
                    Throws.TypeOf<DigestMismatchException>().With.Property("Expected").EqualTo(key), $"{kind}, byte {place}");
            }
        }
    }

    [Test]
    public async Task Verify_OfADamagedChunk_NamesItAndTheBlob()
    {
        B3Digest blob;
        BlobChunk second;
        RecordLocation location;
        await using (LocalStore store = Open())
        {
            blob = await PutAsync(store, 200_000, 1);
            second = (await store.Blobs.GetChunksAsync(blob))![1];
            using PackIndex.Reader index = store.RentIndex();
            Assert.That(index.TryFind(RecordKind.Chunk, second.Digest, out location), Is.True);
        }

        Flip(1, location.Offset + RecordHeader.Size);
        await using LocalStore again = Open();
        List<StoreDamage> damages = await VerifyAsync(again);
        Assert.That(damages.Select(damage => (damage.Kind, damage.Digest)), Is.EqualTo(new (StoreDamageKind, B3Digest?)[]
        {
            (StoreDamageKind.Chunk, second.Digest), (StoreDamageKind.Blob, blob),
        }));
        Assert.That(async () => await ReadAsync(again, blob), Throws.TypeOf<DigestMismatchException>().With.Property("Expected").EqualTo(second.Digest));
    }

    // ---- the index ----

    [Test]
    public async Task Open_WithoutTheIndex_RebuildsIt()
    {
        (B3Digest[] blobs, B3Digest directory) = await WriteMuchAsync();
        DeleteIndex();
        await using (LocalStore store = Open())
        {
            await AssertMuchAsync(store, blobs, directory);
            await PutAsync(store, 100_000, 77);
        }

        await using LocalStore again = Open();
        await AssertMuchAsync(again, blobs, directory);
        Assert.That(await again.Blobs.HasAsync(Blake3Hasher.HashData(SampleData.Bytes(100_000, 77))), Is.True);
    }

    [Test]
    public async Task Open_AfterARebuildThatWasInterrupted_GoesOnWithIt()
    {
        (B3Digest[] blobs, B3Digest directory) = await WriteMuchAsync();

        // What is left when the process dies after the first pack: the index is there, and knows only that one.
        int packs = Packs.Length;
        DeleteIndex();
        string away = Directory.CreateDirectory(Folder["away"]).FullName;
        foreach (string pack in Packs.Skip(1))
        {
            File.Move(pack, Path.Combine(away, Path.GetFileName(pack)));
        }

        await using (LocalStore store = Open())
        {
            store.Open();
        }

        foreach (string pack in Directory.EnumerateFiles(away))
        {
            File.Move(pack, Path.Combine(StorePath, "packs", Path.GetFileName(pack)));
        }

        Assert.That(packs, Is.GreaterThan(2));
        await using LocalStore again = Open();
        await AssertMuchAsync(again, blobs, directory);
    }

    [Test]
    public async Task Open_WithADamagedIndex_SaysThatItCanBeRebuilt()
    {
        (B3Digest[] blobs, B3Digest directory) = await WriteMuchAsync();
        DeleteIndex();
        File.WriteAllBytes(Path.Combine(StorePath, PackIndex.FileName), SampleData.Bytes(10_000));
        await using (LocalStore store = Open())
        {
            Assert.That(store.Open, Throws.TypeOf<StorageException>().With.Message.Contains("rebuilt"));
        }

        LocalIndexRebuild rebuild = await LocalStore.RebuildIndexAsync(StorePath);
        Assert.That(rebuild.Packs, Is.EqualTo(Packs.Length));
        Assert.That(rebuild.SkippedBytes, Is.Zero);
        Assert.That(File.ReadAllBytes(rebuild.OldIndex!), Has.Length.EqualTo(10_000));
        await using LocalStore again = Open();
        await AssertMuchAsync(again, blobs, directory);
        Assert.That(await VerifyAsync(again), Is.Empty);
    }

    [Test]
    public async Task RebuildIndex_OfADamagedPack_FindsWhatLiesBehind([Values(0, 8, 40, 64, RecordHeader.Size + 4)] int place)
    {
        List<IndexRow> rows = [];
        await using (LocalStore store = Open())
        {
            await store.Directories.PutAsync(SampleTrees.Keep);
            await PutAsync(store, 100_000, 1); // some chunks, and a list
            await store.PutNamedAsync(Key(1), "value"u8, default);
            await store.PutNamedAsync(Key(2), "other"u8, default);
            using PackIndex.Reader index = store.RentIndex();
            rows.AddRange(index.ListByLocation());
        }

        byte[] sound = File.ReadAllBytes(PackPath(1));
        foreach (IndexRow victim in rows)
        {
            byte[] damaged = [.. sound];
            damaged[victim.Location.Offset + place] ^= 1;
            File.WriteAllBytes(PackPath(1), damaged);
            LocalIndexRebuild rebuild = await LocalStore.RebuildIndexAsync(StorePath);
            Assert.That(rebuild.Records, Is.EqualTo(rows.Count - 1));
            Assert.That(rebuild.SkippedBytes, Is.EqualTo(RecordHeader.Size + victim.Location.StoredLength));

            await using LocalStore store = Open();
            using PackIndex.Reader index = store.RentIndex();
            Assert.That(index.ListByLocation().Select(row => row.Key), Is.EqualTo(rows.Where(row => row != victim).Select(row => row.Key)));
        }
    }

    [Test]
    public async Task RebuildIndex_OfADamagedChunk_LetsItBeStoredAgain()
    {
        B3Digest digest = await WriteOneAsync();
        Flip(1, RecordHeader.Size);
        await LocalStore.RebuildIndexAsync(StorePath);
        await using LocalStore store = Open();
        Assert.That(await ReadAsync(store, digest), Is.Null);
        Assert.That(await PutAsync(store, 1000, 1), Is.EqualTo(digest));
        Assert.That(await ReadAsync(store, digest), Is.EqualTo(SampleData.Bytes(1000, 1)));
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task RebuildIndex_WhileSomebodyWrites_Refuses()
    {
        await using LocalStore store = Open();
        await PutAsync(store, 10, 1);
        Assert.That(
            async () => await LocalStore.RebuildIndexAsync(StorePath), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
        await PutAsync(store, 10, 2);
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public void RebuildIndex_OfNoStore_ThrowsAndMakesNone()
    {
        Assert.That(async () => await LocalStore.RebuildIndexAsync(StorePath), Throws.TypeOf<StorageException>());
        Assert.That(Directory.Exists(StorePath), Is.False);
    }

    // ---- helpers ----

    private async Task<B3Digest> WriteOneAsync()
    {
        await using LocalStore store = Open();
        return await PutAsync(store, 1000, 1);
    }

    private async Task<(B3Digest[] Blobs, B3Digest Directory)> WriteMuchAsync()
    {
        await using LocalStore store = Open();
        B3Digest[] blobs = new B3Digest[25];
        for (int i = 0; i < blobs.Length; i++)
        {
            blobs[i] = await PutAsync(store, 10_000 * i, i);
        }

        await using DirectoryPutter putter = store.Directories.OpenPutter();
        await putter.PutAsync(SampleTrees.Keep);
        await putter.PutAsync(SampleTrees.Complicated);
        B3Digest directory = await putter.CompleteAsync();
        await store.PutNamedAsync(Key(1), "old"u8, default);
        await store.PutNamedAsync(Key(1), "new"u8, default);
        return (blobs, directory);
    }

    private static async Task AssertMuchAsync(LocalStore store, B3Digest[] blobs, B3Digest directory)
    {
        for (int i = 0; i < blobs.Length; i++)
        {
            Assert.That(await ReadAsync(store, blobs[i]), Is.EqualTo(SampleData.Bytes(10_000 * i, i)));
        }

        Assert.That(await store.Directories.GetAsync(directory), Is.EqualTo(SampleTrees.Complicated));
        Assert.That(ReadNamed(store, Key(1)), Is.EqualTo("new"u8.ToArray()));
    }

    /// <summary>As if the machine had stopped: whatever is in the files now. The index's shared memory does not survive that.</summary>
    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(Path.Combine(to, "packs"));
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith("-shm", StringComparison.Ordinal) && !file.EndsWith(".lock", StringComparison.Ordinal)))
        {
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
        }
    }

    private static byte[] Record(RecordKind kind, B3Digest key, byte[] payload, bool isProvisional = false)
    {
        byte[] record = new byte[RecordHeader.Size + payload.Length];
        payload.CopyTo(record, RecordHeader.Size);
        new RecordHeader(kind, RecordCodec.Raw, payload.Length, payload.Length, 1, key, isProvisional).Write(record, payload);
        return record;
    }

    private void Append(byte[] bytes)
    {
        using FileStream file = new(PackPath(1), FileMode.Append);
        file.Write(bytes);
    }

    private void Flip(int pack, long offset)
    {
        using FileStream file = new(PackPath(pack), FileMode.Open, FileAccess.ReadWrite);
        file.Position = offset;
        int value = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(value ^ 1));
    }
}
