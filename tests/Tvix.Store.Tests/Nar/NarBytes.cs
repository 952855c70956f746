using System.Buffers.Binary;
using System.Text;

namespace Tvix.Store.Tests.Nar;

/// <summary>NARs put together by hand, good and bad, without any code of the library.</summary>
internal static class NarBytes
{
    public static byte[] Symlink => Archive(SymlinkNode("/nix/store/somewhereelse"));

    public static byte[] Hello => Archive(File("Hello World!"));

    public static byte[] EmptyFile => Archive(File(""));

    public static byte[] Exec => Archive(Executable("#!/bin/sh\necho hi\n"));

    public static byte[] EmptyDir => Archive(Directory());

    public static byte[] SmallDir => Archive(Directory(Entry("a", File("12345678")), Entry("b", SymlinkNode("a"))));

    public static byte[] Complicated => Archive(Directory(
        Entry(".keep", File("")),
        Entry("aa", SymlinkNode("/nix/store/somewhereelse")),
        Entry("keep", Directory(Entry(".keep", File(""))))));

    /// <summary>Name, bytes and SHA-256 of the well-formed samples. Spec: nix-formats §4.13.</summary>
    public static IEnumerable<(string Name, byte[] Bytes, int Size, string Sha256)> Samples =>
    [
        ("SYMLINK", Symlink, 136, "097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1"),
        ("HELLO", Hello, 128, "03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040"),
        ("EMPTYFILE", EmptyFile, 112, "77ac62e2629d8e45f624589c0c8bf99e24b3a722349bf1e79bc186008534e246"),
        ("EXEC", Exec, 168, "5e0accf02cedede5e4119ffa15e79e79a5fb1fb9bc43c3d434f33227a14477a0"),
        ("EMPTYDIR", EmptyDir, 96, "a50a5ab6d992f5598edd92105059fae9acfc192981e08bd88534c2167e92526a"),
        ("SMALLDIR", SmallDir, 480, "48e38de53c8ede62bf2c36451cc683d59d28a740ce7c7c90e74d9107d84fe14e"),
        ("COMPLICATED", Complicated, 840, "ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a"),
    ];

    public static byte[] Raw(string latin1) => Encoding.Latin1.GetBytes(latin1);

    public static byte[] U64(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    public static byte[] Str(byte[] bytes, byte pad = 0) =>
        [.. U64((ulong)bytes.Length), .. bytes, .. Enumerable.Repeat(pad, (8 - (bytes.Length % 8)) % 8)];

    public static byte[] Str(params string[] latin1) => Cat([.. latin1.Select(s => Str(Raw(s)))]);

    /// <summary>A string whose padding is not zero.</summary>
    public static byte[] BadStr(string latin1) => Str(Raw(latin1), pad: 1);

    public static byte[] Cat(params byte[][] parts) => [.. parts.SelectMany(p => p)];

    public static byte[] Archive(params byte[][] node) => Cat([Str("nix-archive-1"), .. node]);

    /// <summary>A node with whatever it is made of between its parentheses.</summary>
    public static byte[] Node(params byte[][] parts) => Cat([Str("("), .. parts, Str(")")]);

    public static byte[] File(string contents) => Node(Str("type", "regular", "contents", contents));

    public static byte[] File(byte[] contents, bool executable = false) =>
        Node(executable ? Str("type", "regular", "executable", "", "contents") : Str("type", "regular", "contents"), Str(contents));

    public static byte[] Executable(string contents) => Node(Str("type", "regular", "executable", "", "contents", contents));

    public static byte[] SymlinkNode(string target) => Node(Str("type", "symlink", "target", target));

    public static byte[] Directory(params byte[][] entries) => Node([Str("type", "directory"), .. entries]);

    public static byte[] Entry(string name, byte[] node) => Entry(Raw(name), node);

    public static byte[] Entry(byte[] name, byte[] node) => Cat(Str("entry", "(", "name"), Str(name), Str("node"), node, Str(")"));

    /// <summary>Directories inside each other, around an empty one.</summary>
    public static byte[] Nested(int levels)
    {
        byte[] start = Cat(Str("(", "type", "directory", "entry", "(", "name", "d", "node"));
        byte[] end = Str(")", ")");
        return Archive([.. Enumerable.Repeat(start, levels - 1), Directory(), .. Enumerable.Repeat(end, levels - 1)]);
    }
}
