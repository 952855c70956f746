using System.Security.Cryptography;
using System.Text;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Testing.PathInfos;

/// <summary>Path infos to test with. Those with a fixed form are known to other implementations of the protocol.</summary>
public static class SamplePathInfos
{
    private static readonly StorePath Dummy = new(default, "dummy");

    /// <summary>A symlink to <c>/nix/store/somewhereelse</c>, with nothing but what must be there. Its message has 109 bytes.</summary>
    public static PathInfo Minimal { get; } = new()
    {
        StorePath = Dummy,
        Node = new Node.Symlink(new SymlinkTarget("/nix/store/somewhereelse")),
        NarSize = 136,
        NarHash = Sha256Digest.ParseHex("097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1"),
    };

    /// <summary>
    /// A directory whose digests are all zero, with a reference to itself and a content address. Its message has 212 bytes.
    /// </summary>
    public static PathInfo Zeros { get; } = new()
    {
        StorePath = Dummy,
        Node = new Node.Directory(default, 0),
        NarSize = 0,
        NarHash = default,
        References = [Dummy],
        ContentAddress = ContentAddress.Nar(default(Sha256Digest)),
    };

    /// <summary>An executable file, with every field set and references out of order.</summary>
    public static PathInfo Full { get; } = new()
    {
        StorePath = StorePath.ParseBaseName("xi429w4ddvb1r77978hm7jfb2jsn559r-gcc-3.4.6"),
        Node = new Node.File(B3Digest.Empty, 0, Executable: true),
        NarSize = ulong.MaxValue,
        NarHash = Sha256Digest.Compute("full"u8),
        References =
        [
            StorePath.ParseBaseName("a8922c0h87iilxzzvwn2hmv8x210aqb9-glibc-2.7"),
            StorePath.ParseBaseName("7w2acjgalb0cm7b3bg8yswza4l7iil9y-binutils-2.18"),
            StorePath.ParseBaseName("xi429w4ddvb1r77978hm7jfb2jsn559r-gcc-3.4.6"),
        ],
        Signatures = [new NarSignature("first-1", SHA512.HashData("first"u8)), new NarSignature("second_2", SHA512.HashData("second"u8))],
        Deriver = StorePath.ParseBaseName("2dzpn70c1hawczwhg9aavqk18zp9zsva-gcc-3.4.6"),
        ContentAddress = ContentAddress.Flat(NixHash.Compute(NixHashAlgorithm.Sha512, "full"u8)),
    };

    /// <summary>All of the above.</summary>
    public static IReadOnlyList<PathInfo> All { get; } = [Minimal, Zeros, Full];

    /// <summary>One of many path infos that differ in their digest. The same number always gives the same one.</summary>
    public static PathInfo Numbered(int number)
    {
        byte[] seed = SHA256.HashData(Encoding.ASCII.GetBytes($"path info {number}"));
        return new PathInfo
        {
            StorePath = new StorePath(new StorePathDigest(seed.AsSpan(0, StorePathDigest.Size)), $"sample-{number}"),
            Node = new Node.File(new B3Digest(seed), (ulong)number, Executable: false),
            NarSize = 112 + (8 * (ulong)number),
            NarHash = Sha256Digest.Compute(seed),
        };
    }
}
