using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Tvix.Castore.Compression;

/// <summary>
/// Keeps native contexts for reuse, as many as there are processors: making one costs more than compressing a small chunk.
/// </summary>
internal sealed class ZstdContextPool<T>(Func<T> create)
    where T : SafeHandle
{
    private readonly ConcurrentQueue<T> _idle = new();
    private int _count;

    public T Rent()
    {
        LibZstd.ThrowIfAbsent();
        if (_idle.TryDequeue(out T? context))
        {
            Interlocked.Decrement(ref _count);
            return context;
        }

        return create();
    }

    /// <summary>Gives a context back.</summary>
    /// <param name="context">The context, which the caller must not use any more.</param>
    /// <param name="keep">Whether it may be kept; not worth it for one that has grown large.</param>
    public void Return(T context, bool keep = true)
    {
        if (!keep)
        {
            context.Dispose();
        }
        else if (Interlocked.Increment(ref _count) <= Environment.ProcessorCount)
        {
            _idle.Enqueue(context);
        }
        else
        {
            Interlocked.Decrement(ref _count);
            context.Dispose();
        }
    }
}
