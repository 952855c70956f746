using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using NUnit.Framework;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarReaderTests
{
    public static IEnumerable<TestCaseData> Samples =>
        NarBytes.Samples.Select(s => new TestCaseData(s.Bytes, s.Size, s.Sha256).SetArgDisplayNames(s.Name));

    [TestCaseSource(nameof(Samples))]
    public void Samples_AsBuiltHere_AreThoseOfTheSpec(byte[] nar, int size, string sha256)
    {
        Assert.That(nar, Has.Length.EqualTo(size));
        Assert.That(Convert.ToHexStringLower(SHA256.HashData(nar)), Is.EqualTo(sha256));
    }

    [Test]
    public async Task Read_Complicated_ReportsItsTree()
    {
        Assert.That(
            await NarDump.ReadAsync(NarBytes.Complicated),
            Is.EqualTo(
                """
                 Directory
                 .keep f 0@232 
                 aa -> /nix/store/somewhereelse
                 keep Directory
                  .keep f 0@760 
                 keep EndDirectory
                 EndDirectory

                """));
    }

    [Test]
    public async Task Read_Exec_ReportsFileAndContents()
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.Exec));
        Assert.That(await reader.ReadAsync(), Is.True);
        Assert.That(reader.TokenType, Is.EqualTo(NarTokenType.File));
        Assert.That(reader.IsExecutable, Is.True);
        Assert.That(reader.Size, Is.EqualTo(18));
        Assert.That(reader.ContentsOffset, Is.EqualTo(128));
        Assert.That(reader.Name.IsDefault, Is.True);
        Assert.That((await reader.ReadContentsAsync()).ToArray(), Is.EqualTo("#!/bin/sh\necho hi\n"u8.ToArray()));
        Assert.That((await reader.ReadContentsAsync()).IsEmpty, Is.True);
        Assert.That(await reader.ReadAsync(), Is.False);
        Assert.That(reader.TokenType, Is.EqualTo(NarTokenType.End));
        Assert.That(reader.Offset, Is.EqualTo(168));
        Assert.That(await reader.ReadAsync(), Is.False);
    }

    [Test]
    public async Task Read_NamesInByteOrder_AreAccepted()
    {
        byte[][] names =
        [
            .. new[] { "B", "a", "a-b", "a.b", "ab", "b", "\xc3\xa9", "\xff\xfe" }.Select(NarBytes.Raw),
            [.. Enumerable.Repeat((byte)0xff, 255)],
        ];
        byte[] nar = NarBytes.Archive(NarBytes.Directory([.. names.Select(n => NarBytes.Entry(n, NarBytes.File("")))]));
        List<byte[]> read = [];
        await using NarReader reader = new(new MemoryStream(nar));
        while (await reader.ReadAsync())
        {
            if (reader.TokenType == NarTokenType.File)
            {
                Assert.That(reader.Name.Bytes.SequenceEqual(reader.NameBytes));
                read.Add(reader.Name.Bytes.ToArray());
            }
        }

        Assert.That(read, Is.EqualTo(names));
    }

    [Test]
    public async Task Read_LongestTarget_IsAccepted()
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.Archive(NarBytes.SymlinkNode(new string('t', 4095)))));
        await reader.ReadAsync();
        Assert.That(reader.Target.Length, Is.EqualTo(4095));
        Assert.That(await reader.ReadAsync(), Is.False);
    }

    [TestCaseSource(typeof(MalformedNars), nameof(MalformedNars.Cases))]
    public void Read_Malformed_FailsWithItsError(byte[] nar, NarError error)
    {
        List<long> offsets = [];
        foreach (int how in new[] { 0, 1, 2, 3 })
        {
            NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(nar, how));
            Assert.That(e!.Error, Is.EqualTo(error), $"how {how}: {e.Message}");
            offsets.Add(e.Offset);
        }

        // However the input arrives, and whatever reads it.
        foreach (int piece in new[] { 1, 7, 50 })
        {
            foreach (bool embedded in new[] { false, true })
            {
                if (embedded && error == NarError.TrailingData)
                {
                    continue;
                }

                NarReaderOptions options = new() { Embedded = embedded };
                NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(
                    () => NarDump.ReadAsync(new NarReader(new SplitStream(nar, piece, piece), options)));
                Assert.That(e!.Error, Is.EqualTo(error));
                offsets.Add(e.Offset);
                e = Assert.ThrowsAsync<NarFormatException>(
                    () => NarDump.ReadAsync(new NarReader(NarDump.Pipe(nar, piece, piece), options)));
                Assert.That(e!.Error, Is.EqualTo(error));
                offsets.Add(e.Offset);
            }
        }

        Assert.That(offsets, Has.All.EqualTo(offsets[0]));
        Assert.That(offsets[0], Is.InRange(0, nar.Length));
    }

    [TestCase("M05 contents", 101)]
    [TestCase("M02 text", 20)]
    [TestCase("M03 after the magic", 21)]
    [TestCase("M08 fifo", 56)]
    [TestCase("M10 not empty", 96)]
    [TestCase("M15 empty target", 88)]
    [TestCase("M17 4096", 88)]
    [TestCase("M22 dot", 136)]
    [TestCase("M22 empty", 128)]
    [TestCase("M28 a byte", 128)]
    [TestCase("M13 2^40", 104)]
    public void Read_Malformed_TellsWhere(string label, int offset)
    {
        byte[] nar = MalformedNars.All.Single(m => m.Label == label).Bytes;
        NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(nar));
        Assert.That(e!.Offset, Is.EqualTo(offset));
        Assert.That(e.Message, Does.Contain($"byte {offset}"));
    }

    [TestCaseSource(nameof(Samples))]
    public async Task Read_TruncatedAnywhere_IsUnexpectedEnd(byte[] nar, int size, string sha256)
    {
        for (int length = 0; length < nar.Length; length++)
        {
            byte[] part = nar[..length];
            foreach (int how in new[] { 0, 1, 2 })
            {
                NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(part, how));
                Assert.That((e!.Error, e.Offset), Is.EqualTo((NarError.UnexpectedEnd, (long)length)), $"{length} of {size}, how {how}");
            }

            Assert.That(
                Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(new NarReader(NarDump.Pipe(part, length, 9))))!.Error,
                Is.EqualTo(NarError.UnexpectedEnd));
        }

        Assert.That(await NarDump.ReadAsync(nar), Is.Not.Empty, sha256);
    }

    [TestCaseSource(nameof(Samples))]
    public async Task Read_AnyByteChanged_NeverReportsTheSameTree(byte[] nar, int size, string sha256)
    {
        string tree = await NarDump.ReadAsync(nar);
        for (int i = 0; i < size; i++)
        {
            byte[] changed = [.. nar];
            changed[i] ^= 0x11;
            string? other = null;
            try
            {
                other = await NarDump.ReadAsync(changed);
            }
            catch (NarFormatException)
            {
            }

            Assert.That(other, Is.Not.EqualTo(tree), $"byte {i} of {sha256}");
        }
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "1,3")]
    public void Read_HoweverTheInputIsSplit_ReportsTheSame(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            bool large = seed % 3 == 0;
            TestTree tree = await TestTree.RandomAsync(seed, maxFileLength: large ? 60_000 : 200);
            string whole = await NarDump.ReadAsync(tree.Nar);
            int piece = (large ? 500 : 1) + (int)((uint)seed % 5000);
            for (int how = 1; how <= 3; how++)
            {
                foreach (bool embedded in new[] { false, true })
                {
                    NarReaderOptions options = new() { Embedded = embedded };
                    await using NarReader stream = new(new SplitStream(tree.Nar, seed, piece), options);
                    Assert.That(await NarDump.ReadAsync(stream, how), Is.EqualTo(whole));
                    await using NarReader pipe = new(NarDump.Pipe(tree.Nar, seed, piece), options);
                    Assert.That(await NarDump.ReadAsync(pipe, how), Is.EqualTo(whole));
                    Assert.That(pipe.Offset, Is.EqualTo(tree.Nar.Length));
                }
            }
        }
    }

    [TestCaseSource(nameof(Samples))]
    public async Task Read_Embedded_LeavesWhatFollows(byte[] nar, int size, string sha256)
    {
        byte[] followed = [.. nar, .. "what follows"u8, .. nar];
        foreach (int how in new[] { 0, 1, 2, 3 })
        {
            NarReaderOptions options = new() { Embedded = true, LeaveOpen = true };
            MemoryStream stream = new(followed);
            await using (NarReader reader = new(stream, options))
            {
                await NarDump.ReadAsync(reader, how);
                Assert.That(stream.Position, Is.EqualTo(size), sha256);
            }

            foreach (int piece in new[] { 3, 5000 })
            {
                PipeReader pipe = NarDump.Pipe(followed, piece, piece);
                await using NarReader reader = new(pipe, options);
                await NarDump.ReadAsync(reader, how);
                ReadResult rest = await pipe.ReadAtLeastAsync(12 + nar.Length);
                Assert.That(rest.Buffer.ToArray(), Is.EqualTo(followed[size..]));
            }
        }
    }

    [Test]
    public async Task Read_Embedded_DoesNotWaitForMoreThanTheArchive()
    {
        Pipe pipe = new();
        await pipe.Writer.WriteAsync(NarBytes.Complicated);
        await using NarReader reader = new(pipe.Reader, new NarReaderOptions { Embedded = true });
        Task<string> dump = NarDump.ReadAsync(reader);
        Assert.That(dump.IsCompletedSuccessfully, "the pipe is still open");
    }

    [Test]
    public async Task Read_Pipe_SeesTheEndOnlyWhenThePipeIsComplete()
    {
        Pipe pipe = new();
        await pipe.Writer.WriteAsync(NarBytes.Complicated);
        await using NarReader reader = new(pipe.Reader);
        Task<string> dump = NarDump.ReadAsync(reader);
        Assert.That(dump.IsCompleted, Is.False);
        await pipe.Writer.CompleteAsync();
        Assert.That(await dump, Does.EndWith("EndDirectory\n"));
    }

    [TestCase(1)]
    [TestCase(1024)]
    [TestCase(4096)]
    public async Task Read_DeepTree_IsReadUpToTheLimit(int levels)
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.Nested(levels)), new NarReaderOptions { MaxDepth = levels });
        int deepest = -1;
        while (await reader.ReadAsync())
        {
            deepest = Math.Max(deepest, reader.Depth);
        }

        Assert.That(deepest, Is.EqualTo(levels - 1));
        NarReader shallow = new(new MemoryStream(NarBytes.Nested(levels)), new NarReaderOptions { MaxDepth = levels - 1 });
        NarFormatException? e = Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(shallow));
        Assert.That(e!.Error, Is.EqualTo(NarError.TooDeep));
    }

    [Test]
    public void Read_DefaultLimit_Is4096Levels()
    {
        Assert.DoesNotThrowAsync(() => NarDump.ReadAsync(NarBytes.Nested(4096)));
        Assert.That(
            Assert.ThrowsAsync<NarFormatException>(() => NarDump.ReadAsync(NarBytes.Nested(4097)))!.Error, Is.EqualTo(NarError.TooDeep));
    }

    [Test]
    public async Task Read_ContentsLeftUnread_AreSkippedAndChecked()
    {
        byte[] contents = new byte[300_000];
        byte[] nar = NarBytes.Archive(NarBytes.Directory(
            NarBytes.Entry("a", NarBytes.File(contents)), NarBytes.Entry("b", NarBytes.File("x"))));
        await using NarReader reader = new(new MemoryStream(nar));
        await reader.ReadAsync();
        await reader.ReadAsync();
        Assert.That(await reader.ReadContentsAsync(new byte[10]), Is.EqualTo(10));
        await reader.ReadAsync();
        Assert.That(reader.Name.ToString(), Is.EqualTo("b"));

        int padding = 232 + contents.Length; // a multiple of 8 already, so the end of the node
        nar[padding + 8] = (byte)']';
        await using NarReader other = new(new MemoryStream(nar));
        await other.ReadAsync();
        await other.ReadAsync();
        Assert.That(Assert.ThrowsAsync<NarFormatException>(async () => await other.ReadAsync())!.Offset, Is.EqualTo(padding + 8));
    }

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(1023)]
    [TestCase(5000)]
    [TestCase(200_000)]
    public async Task ReadContents_LastByte_IsHandedOutOnlyWhenTheRestIsRight(int length)
    {
        byte[] nar = NarBytes.Archive(NarBytes.File(new byte[length]));
        nar[^9] = 1; // the length of the end's keyword
        foreach (int piece in new[] { 64, 4096, 1 << 20 })
        {
            await using NarReader slices = new(new SplitStream(nar, 1, piece));
            await slices.ReadAsync();
            long handedOut = 0;
            Assert.ThrowsAsync<NarFormatException>(async () =>
            {
                while (await slices.ReadContentsAsync() is { IsEmpty: false } slice)
                {
                    handedOut += slice.Length;
                }
            });
            Assert.That(handedOut, Is.LessThan(length));

            await using NarReader copies = new(new SplitStream(nar, 1, piece));
            await copies.ReadAsync();
            handedOut = 0;
            Assert.ThrowsAsync<NarFormatException>(async () =>
            {
                byte[] buffer = new byte[20_000];
                for (int read; (read = await copies.ReadContentsAsync(buffer)) > 0;)
                {
                    handedOut += read;
                }
            });
            Assert.That(handedOut, Is.LessThan(length));
        }
    }

    [Test]
    public async Task ReadContents_ExactlyTheSize_LeavesTheReaderInStep()
    {
        await using NarReader reader = new(new SplitStream(NarBytes.SmallDir, 3, 5));
        await reader.ReadAsync();
        await reader.ReadAsync();
        await reader.OpenContents().ReadExactlyAsync(new byte[8]);
        Assert.That(reader.Offset, Is.EqualTo(256));
        await reader.ReadAsync();
        Assert.That(reader.Target.ToString(), Is.EqualTo("a"));
    }

    [Test]
    public async Task Members_OfAnotherToken_Throw()
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.SmallDir));
        Assert.That(reader.TokenType, Is.EqualTo(NarTokenType.None));
        Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadContentsAsync());
        await reader.ReadAsync();
        Assert.Throws<InvalidOperationException>(() => _ = reader.Size);
        Assert.Throws<InvalidOperationException>(() => _ = reader.IsExecutable);
        Assert.Throws<InvalidOperationException>(() => _ = reader.ContentsOffset);
        Assert.Throws<InvalidOperationException>(() => _ = reader.Target);
        Assert.Throws<InvalidOperationException>(() => reader.OpenContents());
        Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadContentsAsync(new byte[1]));
        await reader.ReadAsync();
        Stream contents = reader.OpenContents();
        await reader.ReadAsync();
        Assert.ThrowsAsync<InvalidOperationException>(async () => await contents.ReadExactlyAsync(new byte[1]));
        Assert.That((contents.CanRead, contents.CanSeek, contents.CanWrite), Is.EqualTo((true, false, false)));
        Assert.Throws<NotSupportedException>(() => contents.ReadByte());
    }

    [Test]
    public async Task Read_AfterAnError_IsMisuse()
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.Cat(NarBytes.Symlink, [1])));
        await reader.ReadAsync();
        Assert.ThrowsAsync<NarFormatException>(async () => await reader.ReadAsync());
        Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync());
        await reader.DisposeAsync();
        Assert.ThrowsAsync<ObjectDisposedException>(async () => await reader.ReadAsync());
    }

    [Test]
    public async Task Read_WhileAnotherReadIsUnderWay_IsMisuse()
    {
        Pipe pipe = new();
        await using NarReader reader = new(pipe.Reader);
        Task<bool> pending = reader.ReadAsync().AsTask();
        Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync());
        await pipe.Writer.WriteAsync(NarBytes.Symlink);
        Assert.That(await pending, Is.True);
    }

    [Test]
    public async Task Read_Cancelled_Throws()
    {
        using CancellationTokenSource cancellation = new();
        Pipe pipe = new();
        await using NarReader reader = new(pipe.Reader);
        Task<bool> pending = reader.ReadAsync(cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        Assert.That(async () => await pending, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await reader.ReadAsync(cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Dispose_ClosesTheInput_UnlessLeftOpen(bool leaveOpen)
    {
        MemoryStream stream = new(NarBytes.Hello);
        NarReader reader = new(stream, new NarReaderOptions { LeaveOpen = leaveOpen });
        await reader.ReadAsync();
        await reader.DisposeAsync();
        await reader.DisposeAsync();
        Assert.That(stream.CanRead, Is.EqualTo(leaveOpen));
    }

    [Test]
    public async Task Read_SmallFiles_AllocatesOnlyForNames()
    {
        byte[][] entries = [.. Enumerable.Range(0, 1000).Select(i => NarBytes.Entry($"file{i:d5}", NarBytes.File(new byte[40])))];
        byte[] nar = NarBytes.Archive(NarBytes.Directory(entries));
        await NarDumpSilentlyAsync(nar);
        long before = GC.GetAllocatedBytesForCurrentThread();
        await NarDumpSilentlyAsync(nar);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(8_000), "for 1000 files, whose names nobody asked for");

        static async Task NarDumpSilentlyAsync(byte[] nar)
        {
            await using NarReader reader = new(new MemoryStream(nar));
            while (await reader.ReadAsync())
            {
                if (reader.TokenType == NarTokenType.File)
                {
                    while (!(await reader.ReadContentsAsync()).IsEmpty)
                    {
                    }
                }
            }
        }
    }
}
