namespace Tvix.Store.Nix;

/// <summary>Why some text is not nixbase32. The checks are made in the order of the values; the first that hits decides.</summary>
public enum NixBase32Error
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>No byte string, or none of the wanted length, is encoded in so many symbols.</summary>
    Length,

    /// <summary>A symbol is not in the alphabet.</summary>
    Symbol,

    /// <summary>The spare high bits of the first symbol are not zero, so this is not the one spelling of any bytes.</summary>
    Trailing,
}
