using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>Writes a blob to two services at once. It is completed in the first, and only then in the second.</summary>
internal sealed class TwofoldBlobWriter(BlobWriter first, BlobWriter second) : BlobWriter
{
    private bool _failed;

    protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        ThrowIfFailed();
        _failed = true; // until both have it: then one could not be told from the other any more
        Task writing = first.WriteAsync(buffer, cancellationToken).AsTask();
        try
        {
            await second.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await writing.ConfigureAwait(false);
        }

        _failed = false;
    }

    protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
    {
        ThrowIfFailed();
        B3Digest digest = await first.CompleteAsync(cancellationToken).ConfigureAwait(false);
        ThrowIfDifferent(digest, await second.CompleteAsync(cancellationToken).ConfigureAwait(false));
        return digest;
    }

    protected override async ValueTask DisposeCoreAsync()
    {
        try
        {
            await first.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await second.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Holds a service to the digest that a blob has.</summary>
    internal static void ThrowIfDifferent(B3Digest digest, B3Digest answer)
    {
        if (answer != digest)
        {
            throw new StorageException($"The near blob service was given the blob {digest} but answered {answer}.");
        }
    }

    private void ThrowIfFailed()
    {
        if (_failed)
        {
            throw new StorageException("An earlier write of the blob failed; it can only be discarded.");
        }
    }
}
