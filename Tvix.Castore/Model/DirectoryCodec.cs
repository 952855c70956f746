namespace Tvix.Castore.Model;

/// <summary>The protobuf form of directories and nodes, which digests are computed over.</summary>
/// <remarks>
/// <code>
/// Directory     = { directories 1: DirectoryNode } { files 2: FileNode } { symlinks 3: SymlinkNode }
/// DirectoryNode = name 1: bytes, digest 2: bytes, size 3: uint64
/// FileNode      = name 1: bytes, digest 2: bytes, size 3: uint64, executable 4: bool
/// SymlinkNode   = name 1: bytes, target 2: bytes
/// Node          = oneof { directory 1: DirectoryNode, file 2: FileNode, symlink 3: SymlinkNode }
/// </code>
/// proto3, packages tvix.castore.v1 and snix.castore.v1. Canonical: fields in ascending order, lists in ascending order of names, defaults
/// left out.
/// </remarks>
internal static class DirectoryCodec
{
    private const int DirectoryField = 1;
    private const int FileField = 2;
    private const int SymlinkField = 3;

    public static byte[] Encode(ReadOnlySpan<DirectoryEntry> sortedEntries)
    {
        int size = 0;
        foreach (ref readonly DirectoryEntry entry in sortedEntries)
        {
            size += ProtoWriter.MessageFieldSize(NodeSize(entry.Name.Bytes, entry.Node));
        }

        if (size == 0)
        {
            return [];
        }

        byte[] message = new byte[size];
        ProtoWriter writer = new(message);
        for (int field = DirectoryField; field <= SymlinkField; field++)
        {
            foreach (ref readonly DirectoryEntry entry in sortedEntries)
            {
                if (FieldOf(entry.Node) == field)
                {
                    WriteNode(ref writer, entry.Name.Bytes, entry.Node);
                }
            }
        }

        return message;
    }

    /// <summary>A <c>Node</c> message: the root of a tree, with a name or, when that is empty, anonymous.</summary>
    public static byte[] EncodeNode(ReadOnlySpan<byte> name, Node node)
    {
        byte[] message = new byte[ProtoWriter.MessageFieldSize(NodeSize(name, node))];
        ProtoWriter writer = new(message);
        WriteNode(ref writer, name, node);
        return message;
    }

    /// <summary>Reads a <c>Node</c> message. The name is returned as found; the caller says what it must be.</summary>
    public static Node DecodeNode(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> name)
    {
        ProtoReader reader = new(message);
        int kind = 0;
        RawNode raw = default;
        while (!reader.AtEnd)
        {
            if (!reader.TryReadTag(out int field, out int wireType))
            {
                throw Malformed("node");
            }

            if (field is >= DirectoryField and <= SymlinkField)
            {
                if (wireType != ProtoReader.Bytes || !reader.TryReadBytes(out ReadOnlySpan<byte> body))
                {
                    throw Malformed("node");
                }

                // Of a oneof, the last kind counts; what comes again for the same kind is merged.
                raw = field == kind ? raw : default;
                raw.Merge(body, field);
                kind = field;
            }
            else if (!reader.TrySkip(field, wireType))
            {
                throw Malformed("node");
            }
        }

        if (kind == 0)
        {
            throw new InvalidDirectoryException(
                DirectoryError.NoNodeSet, "The node message holds neither a directory nor a file nor a symlink.");
        }

        name = raw.Name;
        return raw.ToNode(kind);
    }

    public static DirectoryEntry[] Decode(ReadOnlySpan<byte> message)
    {
        // Pass 1: the shape of the message, the number of entries, and the order of the names within each list.
        int count = 0;
        ProtoReader reader = new(message);
        Span<int> counts = stackalloc int[4];
        while (!reader.AtEnd)
        {
            if (!reader.TryReadTag(out int field, out int wireType))
            {
                throw Malformed("directory");
            }

            if (field is >= DirectoryField and <= SymlinkField)
            {
                if (wireType != ProtoReader.Bytes || !reader.TryReadBytes(out ReadOnlySpan<byte> body))
                {
                    throw Malformed("directory");
                }

                RawNode.Parse(body, field);
                counts[field]++;
                count++;
            }
            else if (!reader.TrySkip(field, wireType))
            {
                throw Malformed("directory");
            }
        }

        for (int kind = DirectoryField; kind <= SymlinkField; kind++)
        {
            if (counts[kind] > 0)
            {
                CheckOrder(message, kind);
            }
        }

        // Pass 2: the nodes, kind by kind.
        DirectoryEntry[] entries = new DirectoryEntry[count];
        int at = 0;
        for (int kind = DirectoryField; kind <= SymlinkField; kind++)
        {
            if (counts[kind] == 0)
            {
                continue;
            }

            reader = new ProtoReader(message);
            while (TryReadNext(ref reader, kind, out ReadOnlySpan<byte> body))
            {
                RawNode raw = RawNode.Parse(body, kind);
                Node node = raw.ToNode(kind);
                entries[at++] = new DirectoryEntry(NameOf(raw.Name), node);
            }
        }

        return entries;
    }

    private static void CheckOrder(ReadOnlySpan<byte> message, int kind)
    {
        ReadOnlySpan<byte> previous = default;
        ProtoReader reader = new(message);
        while (TryReadNext(ref reader, kind, out ReadOnlySpan<byte> body))
        {
            ReadOnlySpan<byte> name = RawNode.Parse(body, kind).Name;
            int order = name.SequenceCompareTo(previous);
            if (order < 0)
            {
                throw new InvalidDirectoryException(
                    DirectoryError.WrongSorting,
                    $"The name '{ByteText.Show(name)}' comes after '{ByteText.Show(previous)}' in the directory.",
                    name.ToArray());
            }

            if (order == 0)
            {
                NameOf(name);
                throw new InvalidDirectoryException(
                    DirectoryError.DuplicateName, $"The name '{ByteText.Show(name)}' occurs twice in one directory.", name.ToArray());
            }

            previous = name;
        }
    }

