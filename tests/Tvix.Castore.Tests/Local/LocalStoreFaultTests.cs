using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Local;

/// <summary>The disk refuses: whoever waits hears of it, and afterwards the store is usable and sound.</summary>
[TestFixture]
public sealed class LocalStoreFaultTests : StoreFixture
{
    [Test]
    public async Task Put_WhenTheDiskRefuses_FailsAndTheNextSucceeds([Values("Write", "Flush", "Commit", "BeginPack")] string what)
    {
        PackOperation operation = Enum.Parse<PackOperation>(what);
        bool fail = false;
        await using LocalStore store = Open(options => options.FaultInjection = at =>
        {
            if (fail && at == operation)
            {
                throw new IOException("No space left on device");
            }
        });
        B3Digest before = await PutAsync(store, 500_000, 1);
        fail = true;
        // Large enough that the pack is full, so that each of the operations takes place.
        Assert.That(async () => await PutAsync(store, 1_500_000, 2), Throws.TypeOf<StorageException>());
        Assert.That(await ReadAsync(store, before), Is.EqualTo(SampleData.Bytes(500_000, 1)), "reading goes on");
        fail = false;
        B3Digest after = await PutAsync(store, 1_500_000, 2);
        Assert.That(await ReadAsync(store, after), Is.EqualTo(SampleData.Bytes(1_500_000, 2)));
        Assert.That(await VerifyAsync(store), Is.Empty);

        DeleteIndexOf(store);
        await store.DisposeAsync();
        await using LocalStore rebuilt = Open();
        Assert.That(await ReadAsync(rebuilt, after), Is.EqualTo(SampleData.Bytes(1_500_000, 2)));
        Assert.That(await VerifyAsync(rebuilt), Is.Empty);

        static void DeleteIndexOf(LocalStore store) => File.Delete(Path.Combine(store.Path, PackIndex.FileName));
    }

    [Test]
    public async Task Complete_WhenTheStoreFailedSinceTheWriterBegan_Fails()
    {
        bool fail = false;
        await using LocalStore store = Open(options => options.FaultInjection = _ =>
        {
            if (fail)
            {
                throw new IOException("No space left on device");
            }
        });
        BlobWriter writer = await store.Blobs.OpenWriteAsync();
        await writer.WriteAsync(SampleData.Bytes(100_000, 1));
        fail = true;
        Assert.That(async () => await PutAsync(store, 10, 2), Throws.TypeOf<StorageException>());
        fail = false;
        await PutAsync(store, 10, 3);

        Assert.That(async () => await writer.CompleteAsync(), Throws.TypeOf<StorageException>().With.Property("IsTransient").True);
        Assert.That(await PutAsync(store, 100_000, 1), Is.Not.EqualTo(default(B3Digest)));
        Assert.That(await VerifyAsync(store), Is.Empty);
    }

    [Test]
    public async Task Append_OfWhatAnotherSessionFailedToStore_Fails()
    {
        // The second session relies on a chunk that the first has appended; then the commit fails.
        bool fail = false;
        await using LocalStore store = Open(options => options.FaultInjection = at =>
        {
            if (fail && at == PackOperation.Flush)
            {
                throw new IOException("Input/output error");
            }
        });
        byte[] content = SampleData.Bytes(100, 1);
        B3Digest digest = Blake3Hasher.HashData(content);
        WriteSession first = new(store);
        first.Append(RecordKind.Chunk, digest, content);
        WriteSession second = new(store);
        second.Append(RecordKind.Chunk, digest, content);
        fail = true;
        Assert.That(async () => await first.CommitAsync(default), Throws.TypeOf<StorageException>());
        fail = false;

        Assert.That(
            async () =>
            {
                byte[] more = SampleData.Bytes(100, 2);
                second.Append(RecordKind.Chunk, Blake3Hasher.HashData(more), more);
                await second.CommitAsync(default);
            },
            Throws.TypeOf<StorageException>());
    }

