namespace Tvix.Store.Cli.Push;

/// <summary>What a push did.</summary>
/// <param name="Pushed">How many store paths were stored.</param>
/// <param name="AlreadyThere">How many the target had.</param>
/// <param name="Signed">How many of those got signatures that they lacked.</param>
/// <param name="BytesRead">The number of bytes of files that were read from disk.</param>
internal sealed record PushResult(int Pushed, int AlreadyThere, int Signed, long BytesRead);
