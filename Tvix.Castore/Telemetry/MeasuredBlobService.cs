using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.Castore.Telemetry;

/// <summary>Tells listeners what a named blob service does; see <see cref="CastoreTelemetry"/>.</summary>
internal sealed class MeasuredBlobService(IBlobService inner, string name) : MeasuredService(inner, "blob", name), IBlobService
{
    public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "has", digest, (inner, digest), static (s, token) => s.inner.HasAsync(s.digest, token), static found => found, cancellationToken)
            : inner.HasAsync(digest, cancellationToken);

    public ValueTask HasManyAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled ? HasManyMeasuredAsync(digests, found, cancellationToken) : inner.HasManyAsync(digests, found, cancellationToken);

    public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesRead.Enabled
            ? OpenMeasuredReadAsync(digest, cancellationToken)
            : inner.OpenReadAsync(digest, cancellationToken);

    public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesWritten.Enabled
            ? OpenMeasuredWriteAsync(cancellationToken)
            : inner.OpenWriteAsync(cancellationToken);

    public ValueTask<IReadOnlyList<BlobChunk>?> GetChunksAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled
            ? Meter.MeasureAsync(
                "get_chunks",
                digest,
                (inner, digest),
                static (s, token) => s.inner.GetChunksAsync(s.digest, token),
                static chunks => chunks is not null,
                cancellationToken)
            : inner.GetChunksAsync(digest, cancellationToken);

    public IBlobService? AskedBeforeWriting => inner.AskedBeforeWriting;

    public ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesWritten.Enabled
            ? PutMeasuredAsync(content, cancellationToken)
            : inner.PutAsync(content, cancellationToken);

    public ValueTask PutManyAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesWritten.Enabled
            ? PutManyMeasuredAsync(contents, digests, cancellationToken)
            : inner.PutManyAsync(contents, digests, cancellationToken);

    public ValueTask<BlobContent?> ReadAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesRead.Enabled
            ? ReadMeasuredAsync(digest, maxBytes, cancellationToken)
            : inner.ReadAsync(digest, maxBytes, cancellationToken);

    public ValueTask ReadManyAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default) =>
        ServiceMeter.IsEnabled || Instruments.BytesRead.Enabled
            ? ReadManyMeasuredAsync(blobs, contents, cancellationToken)
            : inner.ReadManyAsync(blobs, contents, cancellationToken);

    private async ValueTask HasManyMeasuredAsync(IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken) =>
        await Meter.MeasureAsync(
            "has_many",
            null,
            (inner, digests, found),
            static async (s, token) =>
            {
                await s.inner.HasManyAsync(s.digests, s.found, token).ConfigureAwait(false);
                return true;
            },
            static done => done,
            cancellationToken).ConfigureAwait(false);

    private async ValueTask<Stream?> OpenMeasuredReadAsync(B3Digest digest, CancellationToken cancellationToken)
    {
        Stream? stream = await Meter.MeasureAsync(
            "open_read",
            digest,
            (inner, digest),
            static (s, token) => s.inner.OpenReadAsync(s.digest, token),
            static stream => stream is not null,
            cancellationToken).ConfigureAwait(false);
        return stream is not null && Instruments.BytesRead.Enabled ? new MeasuredBlobStream(stream, Meter) : stream;
    }

    private async ValueTask<BlobWriter> OpenMeasuredWriteAsync(CancellationToken cancellationToken)
    {
        BlobWriter writer = await Meter.MeasureAsync(
            "open_write", null, inner, static (inner, token) => inner.OpenWriteAsync(token), static _ => true, cancellationToken).ConfigureAwait(false);
        return new MeasuredBlobWriter(writer, Meter);
    }

    private async ValueTask<B3Digest> PutMeasuredAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        B3Digest digest = await Meter.MeasureAsync(
            "put", null, (inner, content), static (s, token) => s.inner.PutAsync(s.content, token), static _ => true, cancellationToken)
            .ConfigureAwait(false);
        Meter.CountWritten(content.Length);
        return digest;
    }

    private async ValueTask PutManyMeasuredAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken)
    {
        await Meter.MeasureAsync(
            "put_many",
            null,
            (inner, contents, digests),
            static async (s, token) =>
            {
                await s.inner.PutManyAsync(s.contents, s.digests, token).ConfigureAwait(false);
                return true;
            },
            static done => done,
            cancellationToken).ConfigureAwait(false);
        Meter.CountWritten(contents.Sum(static content => (long)content.Length));
    }

    private async ValueTask<BlobContent?> ReadMeasuredAsync(B3Digest digest, int maxBytes, CancellationToken cancellationToken)
    {
        BlobContent? content = await Meter.MeasureAsync(
            "read",
            digest,
            (inner, digest, maxBytes),
            static (s, token) => s.inner.ReadAsync(s.digest, s.maxBytes, token),
            static content => content is not null,
            cancellationToken).ConfigureAwait(false);
        if (content is not null)
        {
            Meter.CountRead(content.Memory.Length);
        }

        return content;
    }

    private async ValueTask ReadManyMeasuredAsync(
        IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken)
    {
        await Meter.MeasureAsync(
            "read_many",
            null,
            (inner, blobs, contents),
            static async (s, token) =>
            {
                await s.inner.ReadManyAsync(s.blobs, s.contents, token).ConfigureAwait(false);
                return true;
            },
            static done => done,
            cancellationToken).ConfigureAwait(false);
        long bytes = 0;
        foreach (BlobContent? content in contents.Span[..blobs.Count])
        {
            bytes += content?.Memory.Length ?? 0;
        }

        Meter.CountRead(bytes);
    }
}
