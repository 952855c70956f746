using System.Buffers.Text;
using System.Globalization;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Http;

/// <summary>Finds the trees that NARs are made of, and makes sure that the NARs can be.</summary>
/// <remarks>
/// That all directories are there is checked, and that a file is which is the root. That all files of a folder are is not: there may be many, and asking for each of them
/// may take as long as sending them.
/// </remarks>
internal sealed class NarCatalog(TvixStore store, KnownPaths paths, int capacity)
{
    /// <summary>How long a node in a URL may be, in bytes; the target of a symlink is the only part that has no fixed length.</summary>
    private const int MaxNodeLength = 4096;

    private readonly LruCache<Sha256Digest, NarTree> _byHash = new(capacity);
    private readonly LruCache<Node, long> _sizes = new(capacity);

    /// <summary>Remembers what NAR a store path has.</summary>
    public void Remember(PathInfo info) => Remember(info.NarHash, info.Node, info.NarSize);

    /// <summary>Remembers what NAR a tree has.</summary>
    public void Remember(Sha256Digest narHash, Node root, ulong narSize)
    {
        if (narSize <= long.MaxValue)
        {
            _byHash.Set(narHash, new NarTree(root, (long)narSize));
        }
    }

    /// <summary>Finds the tree whose root is in a URL.</summary>
    /// <param name="text">The root, as <see cref="NarInfos.BinaryCacheFileName.FormatCastoreNar"/> writes it.</param>
    /// <param name="narSize">The length of the NAR as the URL has it; <see langword="null"/> when it does not.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public async ValueTask<NarLookup> FindAsync(string text, string? narSize, CancellationToken cancellationToken)
    {
        if (!ulong.TryParse(narSize, NumberStyles.None, CultureInfo.InvariantCulture, out ulong size))
        {
            return NarLookup.Bad("The length of the NAR, narsize, is missing or is no number.");
        }

        if (text.Length > Base64Url.GetEncodedLength(MaxNodeLength))
        {
            return NarLookup.Bad($"The node is longer than {MaxNodeLength} bytes.");
        }

        if (DecodeNode(text, out bool isNamed) is not { } root)
        {
            return isNamed ? NarLookup.Bad("The node has a name, where none may be.") : NarLookup.Missing("There is no node in the URL.");
        }

        return await CheckAsync(root, size, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finds a tree by the SHA-256 of its NAR.</summary>
    /// <param name="narHash">The SHA-256.</param>
    /// <param name="path">The hash part of a store path that has it; <see langword="null"/> when none is known.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public async ValueTask<NarLookup> FindAsync(Sha256Digest narHash, StorePathDigest? path, CancellationToken cancellationToken)
    {
        if (_byHash.TryGet(narHash, out NarTree? tree))
        {
            return await CheckAsync(tree.Root, (ulong)tree.NarSize, cancellationToken).ConfigureAwait(false);
        }

        if (path is { } digest
            && await paths.FindAsync(digest, cancellationToken).ConfigureAwait(false) is { } info
            && info.NarHash == narHash)
        {
            Remember(info);
            return await CheckAsync(info.Node, info.NarSize, cancellationToken).ConfigureAwait(false);
        }

        return NarLookup.Missing("No NAR with this hash is known. Ask for the narinfo first.");
    }

    /// <summary>Makes sure that the NAR of a tree can be made, and has the length that is expected.</summary>
    public async ValueTask<NarLookup> CheckAsync(Node root, ulong expected, CancellationToken cancellationToken)
    {
        switch (root)
        {
            case Node.File file:
                Stream? contents = await store.Blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false);
                if (contents is null)
                {
                    return NarLookup.Missing("The file is not in the store.");
                }

                await using (contents.ConfigureAwait(false))
                {
                    if ((ulong)contents.Length != file.Size)
                    {
                        return NarLookup.Bad($"The file has {contents.Length} bytes, and not {file.Size}.");
                    }
                }

                break;
            case Node.Directory directory when !_sizes.TryGet(root, out _)
                && await store.Directories.GetAsync(directory.Digest, cancellationToken).ConfigureAwait(false) is null:
                return NarLookup.Missing("The folder is not in the store.");
        }

        if (!_sizes.TryGet(root, out long size))
        {
            try
            {
                size = checked((long)await new NarSizeCalculator(store.Directories).CalculateAsync(root, cancellationToken).ConfigureAwait(false));
            }
            catch (OverflowException)
            {
                return NarLookup.Bad("The NAR would be too long.");
            }

            _sizes.Set(root, size);
        }

        return (ulong)size == expected ? NarLookup.Found(new NarTree(root, size)) : NarLookup.Bad($"The NAR has {size} bytes, and not {expected}.");
    }

    /// <summary>Reads a node without a name in base64url; <see langword="null"/> when it is something else.</summary>
    public static Node? DecodeNode(string text, out bool isNamed)
    {
        isNamed = false;
        if (!Base64Url.IsValid(text) || text.Any(c => c == '=' || char.IsWhiteSpace(c)))
        {
            return null; // without padding, as it is written
        }

        try
        {
            Node root = DirectoryCodec.DecodeNode(Base64Url.DecodeFromChars(text), out ReadOnlySpan<byte> name);
            isNamed = !name.IsEmpty;
            return isNamed ? null : root;
        }
        catch (InvalidDirectoryException)
        {
            return null;
        }
    }
}
