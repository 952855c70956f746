using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[TestOf(typeof(BlobContent))]
public sealed class BlobContentTests
{
    [Test]
    public void Rent_AnyLength_GivesExactlyThat()
    {
        using BlobContent content = BlobContent.Rent(1001);
        Assert.That(content.Memory.Length, Is.EqualTo(1001));
        using BlobContent empty = BlobContent.Rent(0);
        Assert.That(empty.Memory.IsEmpty, Is.True);
        Assert.That(() => BlobContent.Rent(-1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Memory_AfterDisposal_Throws()
    {
        BlobContent content = BlobContent.Rent(10);
        content.Dispose();
        content.Dispose();
        Assert.That(() => content.Memory, Throws.InstanceOf<ObjectDisposedException>());
    }

    [TestCase(90, Description = "ends before its length")]
    [TestCase(110, Description = "goes on behind its length")]
    public void ReadAsync_StreamOfAnotherLengthThanItSays_Throws(int actual)
    {
        IBlobService service = new OneStreamService(() => new LyingStream(SampleData.Bytes(actual), saidLength: 100));
        Assert.That(async () => await service.ReadAsync(B3Digest.Empty, 1000), Throws.InstanceOf<StorageException>());
    }

    [Test]
    public async Task ReadAsync_StreamThatTellsOfDamageAtItsEnd_GivesNothing()
    {
        DamagedAtTheEnd stream = new(SampleData.Bytes(100));
        IBlobService service = new OneStreamService(() => stream);
        Assert.That(async () => await service.ReadAsync(B3Digest.Empty, 1000), Throws.InstanceOf<DigestMismatchException>());
        Assert.That(stream.CanRead, Is.False, "the stream is disposed");
        await stream.DisposeAsync();
    }

    [Test]
    public void ReadAsync_LongerThanAllowed_DoesNotReadIt()
    {
        DamagedAtTheEnd stream = new(SampleData.Bytes(100));
        IBlobService service = new OneStreamService(() => stream);
        Assert.That(async () => await service.ReadAsync(B3Digest.Empty, 99), Throws.TypeOf<BlobTooLongException>());
    }

    private sealed class OneStreamService(Func<Stream> open) : IBlobService
    {
        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => new(true);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => new(open());

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private sealed class LyingStream(byte[] content, long saidLength) : MemoryStream(content)
    {
        public override long Length => saidLength;
    }

    private sealed class DamagedAtTheEnd(byte[] content) : MemoryStream(content)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await base.ReadAsync(buffer, cancellationToken);
            return count > 0 || buffer.IsEmpty ? count : throw new DigestMismatchException(B3Digest.Empty, null, "a test");
        }
    }
}
