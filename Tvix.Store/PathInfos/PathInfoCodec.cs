using System.Text;
using System.Text.Unicode;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>The protobuf form of path infos.</summary>
/// <remarks>
/// <code>
/// PathInfo  = node 1: Node, references 2: bytes*, narinfo 3: NARInfo
/// NARInfo   = nar_size 1: uint64, nar_sha256 2: bytes, signatures 3: Signature*, reference_names 4: string*, deriver 5: StorePath,
///             ca 6: CA
/// Signature = name 1: string, data 2: bytes
/// StorePath = name 1: string, digest 2: bytes
/// CA        = type 1: Hash, digest 2: bytes
/// </code>
/// proto3, packages tvix.store.v1 and snix.store.v1. The node's name is the base name of the store path. Canonical: fields in ascending
/// order, defaults left out; <c>narinfo</c> is always there.
/// </remarks>
internal static class PathInfoCodec
{
    // The values of NARInfo.CA.Hash, in order.
    private static readonly (ContentAddressKind Kind, NixHashAlgorithm Algorithm)[] ContentAddressTypes =
    [
        (ContentAddressKind.Nar, NixHashAlgorithm.Sha256),
        (ContentAddressKind.Nar, NixHashAlgorithm.Sha1),
        (ContentAddressKind.Nar, NixHashAlgorithm.Sha512),
        (ContentAddressKind.Nar, NixHashAlgorithm.Md5),
        (ContentAddressKind.Text, NixHashAlgorithm.Sha256),
        (ContentAddressKind.Flat, NixHashAlgorithm.Sha1),
        (ContentAddressKind.Flat, NixHashAlgorithm.Md5),
        (ContentAddressKind.Flat, NixHashAlgorithm.Sha256),
        (ContentAddressKind.Flat, NixHashAlgorithm.Sha512),
    ];

    public static byte[] Encode(PathInfo info)
    {
        byte[] node = DirectoryCodec.EncodeNode(Encoding.ASCII.GetBytes(info.StorePath.ToString()), info.Node);
        byte[] narInfo = EncodeNarInfo(info);
        byte[] message = new byte[
            ProtoWriter.MessageFieldSize(node.Length)
            + (info.References.Count * ProtoWriter.BytesFieldSize(StorePathDigest.Size))
            + ProtoWriter.MessageFieldSize(narInfo.Length)];
        scoped ProtoWriter writer = new(message);
        writer.WriteElement(1, node);
        Span<byte> digest = stackalloc byte[StorePathDigest.Size];
        foreach (StorePath reference in info.References)
        {
            reference.Digest.CopyTo(digest);
            writer.WriteElement(2, digest);
        }

        writer.WriteElement(3, narInfo);
        return message;
    }

    public static PathInfo Decode(ReadOnlySpan<byte> message)
    {
        // A sub-message that comes in pieces is what the pieces are together; so says protobuf.
        bool hasNode = TryGetSubMessage(message, 1, out ReadOnlySpan<byte> node);
        CheckElements(message, 2);
        bool hasNarInfo = TryGetSubMessage(message, 3, out ReadOnlySpan<byte> narInfo);
        if (!hasNarInfo)
        {
            throw new InvalidPathInfoException(PathInfoError.MissingNarInfo, "The path info has no narinfo.");
        }

        NarInfoHead head = NarInfoHead.Parse(narInfo);
        StorePath[] references = DecodeReferences(message, narInfo);
        if (!hasNode)
        {
            throw new InvalidPathInfoException(PathInfoError.MissingNode, "The path info has no node.");
        }

        Node root = DecodeRoot(node, out StorePath storePath);
        if (head.NarHash.Length != Sha256Digest.Size)
        {
            throw WrongLength(PathInfoError.InvalidNarHashLength, "The hash of the NAR", head.NarHash.Length, Sha256Digest.Size);
        }

        StorePath? deriver = DecodeDeriver(narInfo);
        NarSignature[] signatures = DecodeSignatures(narInfo);
        return new PathInfo
        {
            StorePath = storePath,
            Node = root,
            NarSize = head.NarSize,
            NarHash = new Sha256Digest(head.NarHash),
            References = references,
            Signatures = signatures,
            Deriver = deriver,
            ContentAddress = DecodeContentAddress(narInfo),
        };
    }

