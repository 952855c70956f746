using System.Security.Cryptography;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.Nar;

/// <summary>Computes what a content address is about, and compares. Spec: nix-formats §4.10.</summary>
internal sealed class ContentAddressCheck : IDisposable
{
    private readonly ContentAddress _address;
    private readonly SelfReferenceHasher? _modulo;
    private readonly IncrementalHash? _hash;

    private ContentAddressCheck(ContentAddress address, SelfReferenceHasher? modulo)
    {
        _address = address;
        _modulo = modulo;
        _hash = modulo is null ? IncrementalHash.CreateHash(GetName(address.Hash.Algorithm)) : null;
    }

    /// <summary>Whether the address is of the NAR, rather than of the contents of a root that is a file.</summary>
    public bool IsOfNar => _address.Kind == ContentAddressKind.Nar;

    /// <summary>Makes a check; <see langword="null"/> when there is nothing to check.</summary>
    public static ContentAddressCheck? Create(ContentAddress? address, StorePathDigest? selfReference)
    {
        bool modulo = address is { Kind: ContentAddressKind.Nar, Hash.Algorithm: NixHashAlgorithm.Sha256 };
        return address is null ? null
            : new ContentAddressCheck(address, modulo && selfReference is { } self ? new SelfReferenceHasher(self) : null);
    }

    /// <summary>Takes the next bytes of what is hashed.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        _modulo?.Append(bytes);
        _hash?.AppendData(bytes);
    }

    /// <summary>Compares, after everything was appended.</summary>
    /// <exception cref="NarHashMismatchException">The root is of another kind than the address is for, or the hash is another.</exception>
    public void Check(Node root)
    {
        if (!IsOfNar && root is not Node.File)
        {
            throw new NarHashMismatchException(
                NarMismatch.RootType, $"The content address {_address} is for a regular file, and the NAR has none.");
        }

        if (_address.Kind == ContentAddressKind.Text && root is Node.File { Executable: true })
        {
            throw new NarHashMismatchException(
                NarMismatch.RootType, $"The content address {_address} is for a text, and the NAR has an executable.");
        }

        NixHash actual = _modulo?.GetDigestAndReset().ToNixHash() ?? new NixHash(_address.Hash.Algorithm, _hash!.GetHashAndReset());
        if (actual != _address.Hash)
        {
            throw new NarHashMismatchException(
                NarMismatch.ContentAddress,
                $"The content address should be {_address}, but the hash found is {actual}.",
                _address.Hash,
                actual);
        }
    }

    public void Dispose()
    {
        _modulo?.Dispose();
        _hash?.Dispose();
    }

    private static HashAlgorithmName GetName(NixHashAlgorithm algorithm) => algorithm switch
    {
        NixHashAlgorithm.Md5 => HashAlgorithmName.MD5,
        NixHashAlgorithm.Sha1 => HashAlgorithmName.SHA1,
        NixHashAlgorithm.Sha512 => HashAlgorithmName.SHA512,
        _ => HashAlgorithmName.SHA256,
    };
}
