using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

/// <summary>A named Ed25519 key pair that signs fingerprints.</summary>
/// <remarks>
/// The text form is <c>name:base64</c> of 64 bytes: the seed and the public key. It is a secret, so <see cref="ToString"/> does not show
/// it.
/// Immutable and safe for concurrent use. Needs the system's libcrypto.
/// </remarks>
public sealed class SigningKey
{
    private const int SecretSize = Ed25519.SeedSize + Ed25519.PublicKeySize;

    private readonly byte[] _seed;

    private SigningKey(string name, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> publicKey)
    {
        _seed = seed.ToArray();
        PublicKey = new PublicKey(name, publicKey);
    }

    /// <summary>The key's name.</summary>
    public string Name => PublicKey.Name;

    /// <summary>The key with which others verify.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>Makes a new key.</summary>
    /// <param name="name">The key's name: not empty, without colon, white space and control characters.</param>
    /// <exception cref="ArgumentException">The name is not valid.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public static SigningKey Generate(string name)
    {
        NamedBase64.CheckName(name, nameof(name));
        Span<byte> seed = stackalloc byte[Ed25519.SeedSize];
        Span<byte> publicKey = stackalloc byte[Ed25519.PublicKeySize];
        RandomNumberGenerator.Fill(seed);
        try
        {
            Ed25519.DerivePublicKey(seed, publicKey);
            return new SigningKey(name, seed, publicKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>Parses the secret text form, as in a key file. White space around it does not matter.</summary>
    /// <exception cref="FormatException"><paramref name="text"/> is something else; the message says why, without the text.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public static SigningKey Parse(ReadOnlySpan<char> text) =>
        TryParse(Utf8Text.Encode(text.Trim()), out SigningKey? key, out NarKeyError error, out int foundLength)
            ? key
            : throw new FormatException(NamedBase64.Describe(error, "signing key", SecretSize, foundLength));

    /// <summary>
    /// Parses the secret text form from UTF-8, without white space around it; <see langword="false"/> when it is something else.
    /// </summary>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public static bool TryParse(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out SigningKey? key, out NarKeyError error) =>
        TryParse(utf8, out key, out error, out _);

    /// <summary>Reads a key file: the secret text form, with or without white space around it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="FormatException">The file does not hold a signing key; the message names the file.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public static async Task<SigningKey> ReadFileAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string text = await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false);
        try
        {
            return Parse(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"'{path}' is no key file. {e.Message}", e);
        }
    }

    /// <summary>Signs a fingerprint. The same fingerprint always gives the same signature.</summary>
    /// <exception cref="PlatformNotSupportedException">There is no libcrypto on this machine.</exception>
    public NarSignature Sign(ReadOnlySpan<byte> fingerprint)
    {
        Span<byte> signature = stackalloc byte[NarSignature.Size];
        Ed25519.Sign(_seed, fingerprint, signature);
        return new NarSignature(Name, signature);
    }

    /// <summary>The secret text form, to be written to a key file that nobody else can read.</summary>
    public string ToSecretString()
    {
        Span<byte> secret = stackalloc byte[SecretSize];
        _seed.CopyTo(secret);
        PublicKey.Bytes.CopyTo(secret[Ed25519.SeedSize..]);
        return $"{Name}:{Convert.ToBase64String(secret)}";
    }

    /// <summary>The key's name; not its secret.</summary>
    public override string ToString() => $"signing key '{Name}'";

    private static bool TryParse(
        ReadOnlySpan<byte> utf8,
        [NotNullWhen(true)] out SigningKey? key,
        out NarKeyError error,
        out int foundLength)
    {
        key = null;
        Span<byte> secret = stackalloc byte[SecretSize];
        error = NamedBase64.TryParse(utf8, secret, out string name, out foundLength);
        if (error != NarKeyError.None)
        {
            return false;
        }

        // Signing under another public key than the seed's would give the seed away, so such a pair is refused.
        Span<byte> publicKey = stackalloc byte[Ed25519.PublicKeySize];
        Ed25519.DerivePublicKey(secret[..Ed25519.SeedSize], publicKey);
        if (!publicKey.SequenceEqual(secret[Ed25519.SeedSize..]))
        {
            error = NarKeyError.InvalidKey;
            return false;
        }

        key = new SigningKey(name, secret[..Ed25519.SeedSize], publicKey);
        return true;
    }
}
