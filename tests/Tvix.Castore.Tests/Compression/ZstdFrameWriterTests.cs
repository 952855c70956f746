using System.Buffers;
using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore.Compression;

namespace Tvix.Castore.Tests.Compression;

[TestFixture]
public sealed class ZstdFrameWriterTests
{
    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(21,9)")]
    public void Write_InAnyWay_GivesFramesOfTheSameBytes(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            Random random = new(seed);
            MemoryStream output = new();
            PipeWriter inner = PipeWriter.Create(output);
            ZstdFrameWriter writer = new(inner);
            MemoryStream expected = new();
            for (int i = 0; i < 40; i++)
            {
                byte[] bytes = new byte[random.Next(5) == 0 ? random.Next(300_000) : random.Next(2000)];
                random.NextBytes(bytes.AsSpan(0, bytes.Length / 2));
                expected.Write(bytes);
                switch (random.Next(4))
                {
                    case 0:
                        await writer.WriteAsync(bytes);
                        break;
                    case 1:
                        writer.Write(bytes);
                        break;
                    case 2 when bytes.Length <= ZstdFrame.MaxBlockLength:
                        bytes.CopyTo(writer.GetSpan(bytes.Length));
                        writer.Advance(bytes.Length);
                        break;
                    default:
                        await writer.WriteFrameAsync(Zstd.Compress(bytes), default);
                        break;
                }

                await writer.FlushAsync();
                Assert.That(inner.UnflushedBytes, Is.LessThan(2 * ZstdFrame.MaxBlockLength), "memory is bounded");
            }

            await writer.FinishAsync(default);
            Assert.That(Zstd.Decompress(output.ToArray(), 100 << 20).AsSpan().SequenceEqual(expected.ToArray()));
        }
    }

    [Test]
    public async Task Write_InSmallPieces_MakesFewFrames()
    {
        MemoryStream output = new();
        ZstdFrameWriter writer = new(PipeWriter.Create(output));
        for (int i = 0; i < 10_000; i++)
        {
            writer.Write([(byte)i]);
            await writer.FlushAsync();
        }

        await writer.FinishAsync(default);
        Assert.That(output.Length, Is.EqualTo(10_000 + ZstdFrame.RawHeadLength));
    }

    [Test]
    public async Task Finish_OfNothing_WritesNothing()
    {
        MemoryStream output = new();
        ZstdFrameWriter writer = new(PipeWriter.Create(output));
        writer.GetMemory(100);
        await writer.WriteAsync(default);
        await writer.FinishAsync(default);
        Assert.That(output.Length, Is.Zero);
    }

    [Test]
    public void Advance_BeyondWhatWasGiven_Throws()
    {
        ZstdFrameWriter writer = new(PipeWriter.Create(new MemoryStream()));
        Assert.That(() => writer.Advance(1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => writer.GetMemory(ZstdFrame.MaxBlockLength + 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
