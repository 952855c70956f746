using System.Diagnostics.CodeAnalysis;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>An Ed25519 signature over a fingerprint, with the name of the key that made it.</summary>
/// <remarks>The text form is <c>name:base64</c>. Immutable; equal when name and bytes are.</remarks>
public sealed class NarSignature : IEquatable<NarSignature>
{
    /// <summary>The length of a signature in bytes.</summary>
    public const int Size = Ed25519.SignatureSize;

    private readonly byte[] _bytes;

    /// <summary>Makes a signature from its parts.</summary>
    /// <param name="name">The key's name: not empty, without colon, white space and control characters.</param>
    /// <param name="bytes">Exactly <see cref="Size"/> bytes; they are copied.</param>
    /// <exception cref="ArgumentException">The name is not valid, or there is another number of bytes.</exception>
    public NarSignature(string name, ReadOnlySpan<byte> bytes)
    {
        NamedBase64.CheckName(name, nameof(name));
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"A signature has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        Name = name;
        _bytes = bytes.ToArray();
    }

    private NarSignature(string name, byte[] bytes)
    {
        Name = name;
        _bytes = bytes;
    }

    /// <summary>The name of the key.</summary>
    public string Name { get; }

    /// <summary>The signature.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>
    /// Whether <see cref="Name"/> can stand in a narinfo. It always can, unless the signature came in a <c>PathInfo</c> message, where no
    /// rule holds for names.
    /// </summary>
    public bool HasValidName => NamedBase64.IsValidName(Name);

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says why.</exception>
    public static NarSignature Parse(ReadOnlySpan<char> text)
    {
        byte[] utf8 = Utf8Text.Encode(text);
        return TryParse(utf8, out NarSignature? signature, out NarKeyError error, out int foundLength)
            ? signature
            : throw new FormatException(NamedBase64.Describe(error, "signature", Size, foundLength));
    }

    /// <summary>Parses the text form from UTF-8; <see langword="false"/> when it is something else.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out NarSignature? signature, out NarKeyError error) =>
        TryParse(utf8, out signature, out error, out _);

    internal static bool TryParse(
        ReadOnlySpan<byte> utf8,
        [NotNullWhen(true)] out NarSignature? signature,
        out NarKeyError error,
        out int foundLength)
    {
        byte[] bytes = new byte[Size];
        error = NamedBase64.TryParse(utf8, bytes, out string name, out foundLength);
        signature = error == NarKeyError.None ? new NarSignature(name, bytes) : null;
        return signature is not null;
    }

    /// <summary>Takes a signature from a message, with whatever name it has there. The bytes have the right length.</summary>
    internal static NarSignature FromMessage(string name, ReadOnlySpan<byte> bytes) => new(name, bytes.ToArray());

    /// <summary>Whether name and bytes are the same.</summary>
    public bool Equals(NarSignature? other) => other is not null && Name == other.Name && Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as NarSignature);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, BitConverter.ToInt64(_bytes));

    /// <summary>The text form, <c>name:base64</c>.</summary>
    public override string ToString() => $"{Name}:{Convert.ToBase64String(_bytes)}";

    /// <summary>Whether two signatures are the same.</summary>
    public static bool operator ==(NarSignature? left, NarSignature? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether two signatures differ.</summary>
    public static bool operator !=(NarSignature? left, NarSignature? right) => !(left == right);
}
