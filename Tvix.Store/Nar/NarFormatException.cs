namespace Tvix.Store.Nar;

/// <summary>Bytes that should be a NAR are none. Spec: nix-formats §4.5.</summary>
public sealed class NarFormatException : TvixStoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">The rule that is broken.</param>
    /// <param name="offset">Where, in bytes from the start of the archive.</param>
    /// <param name="message">What is wrong, for people.</param>
    public NarFormatException(NarError error, long offset, string message)
        : base(message)
    {
        Error = error;
        Offset = offset;
    }

    /// <summary>The rule that is broken.</summary>
    public NarError Error { get; }

    /// <summary>
    /// Where in the archive, in bytes from its first: the first byte that is not as it must be, or the length of the input where it ends
    /// too early, or the start of the name, target or length at fault.
    /// </summary>
    public long Offset { get; }
}