    private static byte[] EncodeNarInfo(PathInfo info)
    {
        byte[][] signatures = [.. info.Signatures.Select(signature => EncodePair(Encoding.UTF8.GetBytes(signature.Name), signature.Bytes))];
        byte[][] names = [.. info.References.Select(reference => Encoding.ASCII.GetBytes(reference.ToString()))];
        byte[]? deriver = info.Deriver is { } path ? EncodePair(Encoding.ASCII.GetBytes(path.Name), path.Digest.ToByteArray()) : null;
        byte[]? contentAddress = info.ContentAddress is { } address ? EncodeContentAddress(address) : null;

        int size = ProtoWriter.VarintFieldSize(info.NarSize)
            + ProtoWriter.BytesFieldSize(Sha256Digest.Size)
            + signatures.Sum(signature => ProtoWriter.MessageFieldSize(signature.Length))
            + names.Sum(name => ProtoWriter.MessageFieldSize(name.Length))
            + (deriver is null ? 0 : ProtoWriter.MessageFieldSize(deriver.Length))
            + (contentAddress is null ? 0 : ProtoWriter.MessageFieldSize(contentAddress.Length));
        byte[] message = new byte[size];
        ProtoWriter writer = new(message);
        writer.WriteVarintField(1, info.NarSize);
        writer.WriteBytesField(2, info.NarHash.ToByteArray());
        foreach (byte[] signature in signatures)
        {
            writer.WriteElement(3, signature);
        }

        foreach (byte[] name in names)
        {
            writer.WriteElement(4, name);
        }

        if (deriver is not null)
        {
            writer.WriteElement(5, deriver);
        }

        if (contentAddress is not null)
        {
            writer.WriteElement(6, contentAddress);
        }

        return message;
    }

    private static byte[] EncodePair(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        byte[] message = new byte[ProtoWriter.BytesFieldSize(first.Length) + ProtoWriter.BytesFieldSize(second.Length)];
        ProtoWriter writer = new(message);
        writer.WriteBytesField(1, first);
        writer.WriteBytesField(2, second);
        return message;
    }

    private static byte[] EncodeContentAddress(ContentAddress address)
    {
        ulong type = (ulong)Array.IndexOf(ContentAddressTypes, (address.Kind, address.Hash.Algorithm));
        ReadOnlySpan<byte> digest = address.Hash.Digest;
        byte[] message = new byte[ProtoWriter.VarintFieldSize(type) + ProtoWriter.BytesFieldSize(digest.Length)];
        ProtoWriter writer = new(message);
        writer.WriteVarintField(1, type);
        writer.WriteBytesField(2, digest);
        return message;
    }

    private static StorePath[] DecodeReferences(ReadOnlySpan<byte> message, ReadOnlySpan<byte> narInfo)
    {
        int count = 0;
        ProtoReader digests = new(message);
        while (TryReadNext(ref digests, 2, out ReadOnlySpan<byte> digest))
        {
            if (digest.Length != StorePathDigest.Size)
            {
                throw WrongLength(
                    PathInfoError.InvalidReferenceDigestLength,
                    $"The digest of reference {count}",
                    digest.Length,
                    StorePathDigest.Size,
                    count);
            }

            count++;
        }

        int nameCount = 0;
        ProtoReader names = new(narInfo);
        while (TryReadNext(ref names, 4, out _))
        {
            nameCount++;
        }

        if (nameCount != count)
        {
            throw new InvalidPathInfoException(
                PathInfoError.InconsistentNumberOfReferences, $"The path info has {count} references, but {nameCount} names of references.")
            {
                Expected = count,
                Found = nameCount,
            };
        }

        StorePath[] references = new StorePath[count];
        digests = new ProtoReader(message);
        names = new ProtoReader(narInfo);
        for (int i = 0; i < count; i++)
        {
            TryReadNext(ref digests, 2, out ReadOnlySpan<byte> digest);
            TryReadNext(ref names, 4, out ReadOnlySpan<byte> name);
            if (!StorePath.TryParseBaseName(name, out StorePath? reference, out StorePathError error))
            {
                throw new InvalidPathInfoException(
                    PathInfoError.InvalidReferenceName, $"The name of reference {i} is not valid: {StorePath.Describe(name, error)}")
                {
                    Index = i,
                    StorePathError = error,
                };
            }

            if (reference.Digest != new StorePathDigest(digest))
            {
                throw new InvalidPathInfoException(
                    PathInfoError.InconsistentReferenceDigest,
                    $"Reference {i} is {new StorePathDigest(digest)}, but its name is '{reference}'.") { Index = i };
            }

            references[i] = reference;
        }

        return references;
    }

