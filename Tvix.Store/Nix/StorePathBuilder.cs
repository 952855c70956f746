using System.Security.Cryptography;
using System.Text;

namespace Tvix.Store.Nix;

/// <summary>Computes the store paths that Nix gives to contents and to the outputs of derivations.</summary>
/// <remarks>
/// <code>
/// fingerprint = type ":sha256:" hex(inner) ":" store directory ":" name
/// digest      = SHA-256(fingerprint), folded to 20 bytes by exclusive or
///
/// kind                               type                      inner
/// text                               text { ":" reference }    SHA-256 of the contents
/// nar with sha256                    source { ":" reference } [ ":self" ]   SHA-256 of the NAR (modulo the path's own hash)
/// other nar, every flat              output:out                SHA-256 of "fixed:out:" [ "r:" ] algo ":" hex(digest) ":"
/// output of a derivation             output: output name       the derivation's hash
/// </code>
/// All methods refuse names that <see cref="StorePathName.IsSafeToCreate"/> does not hold for.
/// </remarks>
public static class StorePathBuilder
{
    private const string DefaultOutput = "out";

    /// <summary>The path of a text, as <c>builtins.toFile</c> and derivation files have it.</summary>
    /// <param name="name">The name of the path.</param>
    /// <param name="contents">The text.</param>
    /// <param name="references">The paths that the text refers to, in any order.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <exception cref="ArgumentException"><paramref name="name"/> may not be the name of a new path.</exception>
    public static StorePath FromText(
        string name, ReadOnlySpan<byte> contents, IEnumerable<StorePath>? references = null, StoreDirectory storeDirectory = default) =>
        FromContentAddress(name, ContentAddress.Text(Sha256Digest.Compute(contents)), references, selfReference: false, storeDirectory);

    /// <summary>The path of contents by their address.</summary>
    /// <param name="name">The name of the path.</param>
    /// <param name="contentAddress">
    /// The address. For contents that refer to the path itself, that of <see cref="SelfReferenceHasher"/>.
    /// </param>
    /// <param name="references">The other paths that the contents refer to, in any order; without the path itself.</param>
    /// <param name="selfReference">Whether the contents refer to the path itself.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <exception cref="ArgumentException">
    /// <paramref name="name"/> may not be the name of a new path; or there are references with an address that is neither a text nor a NAR
    /// by SHA-256; or a self-reference with one that is no NAR by SHA-256.
    /// </exception>
    public static StorePath FromContentAddress(
        string name,
        ContentAddress contentAddress,
        IEnumerable<StorePath>? references = null,
        bool selfReference = false,
        StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(contentAddress);
        string[] sorted = [.. (references ?? []).Distinct().Order().Select(reference => reference.ToAbsolutePath(storeDirectory))];
        NixHash hash = contentAddress.Hash;
        bool isSource = contentAddress.Kind == ContentAddressKind.Nar && hash.Algorithm == NixHashAlgorithm.Sha256;
        if (selfReference && !isSource)
        {
            throw new ArgumentException(
                "Only contents addressed by the SHA-256 of their NAR may refer to themselves.",
                nameof(selfReference));
        }

        if (sorted.Length > 0 && !isSource && contentAddress.Kind != ContentAddressKind.Text)
        {
            throw new ArgumentException(
                "Only texts and contents addressed by the SHA-256 of their NAR may have references.",
                nameof(references));
        }

        if (contentAddress.Kind == ContentAddressKind.Text || isSource)
        {
            StringBuilder type = new(isSource ? "source" : "text");
            foreach (string reference in sorted)
            {
                type.Append(':').Append(reference);
            }

            return FromFingerprint(type.Append(selfReference ? ":self" : "").ToString(), hash.Digest, name, storeDirectory);
        }

        string recursive = contentAddress.Kind == ContentAddressKind.Nar ? "r:" : "";
        Span<byte> inner = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.ASCII.GetBytes($"fixed:out:{recursive}{hash.ToHexString()}:"), inner);
        return FromFingerprint("output:out", inner, name, storeDirectory);
    }

    /// <summary>The path of a derivation's output that is addressed by its inputs.</summary>
    /// <param name="derivationName">The derivation's name, without <c>.drv</c>.</param>
    /// <param name="derivationHash">The hash of the derivation, with the paths of its outputs left out.</param>
    /// <param name="output">The output's name; for any but <c>out</c> it is part of the path's name.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <exception cref="ArgumentException">A name is not valid.</exception>
    public static StorePath FromDerivation(
        string derivationName, Sha256Digest derivationHash, string output = DefaultOutput, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(derivationName);
        CheckOutput(output);
        Span<byte> inner = stackalloc byte[Sha256Digest.Size];
        derivationHash.CopyTo(inner);
        string name = output == DefaultOutput ? derivationName : $"{derivationName}-{output}";
        return FromFingerprint($"output:{output}", inner, name, storeDirectory);
    }

    /// <summary>What stands in a derivation for the path of its own output, which is not known yet.</summary>
    /// <param name="output">The output's name.</param>
    /// <returns>A slash and 52 symbols of nixbase32.</returns>
    /// <exception cref="ArgumentException"><paramref name="output"/> is not valid as an output's name.</exception>
    public static string GetPlaceholder(string output)
    {
        CheckOutput(output);
        return "/" + Sha256Digest.Compute(Encoding.ASCII.GetBytes($"nix-output:{output}")).ToNixBase32String();
    }

    private static void CheckOutput(string output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (!StorePathName.IsValid(output))
        {
            throw new ArgumentException($"'{output}' cannot be the name of an output.", nameof(output));
        }
    }

    private static StorePath FromFingerprint(string type, ReadOnlySpan<byte> inner, string name, StoreDirectory storeDirectory)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!StorePathName.IsValid(name) || !StorePathName.IsSafeToCreate(name))
        {
            byte[] utf8 = Utf8Text.Encode(name);
            StorePathError error = StorePathName.Validate(utf8, out int position);
            throw new ArgumentException(
                error == StorePathError.None
                    ? $"'{name}' is a name that Nix refuses for new paths."
                    : StorePath.DescribeName(utf8, error, position),
                nameof(name));
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{type}:sha256:{Convert.ToHexStringLower(inner)}:{storeDirectory}:{name}"), hash);
        Span<byte> folded = stackalloc byte[StorePathDigest.Size];
        folded.Clear();
        for (int i = 0; i < hash.Length; i++)
        {
            folded[i % StorePathDigest.Size] ^= hash[i];
        }

        return new StorePath(new StorePathDigest(folded), name);
    }
}
