using System.Buffers;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <summary>Keeps a small blob until it is complete, and sends a long one while it is written.</summary>
internal sealed class GrpcBlobWriter(GrpcBlobService service) : BlobWriter
{
    private readonly PooledBuffer _buffer = new(); // what was not sent yet
    private Blake3Hasher? _hasher; // since the upload began
    private GrpcUpload<PutBlobResponse>? _upload;
    private bool _broken;

    protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_upload is null && buffer.Length <= service.Options.WriteBuffer - _buffer.WrittenCount)
        {
            _buffer.Write(buffer.Span);
            return;
        }

        ThrowIfBroken();
        _broken = true;
        try
        {
            if (_upload is null)
            {
                _hasher = new Blake3Hasher();
                _hasher.AppendData(_buffer.WrittenMemory.Span);
                _upload = service.StartPut();
                await SendBufferedAsync(cancellationToken).ConfigureAwait(false);
            }

            _hasher!.AppendData(buffer.Span);
            await AddAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, GrpcBlobService.Writing(null));
        }

        _broken = false;
    }

    protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
    {
        ThrowIfBroken();
        B3Digest digest;
        if (_upload is null)
        {
            digest = Blake3Hasher.HashData(_buffer.WrittenMemory.Span);
            await service.PutAsync(digest, _buffer.WrittenMemory, cancellationToken).ConfigureAwait(false);
            return digest;
        }

        _broken = true;
        digest = _hasher!.GetCurrentDigest();
        try
        {
            await SendBufferedAsync(cancellationToken).ConfigureAwait(false);
            await GrpcBlobService.FinishPutAsync(_upload, digest, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, GrpcBlobService.Writing(digest));
        }

        return digest;
    }

    protected override async ValueTask DisposeCoreAsync()
    {
        if (_upload is not null)
        {
            await _upload.DisposeAsync().ConfigureAwait(false);
        }

        _buffer.Dispose();
    }

    /// <summary>Sends whole pieces, and keeps the rest.</summary>
    private async ValueTask AddAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        int size = service.Options.PieceBytes;
        while (_buffer.WrittenCount + bytes.Length >= size)
        {
            if (_buffer.WrittenCount == 0)
            {
                await _upload!.SendAsync(bytes[..size], cancellationToken).ConfigureAwait(false);
                bytes = bytes[size..];
            }
            else
            {
                int count = size - _buffer.WrittenCount;
                _buffer.Write(bytes.Span[..count]);
                bytes = bytes[count..];
                await SendBufferedAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        _buffer.Write(bytes.Span);
    }

    private async ValueTask SendBufferedAsync(CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> rest = _buffer.WrittenMemory;
        while (rest.Length > 0)
        {
            int count = Math.Min(rest.Length, service.Options.PieceBytes);
            await _upload!.SendAsync(rest[..count], cancellationToken).ConfigureAwait(false);
            rest = rest[count..];
        }

        _buffer.Clear();
    }

    private void ThrowIfBroken()
    {
        if (_broken)
        {
            throw new StorageException("The blob cannot be written any more: an earlier call failed, or was cancelled.");
        }
    }
}
