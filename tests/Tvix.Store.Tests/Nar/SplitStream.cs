namespace Tvix.Store.Tests.Nar;

/// <summary>Gives out bytes in pieces of random length, sometimes only after a turn of the thread pool.</summary>
internal sealed class SplitStream(byte[] bytes, int seed, int maxPiece) : MemoryStream(bytes, writable: false)
{
    private readonly Random _random = new(seed);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_random.Next(3) == 0)
        {
            await Task.Yield();
        }

        return Read(buffer.Span[..Math.Min(buffer.Length, _random.Next(1, maxPiece + 1))]);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
}
