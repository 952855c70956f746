namespace Tvix.Castore.Import;

/// <summary>The fields of a tar header block that matter to an import.</summary>
/// <remarks>
/// <code>
/// offset 0 name[100] 100 mode[8] 124 size[12] 148 checksum[8] 156 type 157 link name[100] 257 magic[6]
/// 345 prefix[155] where the magic is "ustar\0"
/// 386 sparse map[4 times 12 + 12] 482 more blocks of the map follow 483 length with holes[12] for GNU's type S
/// numbers are octal text, or big-endian binary when the first byte has its top bit set
/// </code>
/// Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
/// </remarks>
internal readonly ref struct TarHeader(ReadOnlySpan<byte> block)
{
    public const int BlockLength = 512;

    private readonly ReadOnlySpan<byte> _block = block;

    public bool IsEndMarker => !_block.ContainsAnyExcept((byte)0);

    public char Type => (char)_block[156];

    public ReadOnlySpan<byte> LinkName => Text(_block.Slice(157, 100));

    /// <summary>The name with its prefix.</summary>
    public byte[] Name
    {
        get
        {
            ReadOnlySpan<byte> name = Text(_block[..100]);
            ReadOnlySpan<byte> prefix = _block.Slice(257, 6).SequenceEqual("ustar\0"u8) ? Text(_block.Slice(345, 155)) : default;
            return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
        }
    }

    public bool MapGoesOn => _block[482] != 0;

    public bool TryGetSize(out long size) => TryParseNumber(_block.Slice(124, 12), out size);

    public bool TryGetSizeWithHoles(out long size) => TryParseNumber(_block.Slice(483, 12), out size);

    /// <summary>The mode; a field that is no number is as good as none.</summary>
    public long Mode => TryParseNumber(_block.Slice(100, 8), out long mode) ? mode : 0;

    /// <summary>The part of GNU's sparse map that the header holds: offsets and lengths.</summary>
    public bool TryGetMap(List<long> map) => TryAddMap(_block.Slice(386, 96), map);

    /// <summary>Whether the sum of the bytes is the one recorded. Some old programs summed up signed bytes.</summary>
    public bool IsChecksumRight()
    {
        if (!TryParseNumber(_block.Slice(148, 8), out long expected))
        {
            return false;
        }

        long sum = 0;
        long signedSum = 0;
        for (int i = 0; i < BlockLength; i++)
        {
            byte b = i is >= 148 and < 156 ? (byte)' ' : _block[i];
            sum += b;
            signedSum += (sbyte)b;
        }

        return expected == sum || expected == signedSum;
    }

    /// <summary>Adds pairs of an offset and a length, up to the first unused one.</summary>
    public static bool TryAddMap(ReadOnlySpan<byte> pairs, List<long> map)
    {
        for (; pairs.Length >= 24 && pairs[0] != 0; pairs = pairs[24..])
        {
            if (!TryParseNumber(pairs[..12], out long offset) || !TryParseNumber(pairs.Slice(12, 12), out long length))
            {
                return false;
            }

            map.Add(offset);
            map.Add(length);
        }

        return true;
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> field) => field.IndexOf((byte)0) is >= 0 and int end ? field[..end] : field;

    private static bool TryParseNumber(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        if ((field[0] & 0x80) != 0)
        {
            // Binary; the bit itself is not part of the number. Negative ones (first byte 0xff) have no meaning here.
            for (int i = 0; i < field.Length; i++)
            {
                if (value >> 55 != 0 || field[0] == 0xff)
                {
                    return false;
                }

                value = (value << 8) | (byte)(i == 0 ? field[0] & 0x7f : field[i]);
            }

            return true;
        }

        field = field.Trim(" \0"u8);
        foreach (byte b in field)
        {
            if (b is < (byte)'0' or > (byte)'7')
            {
                return false;
            }

            value = (value << 3) | (uint)(b - '0');
        }

        return true;
    }
}
