using System.Diagnostics.CodeAnalysis;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>
/// What stands at one place of a NAR. The set of kinds is closed, so a <see langword="switch"/> over the nested classes is complete.
/// </summary>
public abstract class NarListingNode
{
    private NarListingNode()
    {
    }

    /// <summary>A regular file.</summary>
    /// <param name="size">Its length.</param>
    /// <param name="executable">Whether it is executable.</param>
    /// <param name="narOffset">Where its contents start.</param>
    public sealed class File(ulong size, bool executable, ulong? narOffset) : NarListingNode
    {
        /// <summary>The length of the contents in bytes.</summary>
        public ulong Size { get; } = size;

        /// <summary>Whether the file is executable.</summary>
        public bool Executable { get; } = executable;

        /// <summary>
        /// Where the contents start in the uncompressed NAR, in bytes; <see langword="null"/> when the listing does not say.
        /// </summary>
        public ulong? NarOffset { get; } = narOffset;
    }

    /// <summary>A symbolic link.</summary>
    /// <param name="target">Where it points.</param>
    public sealed class Symlink(SymlinkTarget target) : NarListingNode
    {
        /// <summary>Where the link points, uninterpreted.</summary>
        public SymlinkTarget Target { get; } = target;
    }

    /// <summary>A directory.</summary>
    public sealed class Directory : NarListingNode
    {
        private readonly KeyValuePair<PathComponent, NarListingNode>[] _entries;

        /// <summary>Takes over entries that are in order.</summary>
        internal Directory(KeyValuePair<PathComponent, NarListingNode>[] sortedEntries) => _entries = sortedEntries;

        /// <summary>The entries in ascending order of the names' bytes.</summary>
        public IReadOnlyList<KeyValuePair<PathComponent, NarListingNode>> Entries => _entries;

        /// <summary>Finds an entry by the bytes of its name.</summary>
        public bool TryGetEntry(ReadOnlySpan<byte> name, [NotNullWhen(true)] out NarListingNode? node)
        {
            int low = 0;
            int high = _entries.Length - 1;
            while (low <= high)
            {
                int middle = (int)(((uint)low + (uint)high) >> 1);
                int order = _entries[middle].Key.Bytes.SequenceCompareTo(name);
                if (order == 0)
                {
                    node = _entries[middle].Value;
                    return true;
                }

                (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
            }

            node = null;
            return false;
        }
    }
}
