namespace Tvix.Castore.Model;

/// <summary>
/// Reads the protobuf wire format from a span, without allocating: what the canonical forms of directories and path infos need, and no
/// more.
/// </summary>
/// <remarks>
/// <code>
/// message = { tag value }          tag = varint, field number * 8 + wire type
/// value   = varint (0) | 8 bytes (1) | varint length, bytes (2) | group … end group (3, 4) | 4 bytes (5)
/// </code>
/// Source: protobuf.dev, "Encoding". Every method answers <see langword="false"/> for malformed input; nothing throws.
/// </remarks>
internal ref struct ProtoReader(ReadOnlySpan<byte> message)
{
    public const int Varint = 0;
    public const int Fixed64 = 1;
    public const int Bytes = 2;
    public const int StartGroup = 3;
    public const int EndGroup = 4;
    public const int Fixed32 = 5;

    private const int MaxGroupDepth = 100;

    private ReadOnlySpan<byte> _rest = message;

    public readonly bool AtEnd => _rest.IsEmpty;

    public bool TryReadTag(out int field, out int wireType)
    {
        bool ok = TryReadVarint(out ulong tag) && tag >> 32 == 0 && tag >> 3 != 0;
        field = (int)(tag >> 3);
        wireType = (int)(tag & 7);
        return ok;
    }

    public bool TryReadVarint(out ulong value)
    {
        value = 0;
        for (int i = 0; i < 10 && i < _rest.Length; i++)
        {
            byte b = _rest[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                _rest = _rest[(i + 1)..];
                return i < 9 || b <= 1;
            }
        }

        return false;
    }

    public bool TryReadBytes(out ReadOnlySpan<byte> value)
    {
        if (!TryReadVarint(out ulong length) || length > (ulong)_rest.Length)
        {
            value = default;
            return false;
        }

        value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return true;
    }

    public bool TrySkip(int field, int wireType) => TrySkip(field, wireType, MaxGroupDepth);

    private bool TrySkip(int field, int wireType, int depth)
    {
        switch (wireType)
        {
            case Varint:
                return TryReadVarint(out _);
            case Fixed64:
                return TryAdvance(8);
            case Bytes:
                return TryReadBytes(out _);
            case Fixed32:
                return TryAdvance(4);
            case StartGroup when depth > 0:
                while (TryReadTag(out int inner, out int innerType))
                {
                    if (innerType == EndGroup)
                    {
                        return inner == field;
                    }

                    if (!TrySkip(inner, innerType, depth - 1))
                    {
                        return false;
                    }
                }

                return false;
            default:
                return false;
        }
    }

    private bool TryAdvance(int count)
    {
        if (_rest.Length < count)
        {
            return false;
        }

        _rest = _rest[count..];
        return true;
    }
}
