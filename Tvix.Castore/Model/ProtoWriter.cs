namespace Tvix.Castore.Model;

/// <summary>
/// Writes the protobuf wire format into a span that is large enough; sizes are computed first with the <c>…Size</c> methods.
/// </summary>
/// <remarks>Fields with a default value are left out, as proto3 has it; callers write fields in ascending order.</remarks>
internal ref struct ProtoWriter(Span<byte> destination)
{
    private readonly Span<byte> _destination = destination;
    private int _at;

    public readonly int Written => _at;

    public static int VarintSize(ulong value) => value == 0 ? 1 : ((63 - System.Numerics.BitOperations.LeadingZeroCount(value)) / 7) + 1;

    public static int VarintFieldSize(ulong value) => value == 0 ? 0 : 1 + VarintSize(value);

    public static int BytesFieldSize(int length) => length == 0 ? 0 : MessageFieldSize(length);

    /// <summary>A field that is there even when it is empty: a sub-message, an element of a list.</summary>
    public static int MessageFieldSize(int length) => 1 + VarintSize((ulong)length) + length;

    public void WriteVarintField(int field, ulong value)
    {
        if (value != 0)
        {
            _destination[_at++] = (byte)((field << 3) | ProtoReader.Varint);
            WriteVarint(value);
        }
    }

    public void WriteBytesField(int field, ReadOnlySpan<byte> value)
    {
        if (!value.IsEmpty)
        {
            WriteElement(field, value);
        }
    }

    public void WriteDigestField(int field, B3Digest digest)
    {
        WriteMessageHeader(field, B3Digest.Size);
        digest.CopyTo(_destination[_at..]);
        _at += B3Digest.Size;
    }

    public void WriteElement(int field, ReadOnlySpan<byte> value)
    {
        WriteMessageHeader(field, value.Length);
        value.CopyTo(_destination[_at..]);
        _at += value.Length;
    }

    public void WriteMessageHeader(int field, int length)
    {
        _destination[_at++] = (byte)((field << 3) | ProtoReader.Bytes);
        WriteVarint((ulong)length);
    }

    private void WriteVarint(ulong value)
    {
        while (value >= 0x80)
        {
            _destination[_at++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _destination[_at++] = (byte)value;
    }
}
