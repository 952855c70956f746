namespace Tvix.Castore.Blobs;

/// <summary>How much of the chunks ahead of their readers all streams of a service may hold or have under way. Who gets nothing reads on without.</summary>
/// <param name="maxChunks">The most chunks that one stream fetches at a time.</param>
/// <param name="maxBytes">The most bytes that all streams hold together, besides the chunk that each is reading.</param>
internal sealed class ChunkReadAhead(int maxChunks, long maxBytes)
{
    private long _taken;

    public int MaxChunks => maxChunks;

    public bool TryTake(ulong bytes)
    {
        if (bytes > (ulong)maxBytes)
        {
            return false;
        }

        if (Interlocked.Add(ref _taken, (long)bytes) <= maxBytes)
        {
            return true;
        }

        Release(bytes);
        return false;
    }

    public void Release(ulong bytes) => Interlocked.Add(ref _taken, -(long)bytes);
}
