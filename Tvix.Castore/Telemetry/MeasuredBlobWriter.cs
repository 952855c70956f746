using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Telemetry;

/// <summary>Measures the completion of a blob, and counts its bytes once it is stored.</summary>
internal sealed class MeasuredBlobWriter(BlobWriter inner, ServiceMeter meter) : BlobWriter
{
    private long _length;

    protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        _length += buffer.Length;
        return inner.WriteAsync(buffer, cancellationToken);
    }

    private protected override ValueTask<Task> WriteLentCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        _length += buffer.Length;
        return inner.WriteLentAsync(buffer, cancellationToken);
    }

    protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
    {
        B3Digest digest = await meter.MeasureAsync(
            "complete_write", null, inner, static (inner, token) => inner.CompleteAsync(token), static _ => true, cancellationToken).ConfigureAwait(false);
        meter.CountWritten(_length);
        return digest;
    }

    protected override ValueTask DisposeCoreAsync() => inner.DisposeAsync();
}
