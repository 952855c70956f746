namespace Tvix.Castore.Tests.Model;

/// <summary>
/// Looks in a message that Google.Protobuf accepts for what our decoder rejects on purpose: a known field of another wire type, a wire type
/// that does not exist, a tag or length of more than 32 bits, a number of more than 64.
/// </summary>
internal static class WireStrictness
{
    /// <param name="message">A directory or node message, whose elements are fields 1 to 3, or one of those elements.</param>
    /// <param name="depth">1 for the outer message, 0 for an element.</param>
    /// <param name="kind">For an element, the field it came in.</param>
    public static bool IsStricter(ReadOnlySpan<byte> message, int depth, int kind = 0)
    {
        Stack<ulong> groups = [];
        int at = 0;
        while (at < message.Length)
        {
            if (!TryReadVarint(message, ref at, out UInt128 tag))
            {
                return false;
            }

            if (tag > uint.MaxValue)
            {
                return true;
            }

            ulong field = (ulong)tag >> 3;
            int wireType = (int)(tag & 7);
            if (groups.Count == 0 && ExpectedWireType(field, depth, kind) is { } expected && expected != wireType)
            {
                return true;
            }

            switch (wireType)
            {
                case 0:
                    if (!TryReadVarint(message, ref at, out UInt128 number))
                    {
                        return false;
                    }

                    if (number > ulong.MaxValue)
                    {
                        return true;
                    }

                    break;
                case 1:
                    at += 8;
                    break;
                case 2:
                    if (!TryReadVarint(message, ref at, out UInt128 length))
                    {
                        return false;
                    }

                    if (length > int.MaxValue)
                    {
                        return true;
                    }

                    if (length > (UInt128)(message.Length - at))
                    {
                        return false;
                    }

                    if (depth > 0 && groups.Count == 0 && field is >= 1 and <= 3 && IsStricter(
                        message.Slice(at, (int)length), depth - 1, (int)field))
                    {
                        return true;
                    }

                    at += (int)length;
                    break;
                case 3:
                    groups.Push(field);
                    break;
                case 4:
                    if (!groups.TryPop(out ulong started) || started != field)
                    {
                        return false;
                    }

                    break;
                case 5:
                    at += 4;
                    break;
                default:
                    return true;
            }
        }

        return false;
    }

    private static int? ExpectedWireType(ulong field, int depth, int kind) => (depth, field) switch
    {
        (1, >= 1 and <= 3) => 2,
        (0, 1 or 2) => 2,
        (0, 3) when kind != 3 => 0,
        (0, 4) when kind == 2 => 0,
        _ => null,
    };

    private static bool TryReadVarint(ReadOnlySpan<byte> message, ref int at, out UInt128 value)
    {
        value = 0;
        for (int shift = 0; shift < 70 && at < message.Length; shift += 7)
        {
            byte b = message[at++];
            value |= (UInt128)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                return true;
            }
        }

        return false;
    }
}
