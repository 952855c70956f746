using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Threading.Channels;
using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>
/// A sink that counts what is written and computes its SHA-256, on another thread than the one that writes, so that making a NAR and
/// hashing it overlap.
/// </summary>
/// <remarks>
/// Something short is hashed at the end, without another thread. Memory is bounded as long as the writer awaits flushes. For one writer at
/// a time.
/// </remarks>
public sealed class NarHasher : PipeWriter, IAsyncDisposable
{
    private const int BlockLength = 256 * 1024;

    // Full enough to be handed over at a flush. What is left is room for what a writer puts in between two flushes.
    private const int SealLength = BlockLength - (64 * 1024);
    private const int BlocksInFlight = 2;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Action<ReadOnlySpan<byte>>? _other;
    private readonly List<Block> _sealed = [];
    private byte[]? _block;
    private int _used;
    private ulong _size;
    private Channel<Block>? _channel;
    private Task? _worker;
    private NarDigest? _result;
    private bool _disposed;

    /// <summary>Makes a sink to which nothing was written.</summary>
    public NarHasher()
    {
    }

    /// <summary>Makes a sink that gives everything to another hash as well, on the thread that hashes.</summary>
    internal NarHasher(Action<ReadOnlySpan<byte>>? other) => _other = other;

    private readonly record struct Block(byte[] Bytes, int Length);

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <summary>The number of bytes that were written and not handed over to be hashed yet.</summary>
    public override long UnflushedBytes => _used + _sealed.Sum(static block => (long)block.Length);

    /// <summary>The number of bytes written so far.</summary>
    public ulong Size => _size;

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        ThrowIfOver();
        sizeHint = Math.Max(sizeHint, 1);
        if (_block is not null && _block.Length - _used < sizeHint)
        {
            Seal();
        }

        _block ??= ArrayPool<byte>.Shared.Rent(Math.Max(sizeHint, BlockLength));
        return _block.AsMemory(_used);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (bytes > (_block?.Length ?? 0) - _used)
        {
            throw new InvalidOperationException("More bytes than there was memory for.");
        }

        _used += bytes;
        _size += (ulong)bytes;
    }

    /// <summary>Hands over what is worth it; waits while too much is in flight.</summary>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfOver();
        return _used < SealLength && _sealed.Count == 0 ? default : SendAsync(cancellationToken);
    }

    /// <summary>The size and SHA-256 of everything written; nothing can be written afterwards. Asking again gives the same.</summary>
    public async ValueTask<NarDigest> FinishAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_result is { } result)
        {
            return result;
        }

        if (_channel is not null)
        {
            await SendAsync(cancellationToken).ConfigureAwait(false);
            _channel.Writer.Complete();
            await _worker!.ConfigureAwait(false);
        }
        else
        {
            Seal();
            foreach (Block block in _sealed)
            {
                Append(block);
            }

            _sealed.Clear();
        }

        result = new NarDigest(_size, new Sha256Digest(_hash.GetHashAndReset()));
        _result = result;
        return result;
    }

    /// <summary>Does nothing: what counts is <see cref="FinishAsync"/>.</summary>
    public override void Complete(Exception? exception = null)
    {
    }

    /// <summary>Does nothing: there is no reader that a flush could wait for.</summary>
    public override void CancelPendingFlush()
    {
    }

    /// <summary>Gives back memory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Seal();
        foreach (Block block in _sealed)
        {
            ArrayPool<byte>.Shared.Return(block.Bytes);
        }

        _sealed.Clear();
        if (_channel is not null)
        {
            _channel.Writer.TryComplete();
            await _worker!.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        _hash.Dispose();
    }

    private async ValueTask<FlushResult> SendAsync(CancellationToken cancellationToken)
    {
        Seal();
        if (_channel is null)
        {
            _channel = Channel.CreateBounded<Block>(new BoundedChannelOptions(BlocksInFlight) { SingleReader = true, SingleWriter = true });
            _worker = Task.Run(HashBlocksAsync, CancellationToken.None);
        }

        while (_sealed.Count > 0)
        {
            await _channel.Writer.WriteAsync(_sealed[0], cancellationToken).ConfigureAwait(false);
            _sealed.RemoveAt(0);
        }

        return default;
    }

    private async Task HashBlocksAsync()
    {
        await foreach (Block block in _channel!.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            Append(block);
        }
    }

    private void Append(Block block)
    {
        ReadOnlySpan<byte> bytes = block.Bytes.AsSpan(0, block.Length);
        _hash.AppendData(bytes);
        _other?.Invoke(bytes);
        ArrayPool<byte>.Shared.Return(block.Bytes);
    }

    private void Seal()
    {
        if (_block is { } block)
        {
            _sealed.Add(new Block(block, _used));
            _block = null;
            _used = 0;
        }
    }

    private void ThrowIfOver()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_result is not null)
        {
            throw new InvalidOperationException("The digest was taken; nothing can be added.");
        }
    }
}
