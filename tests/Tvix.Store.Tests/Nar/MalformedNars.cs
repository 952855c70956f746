using NUnit.Framework;
using Tvix.Store.Nar;
using static Tvix.Store.Tests.Nar.NarBytes;

namespace Tvix.Store.Tests.Nar;

/// <summary>What a strict reader must reject, by the classes of the spec (nix-formats §4.5, §4.14).</summary>
internal static class MalformedNars
{
    private const NarError Token = NarError.UnexpectedToken;
    private const NarError End = NarError.UnexpectedEnd;
    private const NarError Padding = NarError.BadPadding;

    public static IEnumerable<TestCaseData> Cases()
    {
        foreach ((string label, byte[] bytes, NarError error) in All)
        {
            yield return new TestCaseData(bytes, error).SetArgDisplayNames(label);
        }
    }

    public static IEnumerable<(string Label, byte[] Bytes, NarError Error)> All =>
    [
        ("M01 empty input", [], End),
        ("M01 half a magic", Raw("\x0d\0\0\0"), End),
        ("M01 no end of node", Archive(Str("(", "type", "regular", "contents", "x")), End),
        ("M01 no end of directory", Archive(Str("(", "type", "directory")), End),
        ("M02 text", Cat(Str("nix-archive-2"), File("x")), NarError.BadMagic),
        ("M02 shorter", Cat(Str("nix-archive-"), File("x")), NarError.BadMagic),
        ("M02 longer", Cat(Str("nix-archive-11"), File("x")), NarError.BadMagic),
        ("M02 length", Cat(U64(1UL << 63), Raw("nix-archive-1\0\0\0"), File("x")), NarError.BadMagic),
        ("M02 something short", Raw("PK\x03\x04"), NarError.BadMagic),
        ("M03 after the magic", Cat(BadStr("nix-archive-1"), File("x")), Padding),
        ("M03 after a parenthesis", Archive(BadStr("("), Str("type", "regular", "contents", "x", ")")), Padding),
        ("M03 after type", Archive(Node(BadStr("type"), Str("regular", "contents", "x"))), Padding),
        ("M03 after regular", Archive(Node(Str("type"), BadStr("regular"), Str("contents", "x"))), Padding),
        ("M03 after executable", Archive(Node(Str("type", "regular"), BadStr("executable"), Str("", "contents", "x"))), Padding),
        ("M03 after symlink", Archive(Node(Str("type"), BadStr("symlink"), Str("target", "x"))), Padding),
        ("M03 after target", Archive(Node(Str("type", "symlink"), BadStr("target"), Str("x"))), Padding),
        ("M03 after directory", Archive(Node(Str("type"), BadStr("directory"))), Padding),
        ("M03 after entry", Archive(Directory(Cat(BadStr("entry"), Str("(", "name", "a", "node"), File(""), Str(")")))), Padding),
        ("M03 after name", Archive(Directory(Cat(Str("entry", "("), BadStr("name"), Str("a", "node"), File(""), Str(")")))), Padding),
        ("M03 after node", Archive(Directory(Cat(Str("entry", "(", "name", "a"), BadStr("node"), File(""), Str(")")))), Padding),
        ("M03 after the end of a file", Archive(Str("(", "type", "regular", "contents", "x"), BadStr(")")), Padding),
        ("M03 after the end of an empty file", Archive(Str("(", "type", "regular", "contents", ""), BadStr(")")), Padding),
        ("M03 after the end of a symlink", Archive(Str("(", "type", "symlink", "target", "x"), BadStr(")")), Padding),
        ("M03 after the end of a directory", Archive(Str("(", "type", "directory"), BadStr(")")), Padding),
        ("M03 after the end of an entry", Archive(Directory(Cat(Str("entry", "(", "name", "a", "node"), File(""), BadStr(")")))), Padding),
        ("M04 name", Archive(Directory(Cat(Str("entry", "(", "name"), BadStr("a"), Str("node"), File(""), Str(")")))), Padding),
        ("M04 target", Archive(Node(Str("type", "symlink", "target"), BadStr("a"))), Padding),
        ("M05 contents", Archive(Node(Str("type", "regular", "contents"), BadStr("Hello"))), Padding),
        ("M05 last byte of padding", Archive(Node(Str("type", "regular", "contents"), Cat(U64(5), Raw("Hello\0\0\x01")))), Padding),
        ("M05 executable", Archive(Node(Str("type", "regular", "executable", "", "contents"), BadStr("Hello"))), Padding),
        ("M06 upper case", Archive(Node(Str("TYPE", "regular", "contents", "x"))), Token),
        ("M06 huge length", Cat(Str("nix-archive-1"), Raw("\0\0\0\0\0\0\x80("))[..32], Token),
        ("M06 length 2^63", Archive(Cat(U64(1UL << 63), Raw("(\0\0\0\0\0\0\0"))), Token),
        ("M06 length one more", Archive(Node(Str("type\0", "regular", "contents", "x"))), Token),
        ("M06 regular misspelt", Archive(Node(Str("type", "regulas", "contents", "x"))), Token),
        ("M06 contents misspelt", Archive(Node(Str("type", "regular", "contentS", "x"))), Token),
        ("M06 other end of a file", Archive(Str("(", "type", "regular", "contents", "x", "]")), Token),
        ("M07 no type", Archive(Node(Str("regular", "contents", "x"))), Token),
        ("M07 type twice", Archive(Node(Str("type", "regular", "type", "regular", "contents", "x"))), Token),
        ("M07 nothing", Archive(Node()), Token),
        ("M08 fifo", Archive(Node(Str("type", "fifo"))), Token),
        ("M08 empty", Archive(Node(Str("type", ""))), Token),
        ("M08 in a directory", Archive(Directory(Entry("a", Node(Str("type", "socket"))))), Token),
        ("M09 plain", Archive(Node(Str("type", "regular"))), Token),
        ("M09 executable", Archive(Node(Str("type", "regular", "executable", ""))), Token),
        ("M10 not empty", Archive(Node(Str("type", "regular", "executable", "x", "contents", "y"))), Token),
        ("M11 after contents", Archive(Node(Str("type", "regular", "contents", "x", "executable", ""))), Token),
        ("M12 contents twice", Archive(Node(Str("type", "regular", "contents", "x", "contents", "x"))), Token),
        ("M12 contents twice, empty", Archive(Node(Str("type", "regular", "contents", "", "contents", ""))), Token),
        ("M13 2^40", Archive(Str("(", "type", "regular", "contents"), U64(1UL << 40), Raw("xxxxxxxx")), End),
        ("M13 2^62", Archive(Str("(", "type", "regular", "contents"), U64(1UL << 62), Raw("xxxxxxxx")), End),
        ("M13 2^63 − 1", Archive(Str("(", "type", "regular", "contents"), U64((1UL << 63) - 1), Raw("xxxxxxxx")), NarError.SizeOverflow),
        ("M13 2^63", Archive(Str("(", "type", "regular", "contents"), U64(1UL << 63), Raw("xxxxxxxx")), NarError.SizeOverflow),
        ("M13 2^64 − 1", Archive(Str("(", "type", "regular", "contents"), U64(ulong.MaxValue), Raw("xxxxxxxx")), NarError.SizeOverflow),
        ("M13 one more", Archive(Str("(", "type", "regular", "contents"), U64(9), Raw("xxxxxxxx"), Str(")")), Token),
        ("M13 one string more", Archive(Str("(", "type", "regular", "contents"), U64(16), Raw("xxxxxxxx"), Str(")")), Token),
        ("M14 no target", Archive(Node(Str("type", "symlink"))), Token),
        ("M14 contents instead", Archive(Node(Str("type", "symlink", "contents", "x"))), Token),
        ("M15 empty target", Archive(SymlinkNode("")), NarError.InvalidTarget),
        ("M16 NUL in the middle", Archive(SymlinkNode("a\0b")), NarError.InvalidTarget),
        ("M16 NUL at the end", Archive(SymlinkNode("a\0")), NarError.InvalidTarget),
        ("M17 4096", Archive(SymlinkNode(new string('x', 4096))), NarError.InvalidTarget),
        ("M17 2^64 − 1", Archive(Str("(", "type", "symlink", "target"), U64(ulong.MaxValue)), NarError.InvalidTarget),
        ("M18 symlink", Archive(Node(Str("type", "symlink", "executable", "", "target", "x"))), Token),
        ("M18 symlink, after the target", Archive(Node(Str("type", "symlink", "target", "x", "executable", ""))), Token),
        ("M18 directory", Archive(Node(Str("type", "directory", "executable", ""))), Token),
        ("M19 contents in a directory", Archive(Node(Str("type", "directory", "contents", "x"))), Token),
        ("M19 target in a directory", Archive(Node(Str("type", "directory", "target", "x"))), Token),
        ("M19 entry in a file", Archive(Node(Str("type", "regular", "contents", "x"), Entry("a", File("")))), Token),
        ("M19 entry in a symlink", Archive(Node(Str("type", "symlink", "target", "x"), Entry("a", File("")))), Token),
        ("M20 unsorted", Archive(Directory(Entry("b", File("1")), Entry("a", File("2")))), NarError.WrongOrder),
        ("M20 prefix after", Archive(Directory(Entry("ab", File("1")), Entry("a", File("2")))), NarError.WrongOrder),
        ("M20 signed order", Archive(Directory(Entry("\xff", File("1")), Entry("a", File("2")))), NarError.WrongOrder),
        ("M20 culture order", Archive(Directory(Entry("a", File("1")), Entry("B", File("2")))), NarError.WrongOrder),
        ("M20 after a directory",
            Archive(Directory(Entry("b", Directory(Entry("z", File("")))), Entry("a", File("2")))), NarError.WrongOrder),
        ("M21 twice", Archive(Directory(Entry("a", File("1")), Entry("a", File("1")))), NarError.DuplicateName),
        ("M21 twice, directories",
            Archive(Directory(Entry("a", Directory(Entry("b", File("")))), Entry("a", Directory()))), NarError.DuplicateName),
        ("M22 empty", Archive(Directory(Entry("", File("1")))), NarError.InvalidName),
        ("M22 dot", Archive(Directory(Entry(".", File("1")))), NarError.InvalidName),
        ("M22 dots", Archive(Directory(Entry("..", File("1")))), NarError.InvalidName),
        ("M23 slash", Archive(Directory(Entry("a/b", File("1")))), NarError.InvalidName),
        ("M23 only a slash", Archive(Directory(Entry("/", File("1")))), NarError.InvalidName),
        ("M23 NUL", Archive(Directory(Entry("a\0", File("1")))), NarError.InvalidName),
        ("M24 256", Archive(Directory(Entry(new string('x', 256), File("1")))), NarError.InvalidName),
        ("M24 2^63", Archive(Str("(", "type", "directory", "entry", "(", "name"), U64(1UL << 63)), NarError.InvalidName),
        ("M25 no name", Archive(Directory(Cat(Str("entry", "(", "node"), File(""), Str(")")))), Token),
        ("M25 node before name", Archive(Directory(Cat(Str("entry", "(", "node"), File(""), Str("name", "a", ")")))), Token),
        ("M25 name twice", Archive(Directory(Cat(Str("entry", "(", "name", "a", "name", "a", "node"), File(""), Str(")")))), Token),
        ("M26 no node", Archive(Directory(Str("entry", "(", "name", "a", ")"))), Token),
        ("M27 two nodes",
            Archive(Directory(Cat(Str("entry", "(", "name", "a", "node"), File(""), Str("node"), File(""), Str(")")))), Token),
        ("M28 a byte", Cat(Hello, Raw("X")), NarError.TrailingData),
        ("M28 zeros", Cat(EmptyDir, new byte[8]), NarError.TrailingData),
        ("M28 another NAR", Cat(Symlink, Symlink), NarError.TrailingData),
    ];
}
