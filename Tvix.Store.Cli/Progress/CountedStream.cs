namespace Tvix.Store.Cli.Progress;

/// <summary>Passes what is written on, and tells how much it was.</summary>
/// <param name="inner">Where it goes; not disposed.</param>
/// <param name="progress">Who is told.</param>
/// <param name="total">How much will be written; <see langword="null"/> when that is not known.</param>
internal sealed class CountedStream(Stream inner, IWorkProgress progress, ulong? total) : Stream
{
    private long _written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>The stream itself, or nothing around it when nobody looks.</summary>
    public static Stream Around(Stream inner, IWorkProgress progress, ulong? total) =>
        progress.IsShown ? new CountedStream(inner, progress, total) : inner;

    public override void Write(byte[] buffer, int offset, int count)
    {
        inner.Write(buffer, offset, count);
        Count(count);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await inner.WriteAsync(buffer, cancellationToken);
        Count(buffer.Length);
    }

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void Count(int bytes)
    {
        _written += bytes;
        progress.Report(_written, total, _written, null);
    }
}
