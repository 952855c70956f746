using System.Security.Cryptography;
using System.Text;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Keys;

/// <summary>Finds out whether store paths are signed by a trusted key, or named by their contents, which needs no signature.</summary>
/// <param name="store">The store.</param>
/// <param name="trusted">The trusted keys.</param>
/// <param name="checkContents">Whether contents are read, and their NAR's size and hash compared with what is signed.</param>
internal sealed class TrustExaminer(TvixStore store, TrustedKeys trusted, bool checkContents)
{
    /// <summary>Examines one store path.</summary>
    public async Task<TrustFinding> ExamineAsync(PathInfo info, CancellationToken cancellationToken)
    {
        try
        {
            return await FindAsync(info, cancellationToken);
        }
        catch (CastoreException e) when (e is not StorageException { IsTransient: true })
        {
            return new TrustFinding(info, null, false, $"cannot be read: {e.Message.TrimEnd('.')}");
        }
    }

    private async Task<TrustFinding> FindAsync(PathInfo info, CancellationToken cancellationToken)
    {
        byte[] fingerprint = info.GetFingerprint(store.StoreDirectory);
        string? signedBy = info.Signatures.FirstOrDefault(signature => trusted.Accepts(fingerprint, [signature]))?.Name;
        bool isContentAddressed = signedBy is null && await IsContentAddressedAsync(info, cancellationToken);
        if (signedBy is null && !isContentAddressed)
        {
            return new TrustFinding(info, null, false, DescribeSignatures(info));
        }

        // Signatures and addresses are about the NAR hash that is recorded, not about the contents themselves.
        return checkContents && await HashNarAsync(info, cancellationToken) is { } found && found != (info.NarSize, info.NarHash.ToNixHash())
            ? new TrustFinding(info, null, false, $"has other contents: their NAR has {found.Size} bytes and the hash {found.Hash}")
            : new TrustFinding(info, signedBy, isContentAddressed, null);
    }

    private string DescribeSignatures(PathInfo info)
    {
        string address = info.ContentAddress is null ? "" : ", and its content address is not that of its contents";
        if (info.Signatures.FirstOrDefault(signature => trusted.Keys.Any(key => key.Name == signature.Name)) is { } wrong)
        {
            return $"has a signature that is not by the trusted key '{Show(wrong.Name)}' whose name it has{address}";
        }

        return info.Signatures is []
            ? $"has no signature{address}"
            : $"has no signature by a trusted key, only by {string.Join(", ", info.Signatures.Select(s => $"'{Show(s.Name)}'"))}{address}";
    }

    /// <summary>Whether both the name is made of the content address, and that is the address of the contents.</summary>
    private async Task<bool> IsContentAddressedAsync(PathInfo info, CancellationToken cancellationToken)
    {
        if (info.ContentAddress is not { } address)
        {
            return false;
        }

        bool self = info.References.Contains(info.StorePath);
        try
        {
            StorePath path = StorePathBuilder.FromContentAddress(
                info.StorePath.Name, address, info.References.Where(reference => reference != info.StorePath), self, store.StoreDirectory);
            if (path != info.StorePath)
            {
                return false;
            }
        }
        catch (ArgumentException)
        {
            return false; // a name, or references, that no path with such an address can have
        }

        // The common case needs no reading: what is signed for others is what the name is made of.
        return address.Kind == ContentAddressKind.Nar && address.Hash.Algorithm == NixHashAlgorithm.Sha256 && !self
            ? address.Hash == info.NarHash.ToNixHash()
            : await HashForAddressAsync(info, self, cancellationToken) == address.Hash;
    }

    private async Task<NixHash?> HashForAddressAsync(PathInfo info, bool self, CancellationToken cancellationToken)
    {
        ContentAddress address = info.ContentAddress!;
        if (address.Kind == ContentAddressKind.Nar)
        {
            if (!self)
            {
                return (await HashNarAsync(info, cancellationToken, address.Hash.Algorithm)).Hash;
            }

            using SelfReferenceHasher modulo = new(info.StorePath.Digest);
            await using AppendingStream destination = new(modulo.Append);
            await store.WriteNarAsync(info.Node, destination, cancellationToken);
            return modulo.GetDigestAndReset().ToNixHash();
        }

        if (info.Node is not Node.File file || (file.Executable && address.Kind == ContentAddressKind.Text))
        {
            return null;
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(NameOf(address.Hash.Algorithm));
        await using Stream contents = (await store.OpenFileAsync(file, cancellationToken: cancellationToken))!;
        await using AppendingStream sink = new(hash.AppendData);
        await contents.CopyToAsync(sink, cancellationToken);
        return new NixHash(address.Hash.Algorithm, hash.GetHashAndReset());
    }

    private async Task<(ulong Size, NixHash Hash)> HashNarAsync(
        PathInfo info, CancellationToken cancellationToken, NixHashAlgorithm algorithm = NixHashAlgorithm.Sha256)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(NameOf(algorithm));
        await using AppendingStream destination = new(hash.AppendData);
        ulong size = await store.WriteNarAsync(info.Node, destination, cancellationToken);
        return (size, new NixHash(algorithm, hash.GetHashAndReset()));
    }

    private static HashAlgorithmName NameOf(NixHashAlgorithm algorithm) => algorithm switch
    {
        NixHashAlgorithm.Md5 => HashAlgorithmName.MD5,
        NixHashAlgorithm.Sha1 => HashAlgorithmName.SHA1,
        NixHashAlgorithm.Sha512 => HashAlgorithmName.SHA512,
        _ => HashAlgorithmName.SHA256,
    };

    private static string Show(string name) => VisibleText.Of(Encoding.UTF8.GetBytes(name));
}
