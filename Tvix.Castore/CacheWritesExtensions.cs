using System.Runtime.CompilerServices;

namespace Tvix.Castore;

internal static class CacheWritesExtensions
{
    /// <summary>Guards an argument.</summary>
    public static void ThrowIfUndefined(this CacheWrites writes, [CallerArgumentExpression(nameof(writes))] string? name = null)
    {
        if (!Enum.IsDefined(writes))
        {
            throw new ArgumentOutOfRangeException(name, writes, "There is no such choice.");
        }
    }
}