    private static Node DecodeRoot(ReadOnlySpan<byte> message, out StorePath storePath)
    {
        Node node;
        ReadOnlySpan<byte> name;
        try
        {
            node = DirectoryCodec.DecodeNode(message, out name);
        }
        catch (InvalidDirectoryException e)
        {
            PathInfoError kind = e.Error == DirectoryError.Malformed ? PathInfoError.Malformed : PathInfoError.InvalidRootNode;
            throw new InvalidPathInfoException(kind, $"The root node of the path info is not valid: {e.Message}", e);
        }

        PathComponentError nameError = PathComponent.Validate(name);
        if (nameError != PathComponentError.None)
        {
            string reason = $"'{ByteText.Show(name)}' is not a valid name: {PathComponent.Describe(nameError)}.";
            throw new InvalidPathInfoException(
                PathInfoError.InvalidRootNode,
                $"The root node of the path info is not valid: {reason}",
                new InvalidDirectoryException(DirectoryError.InvalidName, reason, name.ToArray()) { NameError = nameError });
        }

        if (!StorePath.TryParseBaseName(name, out StorePath? path, out StorePathError error))
        {
            throw new InvalidPathInfoException(
                PathInfoError.InvalidNodeName, $"The name of the root node is not valid: {StorePath.Describe(name, error)}")
            {
                StorePathError = error,
            };
        }

        storePath = path;
        return node;
    }

    private static StorePath? DecodeDeriver(ReadOnlySpan<byte> narInfo)
    {
        if (!TryGetSubMessage(narInfo, 5, out ReadOnlySpan<byte> deriver))
        {
            return null;
        }

        ParsePair(deriver, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> digest);
        return StorePath.TryCreate(name, digest, out StorePath? path, out StorePathError error)
            ? path
            : throw new InvalidPathInfoException(
                PathInfoError.InvalidDeriver,
                $"The deriver '{ByteText.Show(name)}', with a digest of {digest.Length} bytes, is not a store path.")
            {
                StorePathError = error,
            };
    }

    private static NarSignature[] DecodeSignatures(ReadOnlySpan<byte> narInfo)
    {
        List<NarSignature> signatures = [];
        ProtoReader reader = new(narInfo);
        while (TryReadNext(ref reader, 3, out ReadOnlySpan<byte> signature))
        {
            ParsePair(signature, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> bytes);
            if (bytes.Length != NarSignature.Size)
            {
                throw WrongLength(
                    PathInfoError.InvalidSignatureLength,
                    $"Signature {signatures.Count}",
                    bytes.Length,
                    NarSignature.Size,
                    signatures.Count);
            }

            signatures.Add(NarSignature.FromMessage(Encoding.UTF8.GetString(name), bytes));
        }

        return [.. signatures];
    }

    private static ContentAddress? DecodeContentAddress(ReadOnlySpan<byte> narInfo)
    {
        if (!TryGetSubMessage(narInfo, 6, out ReadOnlySpan<byte> message))
        {
            return null;
        }

        int type = 0;
        ReadOnlySpan<byte> digest = default;
        ProtoReader reader = new(message);
        while (!reader.AtEnd)
        {
            ulong number = 0;
            bool ok = reader.TryReadTag(out int field, out int wireType) && (field, wireType) switch
            {
                (1, ProtoReader.Varint) => reader.TryReadVarint(out number),
                (2, ProtoReader.Bytes) => reader.TryReadBytes(out digest),
                (1 or 2, _) => false,
                _ => reader.TrySkip(field, wireType),
            };
            if (!ok)
            {
                throw Malformed();
            }

            type = field == 1 ? unchecked((int)number) : type; // an enum has 32 bits
        }

        if (type < 0 || type >= ContentAddressTypes.Length)
        {
            throw new InvalidPathInfoException(
                PathInfoError.UnknownContentAddressType,
                $"The content address is of the unknown type {type}.")
            {
                Found = type,
            };
        }

        (ContentAddressKind kind, NixHashAlgorithm algorithm) = ContentAddressTypes[type];
        int size = NixHash.GetSize(algorithm);
        return digest.Length == size
            ? new ContentAddress(kind, new NixHash(algorithm, digest))
            : throw WrongLength(
                PathInfoError.InvalidContentAddressLength,
                $"The digest of the content address ({kind}{algorithm})",
                digest.Length,
                size);
    }

