namespace Tvix.Store.Http;

/// <summary>What is uploaded is longer than it may be.</summary>
internal sealed class UploadTooLongException(long limit) : IOException($"There are more than {limit} bytes.");
