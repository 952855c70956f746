namespace Tvix.Store;

/// <summary>A stream is longer than it may be.</summary>
internal sealed class StreamTooLongException(long limit) : IOException($"There are more than {limit} bytes.");
