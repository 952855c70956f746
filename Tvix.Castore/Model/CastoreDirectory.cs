using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Tvix.Castore.Blake3;

namespace Tvix.Castore.Model;

/// <summary>An immutable, valid directory: names and what they stand for, in ascending order of the names' bytes.</summary>
/// <remarks>
/// An instance is valid by construction: names are unique, in order, and the size does not overflow. Its identity is <see cref="Digest"/>,
/// the BLAKE3 digest of its canonical encoding (<see cref="Encode"/>), and equality is that of the digest.
/// </remarks>
public sealed class CastoreDirectory : IReadOnlyList<DirectoryEntry>, IEquatable<CastoreDirectory>
{
    private readonly DirectoryEntry[] _entries;
    private readonly ulong _childSizes;
    private byte[]? _encoded;
    private B3Digest _digest;
    private bool _hasDigest;

    private CastoreDirectory(DirectoryEntry[] sortedEntries, ulong childSizes)
    {
        _entries = sortedEntries;
        _childSizes = childSizes;
    }

    /// <summary>The directory without entries. It encodes to zero bytes, so its digest is that of the empty blob.</summary>
    public static CastoreDirectory Empty { get; } = new([], 0);

    /// <summary>The entries in ascending order of the names' bytes, all kinds together.</summary>
    public ImmutableArray<DirectoryEntry> Entries => ImmutableCollectionsMarshal.AsImmutableArray(_entries);

    /// <summary>The number of entries.</summary>
    public int Count => _entries.Length;

    /// <summary>The entry at a position in name order.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such position.</exception>
    public DirectoryEntry this[int index] => _entries[index];

    /// <summary>The size by <see cref="DirectorySizeRule.EntriesTwice"/>, which is what a <see cref="Node.Directory"/> records.</summary>
    public ulong Size => GetSize(DirectorySizeRule.EntriesTwice);

    /// <summary>BLAKE3 of the canonical encoding.</summary>
    public B3Digest Digest
    {
        get
        {
            // A race computes the same value twice.
            if (!Volatile.Read(ref _hasDigest))
            {
                _digest = Blake3Hasher.HashData(EncodedSpan);
                Volatile.Write(ref _hasDigest, true);
            }

            return _digest;
        }
    }

    internal ReadOnlySpan<byte> EncodedSpan => _encoded ??= DirectoryCodec.Encode(_entries);

    /// <summary>The canonical protobuf encoding, whose BLAKE3 digest is <see cref="Digest"/>; no bytes for the empty directory.</summary>
    public ReadOnlyMemory<byte> Encode() => _encoded ??= DirectoryCodec.Encode(_entries);

    /// <summary>Makes a directory from entries in any order.</summary>
    /// <exception cref="ArgumentException">An entry has no name or no node.</exception>
    /// <exception cref="InvalidDirectoryException">
    /// A name occurs twice (<see cref="DirectoryError.DuplicateName"/>), or the size overflows (<see cref="DirectoryError.SizeOverflow"/>).
    /// </exception>
    public static CastoreDirectory FromEntries(IEnumerable<DirectoryEntry> entries)
    {
        ArgumentNullException.ThrowIfNull(entries);
        return FromOwnedEntries(entries.ToArray());
    }

    /// <summary>Makes a directory from an array in any order that the caller gives away.</summary>
    internal static CastoreDirectory FromOwnedEntries(DirectoryEntry[] entries)
    {
        if (entries.Length == 0)
        {
            return Empty;
        }

        // The running total counts each entry once, as the format has it; the size that is recorded counts it twice.
        ulong childSizes = 0;
        ulong total = 0;
        bool sorted = true;
        for (int i = 0; i < entries.Length; i++)
        {
            ref DirectoryEntry entry = ref entries[i];
            if (entry.Name.IsDefault || entry.Node is null)
            {
                throw new ArgumentException("Every entry needs a name and a node.", nameof(entries));
            }

            ulong child = entry.Node is Node.Directory directory ? directory.Size : 0;
            if (!TryAdd(ref total, 1) || !TryAdd(ref total, child))
            {
                throw SizeOverflow(entry.Name);
            }

            childSizes += child;
            if (i > 0 && entries[i - 1].Name.CompareTo(entry.Name) >= 0)
            {
                sorted = false;
            }
        }

        if (!sorted)
        {
            Array.Sort(entries, static (a, b) => a.Name.CompareTo(b.Name));
            for (int i = 1; i < entries.Length; i++)
            {
                if (entries[i - 1].Name == entries[i].Name)
                {
                    throw new InvalidDirectoryException(
                        DirectoryError.DuplicateName,
                        $"The name '{entries[i].Name}' occurs twice in one directory.",
                        entries[i].Name.Memory);
                }
            }
        }

        if (2 * (ulong)entries.Length > ulong.MaxValue - childSizes)
        {
            throw SizeOverflow(entries[^1].Name);
        }

        return new CastoreDirectory(entries, childSizes);
    }

