using System.Security.Cryptography;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>Reads another stream, counts what is read and hashes it if wanted, and ends with <see cref="StreamTooLongException"/> when there is too much. Leaves it open.</summary>
internal sealed class MeasuredStream(Stream inner, long limit, bool hash) : ForwardReadStream
{
    private readonly IncrementalHash? _hash = hash ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    private byte[] _peeked = [];
    private int _given;

    /// <summary>How much was read, in bytes.</summary>
    public long Count { get; private set; }

    /// <summary>The first bytes, which are read again later. To be called once, before anything is read.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> PeekAsync(int length, CancellationToken cancellationToken)
    {
        byte[] start = new byte[length];
        int count = await inner.ReadAtLeastAsync(start, length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return _peeked = start[..count];
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count;
        if (_given < _peeked.Length)
        {
            count = Math.Min(buffer.Length, _peeked.Length - _given);
            _peeked.AsSpan(_given, count).CopyTo(buffer.Span);
            _given += count;
        }
        else
        {
            count = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }

        Count += count;
        if (Count > limit)
        {
            throw new StreamTooLongException(limit);
        }

        _hash?.AppendData(buffer.Span[..count]);
        return count;
    }

    /// <summary>The SHA-256 of what was read.</summary>
    public Sha256Digest GetHash() => new(_hash!.GetCurrentHash());

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _hash?.Dispose();
        }

        base.Dispose(disposing);
    }
}
