using System.Buffers.Binary;

namespace Tvix.Store.Nar;

// The grammar (spec: nix-formats §4.1 to §4.3). Everything is made of strings,
//
//     str(b) = length of b as u64, little-endian ‖ b ‖ zero bytes up to the next multiple of 8
//
//     archive = str("nix-archive-1") node
//     node    = str("(") str("type") body str(")")
//     body    = str("regular") [ str("executable") str("") ] str("contents") str(<file bytes>)
//             | str("symlink") str("target") str(<target>)
//             | str("directory") { entry }
//     entry   = str("entry") str("(") str("name") str(<name>) str("node") node str(")")
//
// with the names of a directory in strictly ascending order of their bytes. Between two variable parts the bytes are always one of the runs
// below, so that a reader compares whole blocks:
//
//     archive = Magic node
//     node    = (Symlink str(<target>) | Regular str(<bytes>) | Executable str(<bytes>) | Directory { entry }) Close
//     entry   = Entry str(<name>) Node node Close

/// <summary>The constant parts of a NAR.</summary>
internal static class NarWire
{
    /// <summary>How far into a node's run the byte is that tells the kinds of nodes apart.</summary>
    public const int KindOffset = 16;

    /// <summary>The bytes that all kinds of nodes have at least, and that are enough to tell them apart.</summary>
    public const int KindLength = 24;

    /// <summary>The byte at <see cref="KindOffset"/> of <see cref="Symlink"/>.</summary>
    public const byte SymlinkKind = 0x06;

    /// <summary>The byte at <see cref="KindOffset"/> of <see cref="Regular"/>.</summary>
    public const byte RegularKind = 0x08;

    /// <summary>The byte at <see cref="KindOffset"/> of <see cref="Executable"/>.</summary>
    public const byte ExecutableKind = 0x0a;

    /// <summary>The byte at <see cref="KindOffset"/> of <see cref="Directory"/>.</summary>
    public const byte DirectoryKind = (byte)'y';

    /// <summary>The length of <see cref="Close"/>.</summary>
    public const int CloseLength = 16;

    /// <summary>The length of a string's length field.</summary>
    public const int LengthLength = 8;

    /// <summary>The start of the archive, up to the kind of the root: <c>nix-archive-1 ( type</c>.</summary>
    public static ReadOnlySpan<byte> Magic =>
        "\u000d\0\0\0\0\0\0\0nix-archive-1\0\0\0\u0001\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\u0004\0\0\0\0\0\0\0type\0\0\0\0"u8;

    /// <summary>A symlink, up to its target: <c>symlink target</c>.</summary>
    public static ReadOnlySpan<byte> Symlink => "\u0007\0\0\0\0\0\0\0symlink\0\u0006\0\0\0\0\0\0\0target\0\0"u8;

    /// <summary>A plain file, up to its contents: <c>regular contents</c>.</summary>
    public static ReadOnlySpan<byte> Regular => "\u0007\0\0\0\0\0\0\0regular\0\u0008\0\0\0\0\0\0\0contents"u8;

    /// <summary>An executable file, up to its contents: <c>regular executable "" contents</c>.</summary>
    public static ReadOnlySpan<byte> Executable =>
        "\u0007\0\0\0\0\0\0\0regular\0\u000a\0\0\0\0\0\0\0executable\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u0008\0\0\0\0\0\0\0contents"u8;

    /// <summary>A directory, up to its first entry.</summary>
    public static ReadOnlySpan<byte> Directory => "\u0009\0\0\0\0\0\0\0directory\0\0\0\0\0\0\0"u8;

    /// <summary>An entry, up to its name: <c>entry ( name</c>.</summary>
    public static ReadOnlySpan<byte> Entry =>
        "\u0005\0\0\0\0\0\0\0entry\0\0\0\u0001\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\u0004\0\0\0\0\0\0\0name\0\0\0\0"u8;

    /// <summary>What stands between an entry's name and the kind of its node: <c>node ( type</c>.</summary>
    public static ReadOnlySpan<byte> Node =>
        "\u0004\0\0\0\0\0\0\0node\0\0\0\0\u0001\0\0\0\0\0\0\0(\0\0\0\0\0\0\0\u0004\0\0\0\0\0\0\0type\0\0\0\0"u8;

    /// <summary>The end of a node or of an entry: <c>)</c>.</summary>
    public static ReadOnlySpan<byte> Close => "\u0001\0\0\0\0\0\0\0)\0\0\0\0\0\0\0"u8;

    /// <summary>The number of zero bytes after a string of the given length, 0 to 7.</summary>
    public static int Padding(ulong length) => (int)(0 - length) & 7;

    /// <inheritdoc cref="Padding(ulong)"/>
    public static int Padding(int length) => -length & 7;

    /// <summary>The length with its padding. The caller makes sure that it does not overflow.</summary>
    public static int Padded(int length) => (length + 7) & ~7;

    /// <summary>Writes a string: length, bytes and padding.</summary>
    /// <returns>The number of bytes written, a multiple of 8.</returns>
    public static int WriteString(Span<byte> destination, ReadOnlySpan<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, (ulong)bytes.Length);
        bytes.CopyTo(destination[LengthLength..]);
        int end = LengthLength + bytes.Length;
        int padding = Padding(bytes.Length);
        destination.Slice(end, padding).Clear();
        return end + padding;
    }

    /// <summary>
    /// Whether the byte of <paramref name="run"/> at <paramref name="index"/> is padding after a keyword, rather than part of a length or
    /// of the keyword.
    /// </summary>
    public static bool IsPadding(ReadOnlySpan<byte> run, int index)
    {
        for (int start = 0; ;)
        {
            int end = start + LengthLength + (int)BinaryPrimitives.ReadUInt64LittleEndian(run[start..]);
            if (index < end)
            {
                return false;
            }

            start = end + Padding(end);
            if (index < start)
            {
                return true;
            }
        }
    }
}
