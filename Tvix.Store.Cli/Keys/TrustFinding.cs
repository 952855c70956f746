using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Keys;

/// <summary>Why a store path is trusted, or why not.</summary>
/// <param name="Info">The store path.</param>
/// <param name="SignedBy">The name of the trusted key that signed it; <see langword="null"/> when none did.</param>
/// <param name="IsContentAddressed">Whether it was found to be named by its contents. That is only looked at when no trusted key signed it.</param>
/// <param name="Fault">What is wrong, as the end of a sentence that starts with the path; <see langword="null"/> when it is trusted.</param>
internal sealed record TrustFinding(PathInfo Info, string? SignedBy, bool IsContentAddressed, string? Fault);
