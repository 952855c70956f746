using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class SeekableNarStreamTests
{
    [FsCheck.NUnit.Property(MaxTest = 100, Replay = "1,3")]
    public void Read_AnywhereInAnyTree_GivesThatPartOfTheNar(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            TestTree tree = await TestTree.RandomAsync(seed, seed % 4 == 0 ? 20_000 : 100);
            await using SeekableNarStream stream = await SeekableNarStream.OpenAsync(tree.Root, tree.Blobs, tree.Directories);
            Assert.That(stream.Length, Is.EqualTo(tree.Nar.Length));
            MemoryStream all = new();
            await stream.CopyToAsync(all);
            Assert.That(all.ToArray().AsSpan().SequenceEqual(tree.Nar));

            Random random = new(seed);
            for (int i = 0; i < 100; i++)
            {
                int from = random.Next(tree.Nar.Length + 1);
                int count = Math.Min(random.Next(random.Next(2) == 0 ? 40 : 5000), tree.Nar.Length - from);
                stream.Position = from;
                byte[] part = new byte[count];
                await stream.ReadExactlyAsync(part);
                Assert.That(part.AsSpan().SequenceEqual(tree.Nar.AsSpan(from, count)), $"{count} bytes at {from}");
                Assert.That(stream.Position, Is.EqualTo(from + count));
            }
        }
    }

    [Test]
    public async Task Read_ByteByByte_CrossesEveryBoundary()
    {
        TestTree tree = await TestTree.RandomAsync(12);
        await using SeekableNarStream stream = await SeekableNarStream.OpenAsync(tree.Root, tree.Blobs, tree.Directories);
        byte[] one = new byte[1];
        for (int i = 0; i < tree.Nar.Length; i++)
        {
            Assert.That(await stream.ReadAsync(one), Is.EqualTo(1));
            Assert.That(one[0], Is.EqualTo(tree.Nar[i]));
        }

        Assert.That(await stream.ReadAsync(one), Is.Zero);
    }

    [Test]
    public async Task Open_ReadsNoBlob()
    {
        TestTree tree = new();
        Node root = await tree.PutDirectoryAsync(
            ("a", new Node.File(B3Digest.ParseHex(new string('c', 64)), 1UL << 50, true)), ("b", new Node.Symlink(new SymlinkTarget("x"))));
        await using SeekableNarStream stream = await SeekableNarStream.OpenAsync(root, tree.Blobs, tree.Directories);
        Assert.That(stream.Length, Is.EqualTo((1L << 50) + 504));
        stream.Seek(-240, SeekOrigin.End);
        byte[] end = new byte[100];
        Assert.That(await stream.ReadAsync(end), Is.EqualTo(100));
    }

    [Test]
    public async Task Seek_FollowsTheRulesOfTheSpec()
    {
        TestTree tree = await TestTree.FileAsync("Hello World!"u8.ToArray());
        await using SeekableNarStream stream = await SeekableNarStream.OpenAsync(tree.Root, tree.Blobs, tree.Directories);
        Assert.That(stream.Seek(1000, SeekOrigin.Begin), Is.EqualTo(128), "past the end becomes the end");
        Assert.That(await stream.ReadAsync(new byte[1]), Is.Zero);
        Assert.That(stream.Seek(long.MaxValue, SeekOrigin.Current), Is.EqualTo(128));
        Assert.That(stream.Seek(-32, SeekOrigin.Current), Is.EqualTo(96));
        byte[] contents = new byte[12];
        await stream.ReadExactlyAsync(contents);
        Assert.That(contents, Is.EqualTo("Hello World!"u8.ToArray()));
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-129, SeekOrigin.End));
        Assert.Throws<IOException>(() => stream.Seek(long.MinValue, SeekOrigin.Current));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Seek(0, (SeekOrigin)9));
        Assert.That(stream.Position, Is.EqualTo(108));
    }

    [Test]
    public async Task Members_ThatAReadOnlyStreamLacks_Throw()
    {
        TestTree tree = await TestTree.FileAsync("x"u8.ToArray());
        SeekableNarStream stream = await SeekableNarStream.OpenAsync(tree.Root, tree.Blobs, tree.Directories);
        Assert.That((stream.CanRead, stream.CanSeek, stream.CanWrite), Is.EqualTo((true, true, false)));
        Assert.Throws<NotSupportedException>(() => stream.ReadByte());
        Assert.Throws<NotSupportedException>(() => stream.WriteByte(1));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
        await stream.DisposeAsync();
        Assert.That((stream.CanRead, stream.CanSeek), Is.EqualTo((false, false)));
        Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.ReadExactlyAsync(new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin));
    }

    [Test]
    public async Task Open_TreeThatMultiplies_StopsAtTheLimit()
    {
        TestTree tree = new();
        Node node = await tree.PutDirectoryAsync();
        for (int level = 0; level < 40; level++)
        {
            node = await tree.PutDirectoryAsync(("a", node), ("b", node));
        }

        Assert.ThrowsAsync<InvalidOperationException>(
            async () => await SeekableNarStream.OpenAsync(node, tree.Blobs, tree.Directories, maxMemory: 1 << 20));
        Assert.ThrowsAsync<InvalidOperationException>(async () => await NarListing.CreateAsync(node, tree.Directories, maxNodes: 10_000));
    }
}