    /// <summary>Decodes a directory from protobuf and validates it.</summary>
    /// <remarks>
    /// Unknown fields and an unusual order of fields are accepted and not kept, as the wire format allows; then <see cref="Encode"/> gives
    /// other bytes, and <see cref="Digest"/> is not the digest of <paramref name="message"/>.
    /// </remarks>
    /// <exception cref="InvalidDirectoryException">The bytes are no directory, or break a rule; the error kinds tell which.</exception>
    public static CastoreDirectory Decode(ReadOnlySpan<byte> message) => FromOwnedEntries(DirectoryCodec.Decode(message));

    /// <summary>Decodes a directory that must be canonical and have the given digest.</summary>
    /// <exception cref="DigestMismatchException"><paramref name="message"/> has another digest.</exception>
    /// <exception cref="InvalidDirectoryException">The bytes are no valid directory, or not in canonical form.</exception>
    internal static CastoreDirectory DecodeVerified(B3Digest digest, ReadOnlySpan<byte> message, string where)
    {
        B3Digest actual = Blake3Hasher.HashData(message);
        return actual == digest ? DecodeHashed(digest, message, where) : throw new DigestMismatchException(digest, actual, where);
    }

    /// <summary>As <see cref="DecodeVerified"/>, for a message whose digest was checked when it was read.</summary>
    internal static CastoreDirectory DecodeHashed(B3Digest digest, ReadOnlySpan<byte> message, string where)
    {
        CastoreDirectory directory = Decode(message);
        directory._digest = digest;
        directory._hasDigest = true;
        if (!directory.EncodedSpan.SequenceEqual(message))
        {
            throw new InvalidDirectoryException(DirectoryError.Malformed, $"The directory {digest} is not in canonical form ({where}).");
        }

        return directory;
    }

    /// <summary>This directory with one more entry.</summary>
    /// <exception cref="InvalidDirectoryException">The size overflows, or the name is there already; the overflow is reported
    /// first.</exception>
    public CastoreDirectory Add(PathComponent name, Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        ulong total = Size;
        if (!TryAdd(ref total, 1) || !TryAdd(ref total, node is Node.Directory directory ? directory.Size : 0))
        {
            throw SizeOverflow(name);
        }

        return FromOwnedEntries([.. _entries, new DirectoryEntry(name, node)]);
    }

    /// <summary>Finds an entry by its name.</summary>
    public bool TryGetNode(PathComponent name, [NotNullWhen(true)] out Node? node) => TryGetNode(name.Bytes, out node);

    /// <summary>Finds an entry by the bytes of its name.</summary>
    public bool TryGetNode(ReadOnlySpan<byte> name, [NotNullWhen(true)] out Node? node)
    {
        int low = 0;
        int high = _entries.Length - 1;
        while (low <= high)
        {
            int middle = (int)(((uint)low + (uint)high) >> 1);
            int order = _entries[middle].Name.Bytes.SequenceCompareTo(name);
            if (order == 0)
            {
                node = _entries[middle].Node;
                return true;
            }

            if (order < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        node = null;
        return false;
    }

    /// <summary>The size of this directory by the given rule, from the sizes recorded for its child directories.</summary>
    public ulong GetSize(DirectorySizeRule rule) => rule switch
    {
        DirectorySizeRule.EntriesTwice => (2 * (ulong)_entries.Length) + _childSizes,
        DirectorySizeRule.EntriesOnce => (ulong)_entries.Length + _childSizes,
        _ => throw new ArgumentOutOfRangeException(nameof(rule), rule, null),
    };

    /// <summary>The node that stands for this directory in its parent.</summary>
    public Node.Directory ToNode(DirectorySizeRule rule = DirectorySizeRule.EntriesTwice) => new(Digest, GetSize(rule));

    /// <summary>Whether <paramref name="recorded"/> is right for this directory.</summary>
    internal bool IsSizeAccepted(ulong recorded, DirectorySizeCheck check) => check switch
    {
        DirectorySizeCheck.Either =>
            recorded == GetSize(DirectorySizeRule.EntriesTwice) || recorded == GetSize(DirectorySizeRule.EntriesOnce),
        DirectorySizeCheck.EntriesTwice => recorded == GetSize(DirectorySizeRule.EntriesTwice),
        DirectorySizeCheck.EntriesOnce => recorded == GetSize(DirectorySizeRule.EntriesOnce),
        _ => throw new ArgumentOutOfRangeException(nameof(check), check, null),
    };

    /// <summary>Enumerates the entries in name order.</summary>
    public IEnumerator<DirectoryEntry> GetEnumerator() => ((IEnumerable<DirectoryEntry>)_entries).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _entries.GetEnumerator();

    /// <summary>Whether the other directory has the same digest.</summary>
    public bool Equals(CastoreDirectory? other) => other is not null && (ReferenceEquals(this, other) || Digest == other.Digest);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CastoreDirectory);

    /// <inheritdoc/>
    public override int GetHashCode() => Digest.GetHashCode();

    /// <summary>The digest and the number of entries, for people.</summary>
    public override string ToString() => $"{Digest} ({Count} entries)";

    private static bool TryAdd(ref ulong total, ulong amount)
    {
        if (amount > ulong.MaxValue - total)
        {
            return false;
        }

        total += amount;
        return true;
    }

    private static InvalidDirectoryException SizeOverflow(PathComponent name) =>
        new(DirectoryError.SizeOverflow, $"With '{name}' the size of the directory exceeds 64 bits.", name.Memory);
}
