using System.Buffers.Binary;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;

namespace Tvix.Store;

/// <summary>What a path info needs that follows from the contents of a tree, and is dear to find out: remembered by the root of the tree.</summary>
/// <remarks>
/// <code>
/// key   = BLAKE3 of "nar" method (1 byte) root-kind (1) executable (1) root-digest candidates; candidates = { hash part of a store path (20), ascending }
/// value = nar-size (8, little-endian) nar-sha256 (32) [ flat-sha256 (32), if the method is flat ] { hash part of a reference (20) }
/// </code>
/// </remarks>
/// <param name="Nar">The size and hash of the NAR.</param>
/// <param name="Flat">The hash of a single file; <see langword="null"/> when it was not asked for.</param>
/// <param name="References">The candidates that were found.</param>
internal sealed record TreeFacts(NarDigest Nar, Sha256Digest? Flat, IReadOnlyList<StorePath> References)
{
    /// <summary>What is remembered of a tree; <see langword="null"/> when nothing is.</summary>
    public static TreeFacts? Find(StoreImportOptions options, Node root)
    {
        if (options.FileSystem.ChangeCache is not { } cache || KeyOf(options, root) is not { } key || cache.Find(key) is not { } value)
        {
            return null;
        }

        bool isFlat = options.Method == StoreImportMethod.Flat;
        int fixedSize = sizeof(ulong) + ((isFlat ? 2 : 1) * Sha256Digest.Size);
        if (value.Length < fixedSize || (value.Length - fixedSize) % StorePathDigest.Size != 0)
        {
            return null;
        }

        ILookup<StorePathDigest, StorePath> candidates = options.ReferenceCandidates.Distinct().ToLookup(candidate => candidate.Digest);
        List<StorePath> references = [];
        for (int at = fixedSize; at < value.Length; at += StorePathDigest.Size)
        {
            references.AddRange(candidates[new StorePathDigest(value.AsSpan(at, StorePathDigest.Size))]);
        }

        ReadOnlySpan<byte> hashes = value.AsSpan(sizeof(ulong));
        NarDigest nar = new(BinaryPrimitives.ReadUInt64LittleEndian(value), new Sha256Digest(hashes[..Sha256Digest.Size]));
        return new TreeFacts(nar, isFlat ? new Sha256Digest(hashes.Slice(Sha256Digest.Size, Sha256Digest.Size)) : null, references);
    }

    /// <summary>Remembers this, if there is something to remember it in.</summary>
    public void Remember(StoreImportOptions options, Node root)
    {
        if (options.FileSystem.ChangeCache is not { } cache || KeyOf(options, root) is not { } key)
        {
            return;
        }

        byte[] size = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(size, Nar.Size);
        List<byte> value = [.. size, .. Nar.Sha256.ToByteArray()];
        if (Flat is { } flat)
        {
            value.AddRange(flat.ToByteArray());
        }

        foreach (StorePath reference in References)
        {
            value.AddRange(reference.Digest.ToByteArray());
        }

        cache.Remember(key, value.ToArray());
        cache.Flush();
    }

    /// <summary>The key; <see langword="null"/> for a symbolic link, which there is nothing dear about.</summary>
    private static B3Digest? KeyOf(StoreImportOptions options, Node root)
    {
        (byte kind, bool executable, B3Digest? digest) = root switch
        {
            Node.Directory directory => ((byte)1, false, directory.Digest),
            Node.File file => ((byte)2, file.Executable, file.Digest),
            _ => ((byte)0, false, (B3Digest?)null),
        };
        if (digest is null)
        {
            return null;
        }

        Blake3Hasher hasher = new();
        hasher.AppendData("nar"u8);
        hasher.AppendData([(byte)options.Method, kind, executable ? (byte)1 : (byte)0]);
        hasher.AppendData(digest.Value.ToByteArray());
        foreach (StorePathDigest candidate in options.ReferenceCandidates.Select(candidate => candidate.Digest).Distinct().Order())
        {
            hasher.AppendData(candidate.ToByteArray());
        }

        return hasher.GetCurrentDigest();
    }
}
