using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>A NAR is well-formed as far as it was read, but not the one that was expected.</summary>
public sealed class NarHashMismatchException : TvixStoreException
{
    internal NarHashMismatchException(NarMismatch kind, string message, NixHash? expected = null, NixHash? actual = null)
        : base(message)
    {
        Kind = kind;
        Expected = expected;
        Actual = actual;
    }

    /// <summary>What is different.</summary>
    public NarMismatch Kind { get; }

    /// <summary>The hash that was expected; <see langword="null"/> unless hashes were compared.</summary>
    public NixHash? Expected { get; }

    /// <summary>The hash found; <see langword="null"/> unless hashes were compared.</summary>
    public NixHash? Actual { get; }
}
