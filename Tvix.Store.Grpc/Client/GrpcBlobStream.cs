using System.Buffers;
using Tvix.Castore;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <summary>A long blob of which only the whole has a digest, as the server sends it.</summary>
/// <remarks>
/// Every call starts at the beginning, and what is skipped is hashed like the rest; so each read that reaches the end throws when the
/// digest is wrong, also after seeks. To go back is to start again.
/// </remarks>
internal sealed class GrpcBlobStream(IGrpcInvoker invoker, StoreMethods methods, B3Digest digest, long length, StepLimit limit) : Stream
{
    private IGrpcCall<ReadBlobRequest, ReadOnlySequence<byte>>? _call;
    private Blake3Hasher _hasher = new();
    private ReadOnlySequence<byte> _piece; // what is left of the message
    private long _callPosition; // where that begins
    private long _position;
    private bool _disposed;

    public override bool CanRead => !_disposed;

    public override bool CanSeek => !_disposed;

    public override bool CanWrite => false;

    public override long Length
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return length;
        }
    }

    public override long Position
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _position;
        }

        set
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override long Seek(long offset, SeekOrigin origin)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long start = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => length,
            _ => throw new ArgumentException("There is no such origin.", nameof(origin)),
        };
        // The start is not negative, so a sum out of range wraps around to a negative number.
        long target = unchecked(start + offset);
        return target >= 0 ? _position = target : throw new IOException("Cannot seek to before the start of the blob.");
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        if (buffer.IsEmpty || _position >= length)
        {
            return 0;
        }

        bool ok = false;
        try
        {
            await SkipToPositionAsync(cancellationToken).ConfigureAwait(false);
            int count = (int)Math.Min(Math.Min(buffer.Length, _piece.Length), length - _position);
            _piece.Slice(0, count).CopyTo(buffer.Span);
            _piece = _piece.Slice(count);
            _callPosition += count;
            if (_callPosition == length)
            {
                await CheckEndAsync(cancellationToken).ConfigureAwait(false);
            }

            _position += count;
            ok = true;
            return count;
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, GrpcBlobService.Reading(digest));
        }
        finally
        {
            if (!ok)
            {
                await EndCallAsync().ConfigureAwait(false); // the next read starts again
            }
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        throw new NotSupportedException("Use ReadAsync.");
    }

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            await EndCallAsync().ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            if (_call is not null)
            {
                _ = EndCallAsync().AsTask(); // which cancels the call at once
            }
        }

        base.Dispose(disposing);
    }

    /// <summary>Makes what is left of the message begin at the position, which is before the end.</summary>
    private async ValueTask SkipToPositionAsync(CancellationToken cancellationToken)
    {
        if (_call is null || _callPosition > _position)
        {
            await EndCallAsync().ConfigureAwait(false);
            _call = invoker.Start(methods.ReadBlob);
            await limit.RunAsync(
                async token =>
                {
                    await _call.WriteAsync(new ReadBlobRequest { Digest = GrpcBlobService.DigestBytes(digest) }, token).ConfigureAwait(false);
                    await _call.CompleteAsync(token).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
        }

        while (_position - _callPosition >= _piece.Length)
        {
            _callPosition += _piece.Length;
            _piece = default;
            if (!await NextAsync(cancellationToken).ConfigureAwait(false))
            {
                throw new StorageException($"{GrpcBlobService.Reading(digest)}: the server sent {_callPosition} bytes instead of {length}.");
            }
        }

        _piece = _piece.Slice(_position - _callPosition);
        _callPosition = _position;
    }

    /// <summary>Checks that nothing follows the last bytes, and what all of them hash to.</summary>
    private async ValueTask CheckEndAsync(CancellationToken cancellationToken)
    {
        bool more = !_piece.IsEmpty;
        while (!more && await NextAsync(cancellationToken).ConfigureAwait(false))
        {
            more = !_piece.IsEmpty;
        }

        if (more)
        {
            throw new StorageException($"{GrpcBlobService.Reading(digest)}: the server sent more than the {length} bytes that it has.");
        }

        B3Digest actual = _hasher.GetCurrentDigest();
        if (actual != digest)
        {
            throw new DigestMismatchException(digest, actual, "as the server sent it");
        }
    }

    private async ValueTask<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (!await limit.RunAsync(token => _call!.MoveNextAsync(token), cancellationToken).ConfigureAwait(false))
        {
            return false;
        }

        _piece = _call!.Current;
        foreach (ReadOnlyMemory<byte> segment in _piece)
        {
            _hasher.AppendData(segment.Span);
        }

        return true;
    }

    private async ValueTask EndCallAsync()
    {
        if (_call is { } call)
        {
            _call = null;
            _hasher = new Blake3Hasher();
            _piece = default;
            _callPosition = 0;
            await call.DisposeAsync().ConfigureAwait(false);
        }
    }
}