    /// <summary>The next element of one list, in a message that pass 1 has found well-formed.</summary>
    private static bool TryReadNext(scoped ref ProtoReader reader, int kind, out ReadOnlySpan<byte> body)
    {
        while (!reader.AtEnd && reader.TryReadTag(out int field, out int wireType))
        {
            if (field == kind)
            {
                return reader.TryReadBytes(out body);
            }

            if (!reader.TrySkip(field, wireType))
            {
                break;
            }
        }

        body = default;
        return false;
    }

    private static PathComponent NameOf(ReadOnlySpan<byte> name)
    {
        PathComponentError error = PathComponent.Validate(name);
        return error == PathComponentError.None
            ? PathComponent.FromValid(name.ToArray())
            : throw new InvalidDirectoryException(
                DirectoryError.InvalidName,
                $"'{ByteText.Show(name)}' is not a valid name: {PathComponent.Describe(error)}.",
                name.ToArray()) { NameError = error };
    }

    private static int FieldOf(Node node) => node switch
    {
        Node.Directory => DirectoryField,
        Node.File => FileField,
        _ => SymlinkField,
    };

    private static int NodeSize(ReadOnlySpan<byte> name, Node node) => ProtoWriter.BytesFieldSize(name.Length) + node switch
    {
        Node.Directory d => ProtoWriter.BytesFieldSize(B3Digest.Size) + ProtoWriter.VarintFieldSize(d.Size),
        Node.File f => ProtoWriter.BytesFieldSize(B3Digest.Size)
            + ProtoWriter.VarintFieldSize(f.Size)
            + ProtoWriter.VarintFieldSize(f.Executable ? 1u : 0),
        Node.Symlink s => ProtoWriter.BytesFieldSize(s.Target.Length),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static void WriteNode(ref ProtoWriter writer, ReadOnlySpan<byte> name, Node node)
    {
        writer.WriteMessageHeader(FieldOf(node), NodeSize(name, node));
        writer.WriteBytesField(1, name);
        switch (node)
        {
            case Node.Directory directory:
                writer.WriteDigestField(2, directory.Digest);
                writer.WriteVarintField(3, directory.Size);
                break;
            case Node.File file:
                writer.WriteDigestField(2, file.Digest);
                writer.WriteVarintField(3, file.Size);
                writer.WriteVarintField(4, file.Executable ? 1u : 0);
                break;
            case Node.Symlink symlink:
                writer.WriteBytesField(2, symlink.Target.Bytes);
                break;
        }
    }

    private static InvalidDirectoryException Malformed(string what) =>
        new(DirectoryError.Malformed, $"The bytes are not a protobuf message of a {what}.");

    /// <summary>A DirectoryNode, FileNode or SymlinkNode as it stands on the wire, before validation.</summary>
    private ref struct RawNode
    {
        public ReadOnlySpan<byte> Name;
        private ReadOnlySpan<byte> _payload; // the digest, or the target
        private ulong _size;
        private bool _executable;

        public static RawNode Parse(ReadOnlySpan<byte> body, int kind)
        {
            RawNode node = default;
            node.Merge(body, kind);
            return node;
        }

        public void Merge(ReadOnlySpan<byte> body, int kind)
        {
            ProtoReader reader = new(body);
            while (!reader.AtEnd)
            {
                if (!reader.TryReadTag(out int field, out int wireType))
                {
                    throw Malformed("directory");
                }

                bool ok = (field, wireType) switch
                {
                    (1, ProtoReader.Bytes) => reader.TryReadBytes(out Name),
                    (2, ProtoReader.Bytes) => reader.TryReadBytes(out _payload),
                    (3, ProtoReader.Varint) when kind != SymlinkField => reader.TryReadVarint(out _size),
                    (4, ProtoReader.Varint) when kind == FileField => ReadBool(ref reader, out _executable),
                    (1 or 2, _) => false,
                    (3, _) when kind != SymlinkField => false,
                    (4, _) when kind == FileField => false,
                    _ => reader.TrySkip(field, wireType),
                };
                if (!ok)
                {
                    throw Malformed("directory");
                }
            }
        }

        public readonly Node ToNode(int kind)
        {
            if (kind == SymlinkField)
            {
                SymlinkTargetError error = SymlinkTarget.Validate(_payload);
                return error == SymlinkTargetError.None
                    ? new Node.Symlink(SymlinkTarget.FromValid(_payload.ToArray()))
                    : throw new InvalidDirectoryException(
                        DirectoryError.InvalidNode,
                        $"The symlink '{ByteText.Show(Name)}' has an invalid target: {SymlinkTarget.Describe(error)}.",
                        Name.ToArray()) { TargetError = error };
            }

            if (_payload.Length != B3Digest.Size)
            {
                throw new InvalidDirectoryException(
                    DirectoryError.InvalidNode,
                    $"The digest of '{ByteText.Show(Name)}' has {_payload.Length} bytes instead of {B3Digest.Size}.",
                    Name.ToArray()) { DigestLength = _payload.Length };
            }

            B3Digest digest = new(_payload);
            return kind == DirectoryField ? new Node.Directory(digest, _size) : new Node.File(digest, _size, _executable);
        }

        private static bool ReadBool(ref ProtoReader reader, out bool value)
        {
            bool ok = reader.TryReadVarint(out ulong number);
            value = number != 0;
            return ok;
        }
    }
}
