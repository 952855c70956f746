using System.Buffers.Binary;

namespace Tvix.Store.Nix;

/// <summary>The hash part of a store path, 20 bytes: the key of path infos.</summary>
/// <remarks>
/// <para>The text form is 32 symbols of nixbase32. The order is that of the texts, which is that of the bytes compared from the last to the
/// first.</para>
/// <para><see langword="default"/> is the digest of 20 zero bytes: a valid value that no known path has.</para>
/// </remarks>
public readonly record struct StorePathDigest : IComparable<StorePathDigest>
{
    /// <summary>The length of a digest in bytes.</summary>
    public const int Size = 20;

    /// <summary>The length of the text form, in characters.</summary>
    public const int TextLength = 32;

    // One little-endian number in three parts: comparing from the high one compares the bytes from the last to the first.
    private readonly ulong _high, _middle;
    private readonly uint _low;

    /// <summary>Makes a digest from its raw bytes.</summary>
    /// <param name="bytes">Exactly <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> has another length.</exception>
    public StorePathDigest(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"The digest of a store path has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _low = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        _middle = BinaryPrimitives.ReadUInt64LittleEndian(bytes[4..]);
        _high = BinaryPrimitives.ReadUInt64LittleEndian(bytes[12..]);
    }

    /// <summary>Parses the text form.</summary>
    /// <exception cref="FormatException">
    /// <paramref name="text"/> is not 32 symbols of nixbase32; the message says what is wrong and where.
    /// </exception>
    public static StorePathDigest Parse(ReadOnlySpan<char> text)
    {
        Span<byte> bytes = stackalloc byte[Size];
        NixBase32Error error = NixBase32.TryDecode(text, bytes, out int position);
        return error == NixBase32Error.None
            ? new StorePathDigest(bytes)
            : throw new FormatException($"Not the hash part of a store path: {NixBase32.Describe(error, position)}.");
    }

    /// <summary>Parses the text form; <see langword="false"/> when <paramref name="text"/> is something else.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out StorePathDigest result)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool ok = NixBase32.TryDecode(text, bytes, out _) == NixBase32Error.None;
        result = ok ? new StorePathDigest(bytes) : default;
        return ok;
    }

    /// <summary>Writes the 20 raw bytes.</summary>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="destination"/> is too short.</exception>
    public void CopyTo(Span<byte> destination)
    {
        if (destination.Length < Size)
        {
            throw new ArgumentException($"The digest of a store path needs {Size} bytes.", nameof(destination));
        }

        BinaryPrimitives.WriteUInt32LittleEndian(destination, _low);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[4..], _middle);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[12..], _high);
    }

    /// <summary>The 20 raw bytes, as a new array.</summary>
    public byte[] ToByteArray()
    {
        byte[] bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Compares as the text forms do.</summary>
    public int CompareTo(StorePathDigest other)
    {
        int c = _high.CompareTo(other._high);
        c = c != 0 ? c : _middle.CompareTo(other._middle);
        return c != 0 ? c : _low.CompareTo(other._low);
    }

    /// <inheritdoc/>
    public override int GetHashCode() => _middle.GetHashCode();

    /// <summary>The text form, 32 symbols of nixbase32.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return NixBase32.Encode(bytes);
    }
}
