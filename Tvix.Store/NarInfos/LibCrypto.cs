using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Tvix.Store.NarInfos;

/// <summary>Ed25519 from OpenSSL, version 1.1.1 or later.</summary>
internal static partial class LibCrypto
{
    private const int Ed25519Id = 1087; // EVP_PKEY_ED25519

    /// <summary>Whether the library is on this machine.</summary>
    public static bool IsAvailable { get; } = NativeLibraries.IsAvailable(NativeLibraries.Crypto);

    public static void DerivePublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        using KeyHandle key = NewPrivateKey(Ed25519Id, IntPtr.Zero, seed, (nuint)seed.Length);
        nuint length = (nuint)publicKey.Length;
        Check(!key.IsInvalid && GetRawPublicKey(key, publicKey, ref length) == 1 && length == (nuint)publicKey.Length);
    }

    public static void Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> message, Span<byte> signature)
    {
        using KeyHandle key = NewPrivateKey(Ed25519Id, IntPtr.Zero, seed, (nuint)seed.Length);
        using ContextHandle context = NewContext();
        nuint length = (nuint)signature.Length;
        Check(
            !key.IsInvalid && !context.IsInvalid
            && DigestSignInit(context, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, key) == 1
            && DigestSign(context, signature, ref length, message, (nuint)message.Length) == 1
            && length == (nuint)signature.Length);
    }

    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        using KeyHandle key = NewPublicKey(Ed25519Id, IntPtr.Zero, publicKey, (nuint)publicKey.Length);
        using ContextHandle context = NewContext();
        Check(!key.IsInvalid && !context.IsInvalid && DigestVerifyInit(context, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, key) == 1);
        bool verified = DigestVerify(context, signature, (nuint)signature.Length, message, (nuint)message.Length) == 1;
        if (!verified)
        {
            ClearErrors(); // the queue is the thread's, and others look at it
        }

        return verified;
    }

    private static void Check(bool succeeded)
    {
        if (!succeeded)
        {
            ClearErrors();
            throw new CryptographicException("The system's libcrypto refused an Ed25519 operation.");
        }
    }

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    private static partial KeyHandle NewPrivateKey(int type, IntPtr engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_PKEY_new_raw_public_key")]
    private static partial KeyHandle NewPublicKey(int type, IntPtr engine, ReadOnlySpan<byte> key, nuint length);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    private static partial int GetRawPublicKey(KeyHandle key, Span<byte> publicKey, ref nuint length);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_PKEY_free")]
    private static partial void FreeKey(IntPtr key);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_MD_CTX_new")]
    private static partial ContextHandle NewContext();

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_MD_CTX_free")]
    private static partial void FreeContext(IntPtr context);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_DigestSignInit")]
    private static partial int DigestSignInit(ContextHandle context, IntPtr keyContext, IntPtr digest, IntPtr engine, KeyHandle key);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_DigestSign")]
    private static partial int DigestSign(
        ContextHandle context,
        Span<byte> signature,
        ref nuint length,
        ReadOnlySpan<byte> message,
        nuint messageLength);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_DigestVerifyInit")]
    private static partial int DigestVerifyInit(ContextHandle context, IntPtr keyContext, IntPtr digest, IntPtr engine, KeyHandle key);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "EVP_DigestVerify")]
    private static partial int DigestVerify(
        ContextHandle context, ReadOnlySpan<byte> signature, nuint length, ReadOnlySpan<byte> message, nuint messageLength);

    [LibraryImport(NativeLibraries.Crypto, EntryPoint = "ERR_clear_error")]
    private static partial void ClearErrors();

    private sealed class KeyHandle() : SafeHandle(IntPtr.Zero, ownsHandle: true)
    {
        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            FreeKey(handle);
            return true;
        }
    }

    private sealed class ContextHandle() : SafeHandle(IntPtr.Zero, ownsHandle: true)
    {
        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            FreeContext(handle);
            return true;
        }
    }
}