    /// <summary>A <c>Signature</c> or <c>StorePath</c>: a string that must be UTF-8, and bytes.</summary>
    private static void ParsePair(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> first, out ReadOnlySpan<byte> second)
    {
        first = default;
        second = default;
        ProtoReader reader = new(message);
        while (!reader.AtEnd)
        {
            bool ok = reader.TryReadTag(out int field, out int wireType) && (field, wireType) switch
            {
                (1, ProtoReader.Bytes) => reader.TryReadBytes(out first) && Utf8.IsValid(first),
                (2, ProtoReader.Bytes) => reader.TryReadBytes(out second),
                (1 or 2, _) => false,
                _ => reader.TrySkip(field, wireType),
            };
            if (!ok)
            {
                throw Malformed();
            }
        }
    }

    /// <summary>Walks a whole message and checks that all fields of one number are byte strings.</summary>
    private static void CheckElements(ReadOnlySpan<byte> message, int field)
    {
        ProtoReader reader = new(message);
        while (!reader.AtEnd)
        {
            if (!reader.TryReadTag(out int found, out int wireType)
                || (found == field && wireType != ProtoReader.Bytes)
                || !reader.TrySkip(found, wireType))
            {
                throw Malformed();
            }
        }
    }

    private static bool TryGetSubMessage(ReadOnlySpan<byte> message, int field, out ReadOnlySpan<byte> body)
    {
        CheckElements(message, field);
        body = default;
        int pieces = 0;
        int length = 0;
        ProtoReader reader = new(message);
        while (TryReadNext(ref reader, field, out ReadOnlySpan<byte> piece))
        {
            body = piece;
            pieces++;
            length += piece.Length;
        }

        if (pieces > 1)
        {
            byte[] whole = new byte[length]; // not longer than the message
            int at = 0;
            reader = new ProtoReader(message);
            while (TryReadNext(ref reader, field, out ReadOnlySpan<byte> piece))
            {
                piece.CopyTo(whole.AsSpan(at));
                at += piece.Length;
            }

            body = whole;
        }

        return pieces > 0;
    }

    /// <summary>The next field of one number, in a message that <see cref="CheckElements"/> has found well-formed.</summary>
    private static bool TryReadNext(scoped ref ProtoReader reader, int field, out ReadOnlySpan<byte> body)
    {
        while (!reader.AtEnd && reader.TryReadTag(out int found, out int wireType))
        {
            if (found == field)
            {
                return reader.TryReadBytes(out body);
            }

            if (!reader.TrySkip(found, wireType))
            {
                break;
            }
        }

        body = default;
        return false;
    }

    private static InvalidPathInfoException Malformed() =>
        new(PathInfoError.Malformed, "The bytes are not a protobuf message of a path info.");

    private static InvalidPathInfoException WrongLength(PathInfoError error, string what, int found, int expected, int? index = null) =>
        new(error, $"{what} has {found} bytes instead of {expected}.") { Index = index, Found = found, Expected = expected };

    /// <summary>The single fields of a <c>NARInfo</c>, in a message whose shape is thereby checked.</summary>
    private readonly ref struct NarInfoHead(ulong narSize, ReadOnlySpan<byte> narHash)
    {
        public ulong NarSize { get; } = narSize;

        public ReadOnlySpan<byte> NarHash { get; } = narHash;

        public static NarInfoHead Parse(ReadOnlySpan<byte> message)
        {
            ulong size = 0;
            ReadOnlySpan<byte> hash = default;
            ProtoReader reader = new(message);
            while (!reader.AtEnd)
            {
                ReadOnlySpan<byte> name = default;
                bool ok = reader.TryReadTag(out int field, out int wireType) && (field, wireType) switch
                {
                    (1, ProtoReader.Varint) => reader.TryReadVarint(out size),
                    (2, ProtoReader.Bytes) => reader.TryReadBytes(out hash),
                    (4, ProtoReader.Bytes) => reader.TryReadBytes(out name) && Utf8.IsValid(name),
                    (3 or 5 or 6, ProtoReader.Bytes) => reader.TrySkip(field, wireType),
                    (>= 1 and <= 6, _) => false,
                    _ => reader.TrySkip(field, wireType),
                };
                if (!ok)
                {
                    throw Malformed();
                }
            }

            return new NarInfoHead(size, hash);
        }
    }
}
