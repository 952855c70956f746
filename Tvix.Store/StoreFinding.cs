using Tvix.Castore;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>Something that a verification found wrong.</summary>
/// <param name="Message">What is wrong, for people.</param>
/// <param name="Damage">The damaged object; <see langword="null"/> when this tells of a store path that suffers from damage.</param>
/// <param name="StorePath">The store path that can no longer be read as a whole; <see langword="null"/> when this tells of a damaged object.</param>
public sealed record StoreFinding(string Message, StoreDamage? Damage, StorePath? StorePath);