    [Test]
    public async Task Flush_ThatFailed_IsNotTrustedAfterwards()
    {
        bool fail = false;
        await using LocalStore store = Open(options => options.FaultInjection = at =>
        {
            if (fail && at == PackOperation.Flush)
            {
                fail = false; // the system tells of lost pages only once
                throw new IOException("Input/output error");
            }
        });
        await PutAsync(store, 1000, 1);
        long sound = PackBytes;
        fail = true;
        Assert.That(async () => await PutAsync(store, 1000, 2), Throws.TypeOf<StorageException>());
        Assert.That(PackBytes, Is.EqualTo(sound), "what may not be on disk must not be found later");
        await PutAsync(store, 1000, 3);
        Assert.That(await store.Blobs.HasAsync(Blake3Hasher.HashData(SampleData.Bytes(1000, 2))), Is.False);
    }

    [Test]
    public async Task BeginNextPack_WhileTheBatchBeforeIsOnItsWay_DoesNotOvertakeIt()
    {
        // The committer stands before the index with a batch; meanwhile another session fills the pack, which commits the next batch.
        using ManualResetEventSlim reached = new();
        using ManualResetEventSlim goOn = new();
        bool hold = false;
        LocalStore store = Open(options => options.FaultInjection = at =>
        {
            if (hold && at == PackOperation.Flush)
            {
                hold = false;
                reached.Set();
                goOn.Wait();
                throw new IOException("Input/output error");
            }
        });
        await using (store)
        {
            await PutAsync(store, 500_000, 1);
            WriteSession session = new(store);
            byte[] one = SampleData.Bytes(1000, 2);
            B3Digest digest = Blake3Hasher.HashData(one);
            session.Append(RecordKind.Chunk, digest, one);
            hold = true;
            Task firstCommit = session.CommitAsync(default).AsTask();
            reached.Wait();

            Task rest = Task.Run(async () =>
            {
                for (int i = 0; i < 50; i++)
                {
                    byte[] more = SampleData.Bytes(30_000, 100 + i);
                    session.Append(RecordKind.Chunk, Blake3Hasher.HashData(more), more);
                }

                await session.CommitAsync(default);
            });
            goOn.Set();
            Assert.That(async () => await firstCommit, Throws.TypeOf<StorageException>());
            Assert.That(async () => await rest, Throws.TypeOf<StorageException>(), "it cannot succeed without the batch before");
            Assert.That(await VerifyAsync(store), Is.Empty);
        }
    }

    [Test]
    public async Task Commit_ByARollOver_IncludesTheBatchThatTheCommitterHolds()
    {
        // The committer has flushed a batch and not yet entered it in the index; meanwhile the pack gets full, which commits the next batch.
        using ManualResetEventSlim reached = new();
        using ManualResetEventSlim goOn = new();
        int hold = 0;
        LocalStore store = Open(options => options.FaultInjection = at =>
        {
            if (at == PackOperation.Commit && Interlocked.CompareExchange(ref hold, 2, 1) == 1)
            {
                reached.Set();
                goOn.Wait();
            }
        });
        await using (store)
        {
            await PutAsync(store, 500_000, 1);
            WriteSession session = new(store);
            B3Digest first = Append(session, 1000, 2);
            hold = 1;
            Task firstCommit = session.CommitAsync(default).AsTask();
            reached.Wait();
            try
            {
                CommitBatch batch = AppendBatch(store, 30_000, 100);
                for (int i = 1; Packs.Length == 1; i++)
                {
                    Append(session, 30_000, 100 + i);
                }

                await batch.Completion; // acknowledged, by the roll-over
                Assert.That(store.Contains(RecordKind.Chunk, first), Is.True, "a later batch was acknowledged, so this must be in the index");
            }
            finally
            {
                goOn.Set();
            }

            await firstCommit;
            await session.CommitAsync(default);
            Assert.That(await VerifyAsync(store), Is.Empty);
        }

        static B3Digest Append(WriteSession session, int size, int seed)
        {
            byte[] content = SampleData.Bytes(size, seed);
            B3Digest digest = Blake3Hasher.HashData(content);
            session.Append(RecordKind.Chunk, digest, content);
            return digest;
        }

        static CommitBatch AppendBatch(LocalStore store, int size, int seed)
        {
            byte[] content = SampleData.Bytes(size, seed);
            int? generation = null;
            return store.Append(RecordKind.Chunk, Blake3Hasher.HashData(content), content, isNew: true, null, ref generation)!;
        }
    }
}
