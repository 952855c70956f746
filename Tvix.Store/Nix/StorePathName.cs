using System.Buffers;

namespace Tvix.Store.Nix;

/// <summary>The rules for the name of a store path, the part after the dash.</summary>
/// <remarks>
/// 1 to 211 bytes out of <c>A-Z a-z 0-9 + - . _ ? =</c>. Versions of Nix have disagreed on names that begin with a dot; what is read here
/// is what was legal at any time, while <see cref="IsSafeToCreate"/> tells what all but a few old releases take.
/// </remarks>
public static class StorePathName
{
    /// <summary>The greatest length of a name, in bytes.</summary>
    public const int MaxLength = 211;

    private static readonly SearchValues<byte> Allowed =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-._?="u8);

    /// <summary>Says what, if anything, keeps <paramref name="name"/> from being a name.</summary>
    /// <param name="name">The bytes.</param>
    /// <param name="position">
    /// For <see cref="StorePathError.InvalidName"/>, the index of the first byte that is not allowed; otherwise 0.
    /// </param>
    /// <returns>
    /// <see cref="StorePathError.None"/>, <see cref="StorePathError.InvalidLength"/> or <see cref="StorePathError.InvalidName"/>.
    /// </returns>
    public static StorePathError Validate(ReadOnlySpan<byte> name, out int position)
    {
        position = 0;
        if (name.Length is 0 or > MaxLength)
        {
            return StorePathError.InvalidLength;
        }

        int bad = name.IndexOfAnyExcept(Allowed);
        if (bad < 0)
        {
            return StorePathError.None;
        }

        position = bad;
        return StorePathError.InvalidName;
    }

    /// <summary>Whether <paramref name="name"/> is a name.</summary>
    public static bool IsValid(ReadOnlySpan<char> name) => Validate(Utf8Text.Encode(name), out _) == StorePathError.None;

    /// <summary>
    /// Whether a new path may have this name. Recent Nix refuses <c>.</c>, <c>..</c> and names whose part before the first dash is one of
    /// these.
    /// </summary>
    /// <param name="name">A valid name.</param>
    public static bool IsSafeToCreate(ReadOnlySpan<char> name)
    {
        int dash = name.IndexOf('-');
        ReadOnlySpan<char> first = dash < 0 ? name : name[..dash];
        return IsValid(name) && first is not ("." or "..");
    }
}
