using System.Text;

namespace Tvix.Castore.Tests.Import;

/// <summary>Writes tar archives block by block, also such as no program would write.</summary>
internal sealed class TarBuilder
{
    private readonly MemoryStream _archive = new();

    public TarBuilder File(string name, string content, string mode = "0000644") => File(Latin1(name), Latin1(content), mode);

    public TarBuilder File(byte[] name, byte[] content, string mode = "0000644") =>
        Header(name, '0', content.Length, mode: mode).Data(content);

    public TarBuilder Directory(string name) => Header(Latin1(name), '5', 0, mode: "0000755");

    public TarBuilder Symlink(string name, string target) => Header(Latin1(name), '2', 0, Latin1(target));

    public TarBuilder HardLink(string name, string target) => Header(Latin1(name), '1', 0, Latin1(target));

    public TarBuilder Pax(params string[] records) => Pax(Latin1(string.Concat(records.Select(Record))));

    public TarBuilder Pax(byte[] records) => Header("pax"u8.ToArray(), 'x', records.Length).Data(records);

    public TarBuilder Extended(char type, byte[] data) => Header("././@LongLink"u8.ToArray(), type, data.Length).Data(data);

    public TarBuilder Header(
        byte[] name,
        char type,
        long size,
        byte[]? link = null,
        string mode = "0000644",
        string magic = "ustar\000",
        Action<byte[]>? change = null,
        byte[]? sizeField = null)
    {
        byte[] block = new byte[512];
        name.CopyTo(block, 0);
        Encoding.Latin1.GetBytes(mode).CopyTo(block, 100);
        (sizeField ?? Encoding.Latin1.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0'))).CopyTo(block, 124);
        "00000000000"u8.CopyTo(block.AsSpan(136));
        block[156] = (byte)type;
        link?.CopyTo(block, 157);
        Encoding.Latin1.GetBytes(magic).CopyTo(block, 257);
        change?.Invoke(block);
        return Block(block, checksum: true);
    }

    public TarBuilder Block(byte[] block, bool checksum = false)
    {
        if (checksum)
        {
            "        "u8.CopyTo(block.AsSpan(148));
            string sum = Convert.ToString(block.Sum(b => b), 8).PadLeft(6, '0') + "\0 ";
            Encoding.Latin1.GetBytes(sum).CopyTo(block, 148);
        }

        _archive.Write(block);
        return this;
    }

    public TarBuilder Data(byte[] data)
    {
        _archive.Write(data);
        _archive.Write(new byte[-data.Length & 511]);
        return this;
    }

    public byte[] ToArrayWithoutEnd() => _archive.ToArray();

    public byte[] ToArray() => [.. _archive.ToArray(), .. new byte[1024]];

    public static byte[] Latin1(string text) => Encoding.Latin1.GetBytes(text);

    private static string Record(string record)
    {
        int length = record.Length + 2;
        while (length != record.Length + 2 + length.ToString().Length)
        {
            length = record.Length + 2 + length.ToString().Length;
        }

        return $"{length} {record}\n";
    }
}
