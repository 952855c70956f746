using Tvix.Store.NarInfos;

namespace Tvix.Store;

/// <summary>A text that should be a narinfo breaks a rule of the format.</summary>
public sealed class NarInfoFormatException : TvixStoreException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="error">The rule that is broken.</param>
    /// <param name="message">What is wrong, for people.</param>
    /// <param name="field">The key at fault, if it is about one.</param>
    /// <param name="index">For keys with several values, which one, from 0.</param>
    /// <param name="line">The line at fault, from 1, if it is about one.</param>
    public NarInfoFormatException(NarInfoError error, string message, string? field = null, int? index = null, int? line = null)
        : base(message)
    {
        Error = error;
        Field = field;
        Index = index;
        Line = line;
    }

    /// <summary>The rule that is broken.</summary>
    public NarInfoError Error { get; }

    /// <summary>The key at fault, such as <c>NarHash</c>; <see langword="null"/> when it is not about one.</summary>
    public string? Field { get; }

    /// <summary>For <c>References</c> and <c>Sig</c>, which one is at fault, from 0; otherwise <see langword="null"/>.</summary>
    public int? Index { get; }

    /// <summary>The number of the line at fault, from 1; <see langword="null"/> when it is not about one.</summary>
    public int? Line { get; }
}
