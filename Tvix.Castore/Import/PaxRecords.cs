using System.Buffers.Text;

namespace Tvix.Castore.Import;

/// <summary>What a pax extended header says, as far as it matters to an import.</summary>
/// <remarks>
/// <code>
/// records = { length " " key "=" value "\n" }        length is decimal and counts the whole record
/// </code>
/// Source: POSIX.1-2017, pax, "pax Extended Header"; for sparse files the GNU tar manual, "Storing Sparse Files".
/// </remarks>
internal sealed class PaxRecords
{
    public byte[]? Path { get; private set; }

    public byte[]? LinkPath { get; private set; }

    public long? Size { get; private set; }

    public byte[]? SparseName { get; private set; }

    /// <summary>The length of a sparse file with its holes.</summary>
    public long? SparseSize { get; private set; }

    /// <summary>Whether the map of a sparse file stands before its data (format 1.0) rather than in these records (0.0 and 0.1).</summary>
    public bool SparseMapInData { get; private set; }

    /// <summary>Offsets and lengths, alternating; <see langword="null"/> when the records have no map.</summary>
    public List<long>? SparseMap { get; private set; }

    public bool IsSparse => SparseMapInData || SparseMap is not null;

    /// <summary>Reads the records; <see langword="false"/> when they are malformed.</summary>
    public bool TryParse(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (!Utf8Parser.TryParse(bytes, out int length, out int digits) || length > bytes.Length || length < digits + 3
                || bytes[digits] != ' ' || bytes[length - 1] != '\n')
            {
                return false;
            }

            ReadOnlySpan<byte> record = bytes[(digits + 1)..(length - 1)];
            bytes = bytes[length..];
            int equals = record.IndexOf((byte)'=');
            if (equals < 0 || !TryTake(record[..equals], record[(equals + 1)..]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Reads a number of decimal digits and nothing else.</summary>
    public static bool TryParseNumber(ReadOnlySpan<byte> text, out long value) =>
        Utf8Parser.TryParse(text, out value, out int used) && used == text.Length && value >= 0;

    private bool TryTake(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("path"u8))
        {
            Path = value.ToArray();
        }
        else if (key.SequenceEqual("linkpath"u8))
        {
            LinkPath = value.ToArray();
        }
        else if (key.SequenceEqual("size"u8))
        {
            bool ok = TryParseNumber(value, out long size);
            Size = size;
            return ok;
        }
        else if (key.StartsWith("GNU.sparse."u8))
        {
            return TryTakeSparse(key["GNU.sparse.".Length..], value);
        }

        return true;
    }

    private bool TryTakeSparse(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        if (key.SequenceEqual("name"u8))
        {
            SparseName = value.ToArray();
        }
        else if (key.SequenceEqual("major"u8))
        {
            SparseMapInData = value.SequenceEqual("1"u8);
            return SparseMapInData || value.SequenceEqual("0"u8);
        }
        else if (key.SequenceEqual("size"u8) || key.SequenceEqual("realsize"u8))
        {
            bool ok = TryParseNumber(value, out long size);
            SparseSize = size;
            return ok;
        }
        else if (key.SequenceEqual("offset"u8) || key.SequenceEqual("numbytes"u8))
        {
            SparseMap ??= [];
            bool ok = TryParseNumber(value, out long number) && SparseMap.Count % 2 == (key[0] == 'o' ? 0 : 1);
            SparseMap.Add(number);
            return ok;
        }
        else if (key.SequenceEqual("map"u8))
        {
            SparseMap = [];
            foreach (Range range in value.Split((byte)','))
            {
                if (!TryParseNumber(value[range], out long number))
                {
                    return false;
                }

                SparseMap.Add(number);
            }
        }

        return true;
    }
}
