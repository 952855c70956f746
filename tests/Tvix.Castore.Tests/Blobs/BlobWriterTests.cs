using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>What the base class does for every backend's writer.</summary>
[TestFixture]
[TestOf(typeof(BlobWriter))]
public sealed class BlobWriterTests
{
    [Test]
    public async Task CompleteAsync_Repeated_AsksTheBackendOnce()
    {
        ScriptedWriter writer = new();
        await writer.WriteAsync(new byte[3]);
        await writer.CompleteAsync();
        await writer.CompleteAsync();
        await writer.DisposeAsync();
        await writer.DisposeAsync();
        writer.Dispose();
        Assert.That(writer.Calls, Is.EqualTo(new[] { "write 3", "complete", "dispose" }));
    }

    [Test]
    public async Task CompleteAsync_BackendFails_IsNotComplete()
    {
        ScriptedWriter writer = new() { Failure = new StorageException("full") };
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<StorageException>());
        writer.Failure = null;
        Assert.That(await writer.CompleteAsync(), Is.EqualTo(B3Digest.Empty));
        await writer.DisposeAsync();
    }

    [Test]
    public async Task WriteAsync_NoBytesOrCancelled_DoesNotReachTheBackend()
    {
        await using ScriptedWriter writer = new();
        await writer.WriteAsync(ReadOnlyMemory<byte>.Empty);
        await writer.WriteAsync([], 0, 0, CancellationToken.None);
        CancellationToken cancelled = new(canceled: true);
        Assert.That(async () => await writer.WriteAsync(new byte[1], cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await writer.CompleteAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(writer.Calls, Is.Empty);
    }

    [Test]
    public async Task WriteAsync_BadArguments_Throws()
    {
        await using ScriptedWriter writer = new();
        Assert.That(async () => await writer.WriteAsync(null!, 0, 1, CancellationToken.None), Throws.ArgumentNullException);
        Assert.That(async () => await writer.WriteAsync(new byte[4], 3, 2, CancellationToken.None), Throws.InstanceOf<ArgumentException>());
        Assert.That(writer.Calls, Is.Empty);
    }

    [Test]
    public void Dispose_Synchronously_LetsGo()
    {
        ScriptedWriter writer = new();
        writer.Dispose();
        writer.Dispose();
        Assert.That(writer.Calls, Is.EqualTo(new[] { "dispose" }));
        Assert.That(() => writer.Flush(), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await writer.CompleteAsync(), Throws.InstanceOf<ObjectDisposedException>());
    }

    private sealed class ScriptedWriter : BlobWriter
    {
        public List<string> Calls { get; } = [];

        public Exception? Failure { get; set; }

        protected override ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
        {
            Calls.Add("complete");
            return Failure is null ? new(B3Digest.Empty) : throw Failure;
        }

        protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            Calls.Add($"write {buffer.Length}");
            return ValueTask.CompletedTask;
        }

        protected override ValueTask DisposeCoreAsync()
        {
            Calls.Add("dispose");
            return ValueTask.CompletedTask;
        }
    }
}
