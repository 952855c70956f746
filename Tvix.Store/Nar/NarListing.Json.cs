using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using System.Text.Unicode;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

public sealed partial class NarListing
{
    /// <summary>How many directories may be inside each other in a listing that is parsed.</summary>
    public const int MaxDepth = 4096;

    // The listing, and for each directory itself and its entries; the rest is for values of unknown keys.
    private const int MaxJsonDepth = (2 * (MaxDepth + 1)) + 64;

    /// <summary>Writes the JSON form, byte for byte as Nix 2.8 does.</summary>
    /// <param name="destination">Where the UTF-8 goes.</param>
    /// <exception cref="NotSupportedException">
    /// A name or target is not UTF-8, so that there is no JSON for it. Part of the output may be written.
    /// </exception>
    public void WriteTo(IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.Write("{\"version\":1,\"root\":"u8);
        WriteNodeTo(destination, Root);
        destination.Write("}"u8);
    }

    /// <summary>Writes the JSON form of one node and what is below it, byte for byte as <c>nix nar ls --json</c> does.</summary>
    /// <param name="destination">Where the UTF-8 goes.</param>
    /// <param name="node">The node.</param>
    /// <param name="recursive">Whether the entries of a directory are written out as well; otherwise they are empty objects.</param>
    /// <exception cref="NotSupportedException">A name or target is not UTF-8, so that there is no JSON for it. Part of the output may be written.</exception>
    public static void WriteNodeTo(IBufferWriter<byte> destination, NarListingNode node, bool recursive = true)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(node);
        Stack<(NarListingNode.Directory Directory, int Next)> open = new();
        WriteHead(destination, node, open);
        while (open.TryPop(out (NarListingNode.Directory Directory, int Next) frame))
        {
            if (frame.Next == frame.Directory.Entries.Count)
            {
                destination.Write("}}"u8);
                continue;
            }

            open.Push((frame.Directory, frame.Next + 1));
            if (frame.Next > 0)
            {
                destination.Write(","u8);
            }

            (PathComponent name, NarListingNode child) = frame.Directory.Entries[frame.Next];
            WriteText(destination, name.Bytes, "name");
            destination.Write(":"u8);
            if (recursive)
            {
                WriteHead(destination, child, open);
            }
            else
            {
                destination.Write("{}"u8);
            }
        }
    }

    /// <summary>The JSON form in UTF-8, byte for byte as Nix 2.8 writes it.</summary>
    /// <exception cref="NotSupportedException">A name or target is not UTF-8, so that there is no JSON for it.</exception>
    public byte[] ToUtf8Json()
    {
        ArrayBufferWriter<byte> json = new();
        WriteTo(json);
        return json.WrittenSpan.ToArray();
    }

    /// <summary>Parses the JSON form. The order of keys is free, and unknown keys are ignored.</summary>
    /// <param name="utf8Json">The listing in UTF-8.</param>
    /// <exception cref="FormatException">
    /// It is no such JSON, has another version, lacks a key, holds an invalid name or target or a name twice in one directory, or is too
    /// deep; the message says what.
    /// </exception>
    public static NarListing Parse(ReadOnlySpan<byte> utf8Json)
    {
        if (!Utf8.IsValid(utf8Json))
        {
            throw new FormatException("The NAR listing is not UTF-8.");
        }

        Utf8JsonReader reader = new(utf8Json, new JsonReaderOptions { MaxDepth = MaxJsonDepth });
        try
        {
            return new NarListing(ParseListing(ref reader));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The reader's getters throw the latter for text that is no valid UTF-16.
            throw new FormatException($"The NAR listing is not valid JSON: {e.Message}", e);
        }
    }

    private static void WriteHead(
        IBufferWriter<byte> destination, NarListingNode node, Stack<(NarListingNode.Directory Directory, int Next)> open)
    {
        switch (node)
        {
            case NarListingNode.File file:
                destination.Write("{\"type\":\"regular\",\"size\":"u8);
                WriteNumber(destination, file.Size);
                if (file.Executable)
                {
                    destination.Write(",\"executable\":true"u8);
                }

                if (file.NarOffset is { } offset)
                {
                    destination.Write(",\"narOffset\":"u8);
                    WriteNumber(destination, offset);
                }

                destination.Write("}"u8);
                break;
            case NarListingNode.Symlink symlink:
                destination.Write("{\"type\":\"symlink\",\"target\":"u8);
                WriteText(destination, symlink.Target.Bytes, "symlink target");
                destination.Write("}"u8);
                break;
            case NarListingNode.Directory directory:
                destination.Write("{\"type\":\"directory\",\"entries\":{"u8);
                open.Push((directory, 0));
                break;
        }
    }

    private static void WriteNumber(IBufferWriter<byte> destination, ulong number)
    {
        Utf8Formatter.TryFormat(number, destination.GetSpan(20), out int written);
        destination.Advance(written);
    }

    /// <summary>
    /// Escapes what JSON says must be escaped and nothing else; of the short escapes, Nix has those for line ends and tabs only.
    /// </summary>
    private static void WriteText(IBufferWriter<byte> destination, ReadOnlySpan<byte> text, string what)
    {
        if (!Utf8.IsValid(text))
        {
            throw new NotSupportedException($"The {what} '{ByteText.Show(text)}' is not UTF-8, so that JSON cannot express it.");
        }

        destination.Write("\""u8);
        while (!text.IsEmpty)
        {
            int plain = 0;
            while (plain < text.Length && text[plain] is >= 0x20 and not ((byte)'"' or (byte)'\\'))
            {
                plain++;
            }

            destination.Write(text[..plain]);
            if (plain == text.Length)
            {
                break;
            }

            byte special = text[plain];
            switch (special)
            {
                case (byte)'"' or (byte)'\\':
                    destination.Write([(byte)'\\', special]);
                    break;
                case (byte)'\n':
                    destination.Write("\\n"u8);
                    break;
                case (byte)'\r':
                    destination.Write("\\r"u8);
                    break;
                case (byte)'\t':
                    destination.Write("\\t"u8);
                    break;
                default:
                    ReadOnlySpan<byte> digits = "0123456789abcdef"u8;
                    destination.Write([.. "\\u00"u8, digits[special >> 4], digits[special & 15]]);
                    break;
            }

            text = text[(plain + 1)..];
        }

        destination.Write("\""u8);
    }

    private static NarListingNode ParseListing(ref Utf8JsonReader reader)
    {
        reader.Read();
        Expect(ref reader, JsonTokenType.StartObject, "the listing");
        NarListingNode? root = null;
        bool hasVersion = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("version"u8))
            {
                reader.Read();
                hasVersion = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int version) && version == 1
                    ? true
                    : throw new FormatException("The version of the NAR listing is not 1.");
            }
            else if (reader.ValueTextEquals("root"u8))
            {
                reader.Read();
                root = ParseTree(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        reader.Read(); // throws unless this is the end
        return !hasVersion ? throw new FormatException("The NAR listing has no version.")
            : root ?? throw new FormatException("The NAR listing has no root.");
    }

    /// <summary>Parses a node and all below it; the reader stands at its start, and afterwards at its end.</summary>
    private static NarListingNode ParseTree(ref Utf8JsonReader reader)
    {
        Stack<PendingNode> open = new();
        PendingNode current = PendingNode.Start(ref reader);
        while (true)
        {
            reader.Read();
            if (current.InEntries && reader.TokenType == JsonTokenType.PropertyName)
            {
                PathComponent name = ParseName(ref reader);
                reader.Read();
                current.PendingName = name;
                open.Push(current);
                current = open.Count <= MaxDepth
                    ? PendingNode.Start(ref reader)
                    : throw new FormatException("The NAR listing is too deep.");
            }
            else if (current.InEntries)
            {
                current.InEntries = false; // the end of the entries, not of the node
            }
            else if (reader.TokenType == JsonTokenType.PropertyName)
            {
                current.ParseKey(ref reader);
            }
            else
            {
                NarListingNode node = current.Finish();
                if (!open.TryPop(out PendingNode? parent))
                {
                    return node;
                }

                parent.Entries!.Add(new(parent.PendingName, node));
                current = parent;
            }
        }
    }

    private static PathComponent ParseName(ref Utf8JsonReader reader)
    {
        byte[] bytes = GetBytes(ref reader);
        return PathComponent.TryCreate(bytes, out PathComponent name)
            ? name
            : throw new FormatException($"'{ByteText.Show(bytes)}' in the NAR listing is not a valid name.");
    }

    private static byte[] GetBytes(ref Utf8JsonReader reader)
    {
        byte[] bytes = new byte[reader.ValueSpan.Length];
        return bytes[..reader.CopyString(bytes)];
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        if (reader.TokenType != type)
        {
            throw new FormatException($"In the NAR listing, {what} is a {reader.TokenType} instead of a {type}.");
        }
    }

    /// <summary>A node of which not all keys were read.</summary>
    private sealed class PendingNode
    {
        private string? _type;
        private ulong? _size;
        private ulong? _narOffset;
        private bool _executable;
        private SymlinkTarget? _target;

        public List<KeyValuePair<PathComponent, NarListingNode>>? Entries { get; private set; }

        public bool InEntries { get; set; }

        public PathComponent PendingName { get; set; }

        public static PendingNode Start(ref Utf8JsonReader reader)
        {
            Expect(ref reader, JsonTokenType.StartObject, "a node");
            return new PendingNode();
        }

        public void ParseKey(ref Utf8JsonReader reader)
        {
            if (reader.ValueTextEquals("type"u8))
            {
                reader.Read();
                Expect(ref reader, JsonTokenType.String, "a type");
                _type = reader.GetString();
            }
            else if (reader.ValueTextEquals("size"u8))
            {
                _size = ParseNumber(ref reader, "a size");
            }
            else if (reader.ValueTextEquals("narOffset"u8))
            {
                _narOffset = ParseNumber(ref reader, "an offset");
            }
            else if (reader.ValueTextEquals("executable"u8))
            {
                reader.Read();
                _executable = reader.TokenType switch
                {
                    JsonTokenType.True => true,
                    JsonTokenType.False => false,
                    _ => throw new FormatException("In the NAR listing, 'executable' is neither true nor false."),
                };
            }
            else if (reader.ValueTextEquals("target"u8))
            {
                reader.Read();
                Expect(ref reader, JsonTokenType.String, "a target");
                _target = SymlinkTarget.TryCreate(GetBytes(ref reader), out SymlinkTarget target)
                    ? target
                    : throw new FormatException("The NAR listing has an invalid symlink target.");
            }
            else if (reader.ValueTextEquals("entries"u8))
            {
                reader.Read();
                Expect(ref reader, JsonTokenType.StartObject, "'entries'");
                Entries = [];
                InEntries = true;
            }
            else
            {
                reader.Skip();
            }
        }

        public NarListingNode Finish() => _type switch
        {
            "regular" => new NarListingNode.File(_size ?? throw Missing("size"), _executable, _narOffset),
            "symlink" => new NarListingNode.Symlink(_target ?? throw Missing("target")),
            "directory" => new NarListingNode.Directory(Sort(Entries ?? throw Missing("entries"))),
            null => throw Missing("type"),
            _ => throw new FormatException($"The NAR listing has a node of the unknown type '{_type}'."),
        };

        private static KeyValuePair<PathComponent, NarListingNode>[] Sort(List<KeyValuePair<PathComponent, NarListingNode>> entries)
        {
            KeyValuePair<PathComponent, NarListingNode>[] sorted = [.. entries];
            Array.Sort(sorted, static (a, b) => a.Key.CompareTo(b.Key));
            for (int i = 1; i < sorted.Length; i++)
            {
                if (sorted[i - 1].Key == sorted[i].Key)
                {
                    throw new FormatException($"The name '{sorted[i].Key}' occurs twice in one directory of the NAR listing.");
                }
            }

            return sorted;
        }

        private static ulong ParseNumber(ref Utf8JsonReader reader, string what)
        {
            reader.Read();
            Expect(ref reader, JsonTokenType.Number, what);
            return reader.TryGetUInt64(out ulong number)
                ? number
                : throw new FormatException($"In the NAR listing, {what} is not a 64-bit count.");
        }

        private static FormatException Missing(string key) => new($"A node of the NAR listing lacks the key '{key}'.");
    }
}
