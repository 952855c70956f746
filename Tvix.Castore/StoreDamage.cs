using Tvix.Castore.Model;

namespace Tvix.Castore;

/// <summary>One thing that is wrong with a store.</summary>
/// <param name="Kind">What is damaged.</param>
/// <param name="Digest">Its digest, or the name of a named value; <see langword="null"/> when it is a file of the store.</param>
/// <param name="Message">What is wrong and where, for people.</param>
public sealed record StoreDamage(StoreDamageKind Kind, B3Digest? Digest, string Message);
