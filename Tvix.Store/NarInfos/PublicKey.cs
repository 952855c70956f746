using System.Diagnostics.CodeAnalysis;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>A named Ed25519 public key, like <c>cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=</c>.</summary>
/// <remarks>Immutable; equal when name and bytes are. Verifying needs the system's libcrypto, all else does not.</remarks>
public sealed class PublicKey : IEquatable<PublicKey>
{
    /// <summary>The length of a public key in bytes.</summary>
    public const int Size = Ed25519.PublicKeySize;

    private readonly byte[] _bytes;

    /// <summary>Makes a public key from its parts.</summary>
    /// <param name="name">The key's name: not empty, without colon, white space and control characters.</param>
    /// <param name="bytes">Exactly <see cref="Size"/> bytes, the canonical encoding of a point on the curve; they are copied.</param>
    /// <exception cref="ArgumentException">The name is not valid, or the bytes are not.</exception>
    public PublicKey(string name, ReadOnlySpan<byte> bytes)
    {
        NamedBase64.CheckName(name, nameof(name));
        if (bytes.Length != Size || !Ed25519.IsValidPublicKey(bytes))
        {
            throw new ArgumentException("These bytes are not a public key of Ed25519.", nameof(bytes));
        }

        Name = name;
        _bytes = bytes.ToArray();
    }

    private PublicKey(string name, byte[] bytes)
    {
        Name = name;
        _bytes = bytes;
    }

    /// <summary>The key's name.</summary>
    public string Name { get; }

    /// <summary>The key.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Parses the text form. White space around it, as in a key file, does not matter.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says why.</exception>
    public static PublicKey Parse(ReadOnlySpan<char> text) =>
        TryParse(Utf8Text.Encode(text.Trim()), out PublicKey? key, out NarKeyError error, out int foundLength)
            ? key
            : throw new FormatException(NamedBase64.Describe(error, "public key", Size, foundLength));

    /// <summary>
    /// Parses the text form from UTF-8, without white space around it; <see langword="false"/> when it is something else.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out PublicKey? key, out NarKeyError error) =>
        TryParse(utf8, out key, out error, out _);

    /// <summary>
    /// Verifies strictly: no scalar that is too large, no point of small order. The key and the signature must have the same name.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public bool Verify(ReadOnlySpan<byte> fingerprint, NarSignature signature)
    {
        ArgumentNullException.ThrowIfNull(signature);
        return Name == signature.Name && Ed25519.Verify(_bytes, fingerprint, signature.Bytes);
    }

    /// <summary>Verifies strictly, whatever the signature's name is.</summary>
    /// <param name="fingerprint">What was signed.</param>
    /// <param name="signature">The raw signature.</param>
    /// <returns><see langword="false"/> also when the signature has not <see cref="NarSignature.Size"/> bytes.</returns>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public bool Verify(ReadOnlySpan<byte> fingerprint, ReadOnlySpan<byte> signature) =>
        signature.Length == NarSignature.Size && Ed25519.Verify(_bytes, fingerprint, signature);

    /// <summary>Whether name and bytes are the same.</summary>
    public bool Equals(PublicKey? other) => other is not null && Name == other.Name && Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, BitConverter.ToInt64(_bytes));

    /// <summary>The text form, <c>name:base64</c>.</summary>
    public override string ToString() => $"{Name}:{Convert.ToBase64String(_bytes)}";

    /// <summary>Whether two keys are the same.</summary>
    public static bool operator ==(PublicKey? left, PublicKey? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether two keys differ.</summary>
    public static bool operator !=(PublicKey? left, PublicKey? right) => !(left == right);

    private static bool TryParse(
        ReadOnlySpan<byte> utf8,
        [NotNullWhen(true)] out PublicKey? key,
        out NarKeyError error,
        out int foundLength)
    {
        byte[] bytes = new byte[Size];
        error = NamedBase64.TryParse(utf8, bytes, out string name, out foundLength);
        if (error == NarKeyError.None && !Ed25519.IsValidPublicKey(bytes))
        {
            error = NarKeyError.InvalidKey;
        }

        key = error == NarKeyError.None ? new PublicKey(name, bytes) : null;
        return key is not null;
    }
}
