namespace Tvix.Castore;

/// <summary>How far a verification has come.</summary>
/// <param name="Objects">The number of objects checked.</param>
/// <param name="Bytes">The number of stored bytes read.</param>
/// <param name="TotalObjects">The number of objects there are.</param>
public readonly record struct VerifyProgress(long Objects, long Bytes, long TotalObjects);
