using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>A write-only stream that becomes a blob when completed, and nothing when merely disposed.</summary>
/// <remarks>
/// A writer is used by one caller at a time. After <see cref="CompleteAsync"/> a write throws <see cref="InvalidOperationException"/>;
/// after <see cref="Stream.Dispose()"/> everything throws <see cref="ObjectDisposedException"/>, except that disposing again does nothing
/// and that completing a blob that was completed before gives its digest again.
/// </remarks>
public abstract class BlobWriter : Stream
{
    private bool _disposed;
    private B3Digest? _digest;

    /// <summary>
    /// Stores the blob. When this returns, the blob can be read, and it is as durable as the backend promises.
    /// </summary>
    /// <returns>The digest of everything written. Completing again returns the same.</returns>
    /// <exception cref="ObjectDisposedException">The writer was disposed before it was completed.</exception>
    /// <exception cref="StorageException">The backend could not store it; nothing of the blob is visible.</exception>
    public async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_digest is { } digest)
        {
            return digest;
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        digest = await CompleteCoreAsync(cancellationToken).ConfigureAwait(false);
        _digest = digest;
        return digest;
    }

    /// <summary>Stores the blob; called at most once with success, and not after disposal.</summary>
    protected abstract ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken);

    /// <summary>Takes more bytes; called neither after completion nor after disposal.</summary>
    protected abstract ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Takes more bytes; see <see cref="WriteLentAsync"/>.</summary>
    private protected virtual async ValueTask<Task> WriteLentCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await WriteCoreAsync(buffer, cancellationToken).ConfigureAwait(false);
        return Task.CompletedTask;
    }

    /// <summary>Lets go of what the writer holds; called once. When the blob was not completed, nothing of it may stay visible.</summary>
    protected abstract ValueTask DisposeCoreAsync();

    /// <inheritdoc/>
    public sealed override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ThrowIfNotWritable();
        cancellationToken.ThrowIfCancellationRequested();
        return buffer.IsEmpty ? ValueTask.CompletedTask : WriteCoreAsync(buffer, cancellationToken);
    }

    /// <summary>Takes bytes as <see cref="WriteAsync(ReadOnlyMemory{byte}, CancellationToken)"/> does, but may still need them when it returns, so that more can be written meanwhile.</summary>
    /// <param name="buffer">The bytes, which must stay as they are until the task that is returned has ended.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>A task that ends when the bytes are not needed any more, with failure when they were not written. After an exception they are not needed.</returns>
    internal ValueTask<Task> WriteLentAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ThrowIfNotWritable();
        cancellationToken.ThrowIfCancellationRequested();
        return buffer.IsEmpty ? new(Task.CompletedTask) : WriteLentCoreAsync(buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public sealed override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>Not supported: blobs are written asynchronously.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public sealed override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Use WriteAsync.");

    /// <summary>Does nothing: a blob is stored by <see cref="CompleteAsync"/> only.</summary>
    public sealed override void Flush() => ThrowIfNotWritable();

    /// <summary>Does nothing: a blob is stored by <see cref="CompleteAsync"/> only.</summary>
    public sealed override Task FlushAsync(CancellationToken cancellationToken)
    {
        ThrowIfNotWritable();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public sealed override async ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            await DisposeCoreAsync().ConfigureAwait(false);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes without waiting for anything that the backend does asynchronously; prefer <see cref="DisposeAsync"/>.</summary>
    protected sealed override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            ValueTask pending = DisposeCoreAsync();
            if (!pending.IsCompletedSuccessfully)
            {
                _ = pending.AsTask();
            }
        }

        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    public sealed override bool CanRead => false;

    /// <inheritdoc/>
    public sealed override bool CanSeek => false;

    /// <inheritdoc/>
    public sealed override bool CanWrite => !_disposed && _digest is null;

    /// <summary>Not supported.</summary>
    public sealed override long Length => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public sealed override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Not supported.</summary>
    public sealed override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public sealed override void SetLength(long value) => throw new NotSupportedException();

    private void ThrowIfNotWritable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_digest is not null)
        {
            throw new InvalidOperationException("The blob is complete; nothing can be added to it.");
        }
    }
}
