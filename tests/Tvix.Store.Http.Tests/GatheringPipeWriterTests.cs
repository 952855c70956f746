using System.Buffers;
using System.IO.Pipelines;
using NUnit.Framework;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class GatheringPipeWriterTests
{
    private const int PieceLength = 256 << 10;

    [FsCheck.NUnit.Property(MaxTest = 50, Replay = "(31,7)")]
    public void Write_InAnyWay_PassesOnTheSameBytesAndHoldsFew(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            Random random = new(seed);
            CountingPipe inner = new();
            GatheringPipeWriter writer = new(inner);
            MemoryStream expected = new();
            for (int i = 0; i < 100; i++)
            {
                byte[] bytes = new byte[random.Next(4) == 0 ? random.Next(600_000) : random.Next(5000)];
                random.NextBytes(bytes);
                expected.Write(bytes);
                switch (random.Next(3))
                {
                    case 0:
                        await writer.WriteAsync(bytes);
                        break;
                    case 1:
                        writer.Write(bytes);
                        break;
                    default:
                        bytes.CopyTo(writer.GetSpan(bytes.Length));
                        writer.Advance(bytes.Length);
                        break;
                }

                await writer.FlushAsync();
                Assert.That(expected.Length - inner.Flushed, Is.LessThan(2 * PieceLength), "what was flushed went on, but for a piece");
            }

            await writer.FinishAsync(default);
            Assert.That(inner.Bytes.WrittenSpan.SequenceEqual(expected.ToArray()));
            Assert.That(inner.Flushed, Is.EqualTo(expected.Length));
        }
    }

    [Test]
    public async Task Flush_OfLittle_DoesNotGoOn()
    {
        CountingPipe inner = new();
        GatheringPipeWriter writer = new(inner);
        for (int i = 0; i < 1000; i++)
        {
            await writer.WriteAsync(new byte[100]);
        }

        Assert.That((inner.Flushes, writer.UnflushedBytes), Is.EqualTo((0, 100_000L)));
        await writer.FinishAsync(default);
        Assert.That((inner.Flushes, inner.Flushed), Is.EqualTo((1, 100_000)));
    }

    [TestCase(10, 10)]
    [TestCase(1 << 30, PieceLength)]
    public void GetMemory_OfWhatIsShort_TakesNoMoreThanThat(long expected, int asked)
    {
        CountingPipe inner = new();
        new GatheringPipeWriter(inner, expected).GetMemory(1);
        Assert.That(inner.Asked, Is.EqualTo(asked));
    }

    [Test]
    public void Advance_BeyondWhatWasGiven_Throws()
    {
        GatheringPipeWriter writer = new(new CountingPipe(), 100);
        int given = writer.GetMemory().Length;
        Assert.That(() => writer.Advance(given + 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => writer.Advance(-1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Flush_Cancelled_Throws() =>
        Assert.That(async () => await new GatheringPipeWriter(new CountingPipe()).FlushAsync(new CancellationToken(true)), Throws.InstanceOf<OperationCanceledException>());

    private sealed class CountingPipe : PipeWriter
    {
        public ArrayBufferWriter<byte> Bytes { get; } = new();

        public int Flushes { get; private set; }

        public int Flushed { get; private set; }

        public int Asked { get; private set; }

        public override Memory<byte> GetMemory(int sizeHint = 0)
        {
            Asked = sizeHint;
            return Bytes.GetMemory(sizeHint)[..Math.Max(sizeHint, 1)];
        }

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override void Advance(int bytes) => Bytes.Advance(bytes);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            Flushes++;
            Flushed = Bytes.WrittenCount;
            return default;
        }

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException();
    }
}
