using System.Diagnostics;
using NUnit.Framework;
using Tvix.Castore.Compression;
using Tvix.Castore.Tests.Chunking;

namespace Tvix.Castore.Tests.Compression;

[TestFixture]
public sealed class ZstdStreamTests
{
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(1000)]
    [TestCase(500_000)]
    public async Task Write_ThenRead_GivesTheSame(int length)
    {
        byte[] data = [.. TestData.Lcg(1, length), .. new byte[length]];
        foreach (bool async in new[] { false, true })
        {
            using MemoryStream file = new();
            ZstdCompressionStream writer = new(file, leaveOpen: true);
            foreach (byte[] piece in data.Chunk(70_000))
            {
                if (async)
                {
                    await writer.WriteAsync(piece);
                }
                else
                {
                    writer.Write(piece);
                }
            }

            if (async)
            {
                await writer.DisposeAsync();
            }
            else
            {
                writer.Dispose();
            }

            Assert.That(Zstd.GetFrameLength(file.ToArray()), Is.EqualTo(file.Length), "one whole frame");
            Assert.That(await ReadAsync(file.ToArray(), 1000, async), Is.EqualTo(data));
        }
    }

    [TestCase(1, 1)]
    [TestCase(3, 100_000)]
    [TestCase(100_000, 7)]
    public async Task Read_SeveralFrames_GivesThemForEverySizeOfPieces(int sourcePiece, int readPiece)
    {
        byte[] frames =
            [.. Zstd.Compress([1, 2]), .. Zstd.Compress([]), .. Zstd.Compress(new byte[5000]), .. Zstd.Compress(TestData.Lcg(4, 3000))];
        byte[] expected = [1, 2, .. new byte[5000], .. TestData.Lcg(4, 3000)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(await ReadAsync(frames, readPiece, async: false, sourcePiece), Is.EqualTo(expected));
            Assert.That(await ReadAsync(frames, readPiece, async: true, sourcePiece), Is.EqualTo(expected));
        }
    }

    [Test]
    public void Read_CutAnywhere_Throws()
    {
        byte[] first = Zstd.Compress([1, 2, 3]);
        byte[] frames = [.. first, .. Zstd.Compress(TestData.Lcg(4, 100))];
        for (int length = 0; length < frames.Length; length++)
        {
            if (length != first.Length)
            {
                byte[] cut = frames[..length];
                Assert.That(() => ReadAsync(cut, 64, async: true), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
                Assert.That(() => ReadAsync(cut, 64, async: false), Throws.TypeOf<InvalidDataException>(), $"{length} bytes");
            }
        }
    }

    [Test]
    public void Read_SomethingElseAfterAFrame_Throws()
    {
        byte[] bytes = [.. Zstd.Compress([1, 2, 3]), .. "and then some"u8];
        Assert.That(() => ReadAsync(bytes, 64, async: true), Throws.TypeOf<InvalidDataException>());
    }

    [Test]
    public void Read_NoBytesWanted_GivesNone()
    {
        using ZstdDecompressionStream stream = new(new MemoryStream(Zstd.Compress([1])));
        Assert.That(stream.Read([]), Is.Zero);
        Assert.That(stream.ReadByte(), Is.EqualTo(1));
        Assert.That(stream.ReadByte(), Is.EqualTo(-1));
        Assert.That(stream.ReadByte(), Is.EqualTo(-1));
    }

    [Test]
    public async Task Flush_InTheMiddle_MakesEverythingReadable()
    {
        using MemoryStream file = new();
        await using ZstdCompressionStream writer = new(file, leaveOpen: true);
        await writer.WriteAsync("hello"u8.ToArray());
        await writer.FlushAsync();
        using ZstdDecompressionStream reader = new(new MemoryStream(file.ToArray()));
        byte[] read = new byte[5];
        reader.ReadExactly(read);
        Assert.That(read, Is.EqualTo("hello"u8.ToArray()));
        Assert.That(() => reader.ReadByte(), Throws.TypeOf<InvalidDataException>(), "the frame is not complete");
    }

    [Test]
    public void Streams_Disposed_SayWhatTheyCanDo()
    {
        MemoryStream file = new();
        ZstdCompressionStream writer = new(file);
        Assert.That((writer.CanRead, writer.CanSeek, writer.CanWrite), Is.EqualTo((false, false, true)));
        writer.Dispose();
        writer.Dispose();
        ZstdDecompressionStream reader = new(new MemoryStream(file.ToArray()));
        Assert.That((reader.CanRead, reader.CanSeek, reader.CanWrite), Is.EqualTo((true, false, false)));
        reader.Dispose();
        reader.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => writer.WriteByte(1), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => reader.ReadByte(), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => reader.Seek(0, SeekOrigin.Begin), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => writer.ReadByte(), Throws.TypeOf<NotSupportedException>());
            Assert.That((reader.CanRead, writer.CanWrite), Is.EqualTo((false, false)));
            Assert.That(file.CanWrite, Is.False, "the inner stream is closed as well");
        }
    }

    [Test]
    public void Write_InnerFails_DoesNotCompleteTheFrame()
    {
        FailingStream inner = new();
        ZstdCompressionStream writer = new(inner);
        Assert.That(
            () =>
            {
                writer.Write(TestData.Lcg(1, 1_000_000));
                writer.Flush();
            },
            Throws.TypeOf<IOException>());
        Assert.That(() => writer.WriteByte(1), Throws.TypeOf<InvalidOperationException>());
        inner.Fails = false;
        writer.Dispose();
        Assert.That(inner.ToArray(), Is.Empty);
    }

    [Test]
    public async Task Streams_WithTheProgram_UnderstandEachOther()
    {
        byte[] data = [.. TestData.Lcg(8, 200_000), .. new byte[100_000]];
        byte[] byProgram = await RunZstdAsync(data, "-q", "-19", "-c");
        Assert.That(await ReadAsync(byProgram, 10_000, async: true), Is.EqualTo(data));
        using MemoryStream file = new();
        await using (ZstdCompressionStream writer = new(file, leaveOpen: true))
        {
            await writer.WriteAsync(data);
        }

        Assert.That(await RunZstdAsync(file.ToArray(), "-q", "-d", "-c"), Is.EqualTo(data));
        Assert.That(await RunZstdAsync(Zstd.Compress(data), "-q", "-d", "-c"), Is.EqualTo(data));
    }

    private static async Task<byte[]> RunZstdAsync(byte[] input, params string[] arguments)
    {
        ProcessStartInfo start = new("zstd", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using Process process = StartOrIgnore(start);
        Task writing = Task.Run(async () =>
        {
            await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
        });
        using MemoryStream output = new();
        await process.StandardOutput.BaseStream.CopyToAsync(output);
        await writing;
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero);
        return output.ToArray();
    }

    private static Process StartOrIgnore(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("The zstd program is not installed.");
            throw;
        }
    }

    private static async Task<byte[]> ReadAsync(byte[] frames, int piece, bool async, int sourcePiece = int.MaxValue)
    {
        await using ZstdDecompressionStream stream = new(new SlowStream(frames, sourcePiece));
        using MemoryStream result = new();
        byte[] buffer = new byte[piece];
        int read;
        while ((read = async ? await stream.ReadAsync(buffer) : stream.Read(buffer)) > 0)
        {
            result.Write(buffer, 0, read);
        }

        return result.ToArray();
    }

    private sealed class SlowStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, piece));

        public override ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
            base.ReadAsync(destination[..Math.Min(destination.Length, piece)], cancellationToken);
    }

    private sealed class FailingStream : MemoryStream
    {
        public bool Fails { get; set; } = true;

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (Fails)
            {
                throw new IOException("The disk is full.");
            }

            base.Write(buffer, offset, count);
        }
    }
}
