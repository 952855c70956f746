using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarWriterTests
{
    private static PathComponent Name(string name) => new(name);

    [Test]
    public async Task Write_Complicated_GivesTheBytesOfTheSpec()
    {
        MemoryStream stream = new();
        await using NarWriter writer = new(stream, leaveOpen: true);
        await writer.BeginDirectoryAsync(default);
        await writer.WriteFileAsync(Name(".keep"), executable: false, ReadOnlyMemory<byte>.Empty);
        await writer.WriteSymlinkAsync(Name("aa"), new SymlinkTarget("/nix/store/somewhereelse"));
        await writer.BeginDirectoryAsync(Name("keep"));
        await writer.BeginFileAsync(Name(".keep"), executable: false, 0);
        await writer.EndDirectoryAsync();
        await writer.EndDirectoryAsync();
        await writer.CompleteAsync();
        Assert.That(stream.ToArray(), Is.EqualTo(NarBytes.Complicated));
        Assert.That(writer.BytesWritten, Is.EqualTo(840));
    }

    [Test]
    public async Task Write_SingleNodes_GivesTheBytesOfTheSpec()
    {
        SymlinkTarget target = new("/nix/store/somewhereelse");
        byte[] script = "#!/bin/sh\necho hi\n"u8.ToArray();
        Assert.That(await WriteAsync(w => w.WriteSymlinkAsync(default, target)), Is.EqualTo(NarBytes.Symlink));
        Assert.That(await WriteAsync(w => w.WriteFileAsync(default, false, "Hello World!"u8.ToArray())), Is.EqualTo(NarBytes.Hello));
        Assert.That(await WriteAsync(w => w.WriteFileAsync(default, true, 18, new MemoryStream(script))), Is.EqualTo(NarBytes.Exec));
        Assert.That(await WriteAsync(w => w.WriteFileAsync(default, false, 0, new MemoryStream())), Is.EqualTo(NarBytes.EmptyFile));
        Assert.That(
            await WriteAsync(async w =>
            {
                await w.BeginDirectoryAsync(default);
                await w.EndDirectoryAsync();
            }),
            Is.EqualTo(NarBytes.EmptyDir));
    }

    [TestCase(1)]
    [TestCase(1000)]
    [TestCase(40_000)]
    [TestCase(1_000_000)]
    public async Task WriteContents_InPieces_GivesTheWhole(int piece)
    {
        byte[] contents = new byte[100_003];
        new Random(1).NextBytes(contents);
        byte[] nar = await WriteAsync(async w =>
        {
            await w.BeginFileAsync(default, executable: true, (ulong)contents.Length);
            for (int at = 0; at < contents.Length; at += piece)
            {
                await w.WriteContentsAsync(contents.AsMemory(at, Math.Min(piece, contents.Length - at)));
            }
        });
        Assert.That(nar.AsSpan().SequenceEqual(NarBytes.Archive(NarBytes.File(contents, executable: true))));
        nar = await WriteAsync(w => w.WriteFileAsync(default, true, (ulong)contents.Length, new SplitStream(contents, 1, piece)));
        Assert.That(nar.AsSpan().SequenceEqual(NarBytes.Archive(NarBytes.File(contents, executable: true))));
    }

    [Test]
    public async Task Write_ToAPipe_IsHeldUpByItsReader()
    {
        Pipe pipe = new(new PipeOptions(pauseWriterThreshold: 100_000, resumeWriterThreshold: 50_000));
        await using NarWriter writer = new(pipe.Writer);
        Task writing = WriteManyAsync();
        Assert.That(writing.IsCompleted, Is.False, "nobody has read");
        await using NarReader reader = new(pipe.Reader);
        int files = 0;
        while (await reader.ReadAsync())
        {
            files += reader.TokenType == NarTokenType.File ? 1 : 0;
        }

        await writing;
        Assert.That(files, Is.EqualTo(2000));

        async Task WriteManyAsync()
        {
            await writer.BeginDirectoryAsync(default);
            for (int i = 0; i < 2000; i++)
            {
                await writer.WriteFileAsync(Name($"{i:d4}"), executable: false, new byte[i % 50]);
            }

            await writer.EndDirectoryAsync();
            await writer.CompleteAsync();
        }
    }

    [Test]
    public async Task Write_ReaderGone_Throws()
    {
        Pipe pipe = new();
        await pipe.Reader.CompleteAsync();
        await using NarWriter writer = new(pipe.Writer);
        Assert.ThrowsAsync<IOException>(async () => await writer.WriteFileAsync(default, false, new byte[100_000]));
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync());
    }

    [Test]
    public async Task Write_NamesOutOfPlaceOrOrder_Throws()
    {
        await using NarWriter writer = new(new MemoryStream());
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.BeginDirectoryAsync(Name("root")));
        await writer.BeginDirectoryAsync(default);
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.BeginDirectoryAsync(default));
        await writer.WriteSymlinkAsync(Name("b"), new SymlinkTarget("x"));
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteSymlinkAsync(Name("b"), new SymlinkTarget("x")), "twice");
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.BeginDirectoryAsync(Name("a")), "too late");
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteFileAsync(Name("B"), false, default), "byte order");
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteSymlinkAsync(Name("c"), default), "no target");
        await writer.WriteSymlinkAsync(Name("ba"), new SymlinkTarget("x"));
    }

    [Test]
    public async Task WriteFile_StreamEndsEarly_ThrowsAndFails()
    {
        await using NarWriter writer = new(new MemoryStream());
        Assert.ThrowsAsync<EndOfStreamException>(async () => await writer.WriteFileAsync(default, false, 5, new MemoryStream(new byte[4])));
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync());
    }

    [TestCase(0)]
    [TestCase(5)]
    public async Task WriteFile_StreamHasMore_ThrowsAndFails(int size)
    {
        await using NarWriter writer = new(new MemoryStream());
        Assert.ThrowsAsync<InvalidDataException>(
            async () => await writer.WriteFileAsync(default, false, (ulong)size, new MemoryStream(new byte[size + 1])));
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync());
    }

    [Test]
    public async Task WriteContents_MoreThanAnnounced_Throws()
    {
        await using NarWriter writer = new(new MemoryStream());
        await writer.BeginFileAsync(default, false, 3);
        Assert.ThrowsAsync<ArgumentException>(async () => await writer.WriteContentsAsync(new byte[4]));
        await writer.WriteContentsAsync(new byte[3]);
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteContentsAsync(new byte[1]));
        await writer.CompleteAsync();
    }

    [Test]
    public async Task Write_OutOfTurn_Throws()
    {
        await using NarWriter writer = new(new MemoryStream());
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync(), "no root");
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.EndDirectoryAsync(), "no directory");
        await writer.BeginDirectoryAsync(default);
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync(), "directory open");
        await writer.BeginFileAsync(Name("f"), false, 1);
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.EndDirectoryAsync(), "contents missing");
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.BeginDirectoryAsync(Name("g")), "contents missing");
        await writer.WriteContentsAsync(new byte[1]);
        await writer.EndDirectoryAsync();
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.EndDirectoryAsync(), "closed already");
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.BeginDirectoryAsync(default), "second root");
        await writer.CompleteAsync();
        Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.CompleteAsync(), "complete already");
        await writer.DisposeAsync();
        Assert.ThrowsAsync<ObjectDisposedException>(async () => await writer.BeginDirectoryAsync(default));
    }

    [Test]
    public async Task Dispose_WithoutComplete_LetsTheReaderOfThePipeKnow()
    {
        Pipe pipe = new();
        await using (NarWriter writer = new(pipe.Writer))
        {
            await writer.BeginDirectoryAsync(default);
        }

        Assert.That(async () => await pipe.Reader.ReadAsync(), Throws.InvalidOperationException.With.Message.Contains("not completed"));
    }

    private static async Task<byte[]> WriteAsync(Func<NarWriter, ValueTask> write)
    {
        MemoryStream stream = new();
        await using NarWriter writer = new(stream);
        await write(writer);
        await writer.CompleteAsync();
        return stream.ToArray();
    }
}
