using System.Numerics;

namespace Tvix.Store.NarInfos;

/// <summary>Ed25519 (RFC 8032, without context and pre-hash), with the strict rules for what verifies.</summary>
/// <remarks>
/// The arithmetic is the system's libcrypto. That compares scalars with the group's order and recomputes R, so what is left to check here
/// is that the public key is the one spelling of a point on the curve and that neither it nor R has a small order.
/// </remarks>
internal static class Ed25519
{
    public const int SeedSize = 32;
    public const int PublicKeySize = 32;
    public const int SignatureSize = 64;

    // The field is that of the integers modulo 2^255 - 19; the curve is -x² + y² = 1 + d x² y².
    private static readonly BigInteger Prime = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger D = Mod(-121665 * Invert(121666));

    /// <summary>The y coordinate, in bytes, of the points whose order divides 8; the sign bit of x does not matter.</summary>
    private static readonly byte[][] SmallOrderY =
    [
        Convert.FromHexString("0000000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("0100000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        Convert.FromHexString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        Convert.FromHexString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ];

    public static void DerivePublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        ThrowIfMissing(LibCrypto.IsAvailable);
        LibCrypto.DerivePublicKey(seed, publicKey);
    }

    public static void Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ThrowIfMissing(LibCrypto.IsAvailable);
        LibCrypto.Sign(seed, message, signature);
    }

    /// <summary>Verifies strictly. The key must have passed <see cref="IsValidPublicKey"/>.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        ThrowIfMissing(LibCrypto.IsAvailable);
        return !HasSmallOrder(publicKey) && !HasSmallOrder(signature[..PublicKeySize]) && LibCrypto.Verify(publicKey, message, signature);
    }

    /// <summary>Whether these 32 bytes are the canonical encoding of a point on the curve.</summary>
    public static bool IsValidPublicKey(ReadOnlySpan<byte> publicKey)
    {
        Span<byte> bytes = stackalloc byte[PublicKeySize];
        publicKey.CopyTo(bytes);
        bool negative = (bytes[31] & 0x80) != 0;
        bytes[31] &= 0x7f;
        BigInteger y = new(bytes, isUnsigned: true);
        if (y >= Prime)
        {
            return false;
        }

        // x² = (y² - 1) / (d y² + 1), whose denominator is never zero. A quotient is a square if the product of its parts is, as they differ
        // by the denominator's square; and a number is a square if it is zero or its Legendre symbol is one.
        BigInteger ySquared = y * y;
        BigInteger product = Mod((ySquared - 1) * ((D * ySquared) + 1));
        return product.IsZero ? !negative : BigInteger.ModPow(product, (Prime - 1) / 2, Prime).IsOne;
    }

    /// <summary>Whether these 32 bytes are the encoding of a point of order 1, 2, 4 or 8.</summary>
    public static bool HasSmallOrder(ReadOnlySpan<byte> point)
    {
        Span<byte> y = stackalloc byte[PublicKeySize];
        point.CopyTo(y);
        y[31] &= 0x7f;
        foreach (byte[] small in SmallOrderY)
        {
            if (y.SequenceEqual(small))
            {
                return true;
            }
        }

        return false;
    }

    internal static void ThrowIfMissing(bool available)
    {
        if (!available)
        {
            throw new PlatformNotSupportedException(
                "Signing and verifying need Ed25519 from OpenSSL's libcrypto, version 1.1.1 or later (libcrypto.so.3). It is not on this machine.");
        }
    }

    private static BigInteger Mod(BigInteger value)
    {
        BigInteger rest = value % Prime;
        return rest.Sign < 0 ? rest + Prime : rest;
    }

    private static BigInteger Invert(BigInteger value) => BigInteger.ModPow(value, Prime - 2, Prime);
}
