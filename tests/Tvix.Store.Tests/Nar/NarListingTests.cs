using System.Buffers;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarListingTests
{
    private static readonly string Main = Join(
        """
        {"version":1,"root":{"type":"directory","entries":{"bin":{"type":"directory","entries":{"main":{"type":"regular","size":71,
        "executable":true,"narOffset":400}}},"empty":{"type":"regular","size":0,"narOffset":688},"hello":{"type":"symlink",
        "target":"/nix/store/a17ah642xc653fw8pfw4kxqcgzjm5qi0-fixed-hello"},"self":{"type":"regular","size":53,"narOffset":1112}}}}
        """);

    private static readonly string Wild = Join(
        """
        {"root":{"entries":{"iso":{"entries":{"nixos-minimal-new-kernel-no-zfs-24.11pre660688.bee6b69aad74-x86_64-linux.iso":
        {"narOffset":440,"size":1051721728,"type":"regular"}},"type":"directory"},"nix-support":{"entries":{"hydra-build-products":
        {"narOffset":1051722544,"size":211,"type":"regular"},"system":{"narOffset":1051722944,"size":13,"type":"regular"}},
        "type":"directory"}},"type":"directory"},"version":1}
        """);

    // Long lines are broken in the source only.
    private static string Join(string lines) => lines.Replace("\n", "", StringComparison.Ordinal);

    private static NarListing Parse(string json) => NarListing.Parse(Encoding.UTF8.GetBytes(json));

    private static string Show(NarListing listing) => Encoding.UTF8.GetString(listing.ToUtf8Json());

    [Test]
    public async Task Create_SingleFile_GivesTheListingOfTheSpec()
    {
        TestTree tree = await TestTree.FileAsync("dependency\n"u8.ToArray());
        NarListing listing = await NarListing.CreateAsync(tree.Root, tree.Directories);
        Assert.That(Show(listing), Is.EqualTo("""{"version":1,"root":{"type":"regular","size":11,"narOffset":96}}"""));
    }

    [Test]
    public async Task Create_TreeOfTheSpec_GivesItsListing()
    {
        TestTree tree = new();
        B3Digest any = B3Digest.ParseHex(new string('d', 64));
        Node root = await tree.PutDirectoryAsync(
            ("bin", await tree.PutDirectoryAsync(("main", new Node.File(any, 71, true)))),
            ("empty", new Node.File(B3Digest.Empty, 0, false)),
            ("hello", new Node.Symlink(new SymlinkTarget("/nix/store/a17ah642xc653fw8pfw4kxqcgzjm5qi0-fixed-hello"))),
            ("self", new Node.File(any, 53, false)));
        Assert.That(Show(await NarListing.CreateAsync(root, tree.Directories)), Is.EqualTo(Main));
        Assert.That(Show(Parse(Main)), Is.EqualTo(Main));
    }

    [FsCheck.NUnit.Property(MaxTest = 100, Replay = "1,3")]
    public void Create_FromTreeAndFromNar_IsTheSame(int seed)
    {
        RunAsync().GetAwaiter().GetResult();

        async Task RunAsync()
        {
            TestTree tree = await TestTree.RandomAsync(seed);
            NarListing fromTree = await NarListing.CreateAsync(tree.Root, tree.Directories);
            await using NarReader reader = new(new MemoryStream(tree.Nar));
            NarListing fromNar = await NarListing.CreateAsync(reader);
            Assert.That(Describe(fromNar.Root), Is.EqualTo(Describe(fromTree.Root)));

            await using NarReader offsets = new(new MemoryStream(tree.Nar));
            Stack<NarListingNode> nodes = new([fromTree.Root]);
            while (await offsets.ReadAsync())
            {
                if (offsets.TokenType == NarTokenType.EndDirectory)
                {
                    continue;
                }

                NarListingNode node = nodes.Pop();
                if (node is NarListingNode.File file)
                {
                    Assert.That(file.NarOffset, Is.EqualTo((ulong)offsets.ContentsOffset));
                }

                foreach ((_, NarListingNode child) in node is NarListingNode.Directory d ? d.Entries.Reverse() : [])
                {
                    nodes.Push(child);
                }
            }
        }
    }

    [Test]
    public async Task Write_OddNames_EscapesAsNixDoes()
    {
        TestTree tree = new();
        Node.File x = new(B3Digest.ParseHex(new string('d', 64)), 1, false);
        Node root = await tree.PutDirectoryAsync(
            ("a\u0001b", x), ("a\bb", x), ("a\tb", x), ("a\nb", x), ("a\fb", x), ("a\rb", x), ("a\u001fb", x), ("a\"b", x), ("a\\b", x),
            ("a\u007fb", x), ("l", new Node.Symlink(new SymlinkTarget("/x/y\"\u0002"))), ("x", x), ("é😀\u2028<>&'+`", x));

        // The output of Nix 2.8.0 for the same tree.
        string expected = Join(
            """
            {"version":1,"root":{"type":"directory","entries":{"a\u0001b":{"type":"regular","size":1,"narOffset":232},
            "a\u0008b":{"type":"regular","size":1,"narOffset":424},"a\tb":{"type":"regular","size":1,"narOffset":616},
            "a\nb":{"type":"regular","size":1,"narOffset":808},"a\u000cb":{"type":"regular","size":1,"narOffset":1000},
            "a\rb":{"type":"regular","size":1,"narOffset":1192},"a\u001fb":{"type":"regular","size":1,"narOffset":1384},
            "a\"b":{"type":"regular","size":1,"narOffset":1576},"a\\b":{"type":"regular","size":1,"narOffset":1768},
            "aDELb":{"type":"regular","size":1,"narOffset":1960},"l":{"type":"symlink","target":"/x/y\"\u0002"},
            "x":{"type":"regular","size":1,"narOffset":2344},"é😀SEP<>&'+`":{"type":"regular","size":1,"narOffset":2544}}}}
            """).Replace("DEL", "\u007f", StringComparison.Ordinal).Replace("SEP", "\u2028", StringComparison.Ordinal);
        NarListing listing = await NarListing.CreateAsync(root, tree.Directories);
        Assert.That(Show(listing), Is.EqualTo(expected));
        Assert.That(Show(Parse(expected)), Is.EqualTo(expected));
    }

    [Test]
    public async Task Write_NotUtf8_IsNotSupported()
    {
        byte[] nar = NarBytes.Archive(NarBytes.Directory(NarBytes.Entry("a\xff", NarBytes.File(""))));
        await using NarReader name = new(new MemoryStream(nar));
        NarListing listing = await NarListing.CreateAsync(name);
        Assert.Throws<NotSupportedException>(() => listing.ToUtf8Json());
        await using NarReader target = new(new MemoryStream(NarBytes.Archive(NarBytes.SymlinkNode("a\xff"))));
        listing = await NarListing.CreateAsync(target);
        Assert.Throws<NotSupportedException>(() => listing.ToUtf8Json());
    }

    [Test]
    public void Locate_InAListingFromTheWild_FindsWhatIsThere()
    {
        NarListing listing = Parse(Wild);
        NarListingNode.File? file = listing.Locate("nix-support/hydra-build-products") as NarListingNode.File;
        Assert.That((file!.Size, file.NarOffset, file.Executable), Is.EqualTo((211UL, 1051722544UL, false)));
        Assert.That(listing.Locate("nix-support/does-not-exist"), Is.Null);
        Assert.That(listing.Locate("nix-support/system/below-a-file"), Is.Null);
        Assert.That(listing.Locate("./nix-support//./"), Is.SameAs(listing.Locate("nix-support")));
        Assert.That(listing.Locate("nix-support"), Is.InstanceOf<NarListingNode.Directory>());
        Assert.That(listing.Locate(""), Is.SameAs(listing.Root));
        Assert.That(listing.Locate("."), Is.SameAs(listing.Root));
    }

    [TestCase("..")]
    [TestCase("nix-support/../iso")]
    [TestCase("does-not-exist/..")]
    [TestCase("/nix-support")]
    [TestCase("/")]
    public void Locate_UnsupportedComponent_Throws(string path) => Assert.Throws<FormatException>(() => Parse(Wild).Locate(path));

    [Test]
    public void Locate_NotUtf8_Throws() => Assert.Throws<DecoderFallbackException>(() => Parse(Wild).Locate([(byte)'a', 0xff]));

    [Test]
    public void Parse_Tolerated_IsRead()
    {
        NarListing listing = Parse(
            """
            { "future": [{"a": {}}], "root": { "unknown": {"type": 1}, "executable": false, "size": 3, "type": "regular" }, "version": 1 }
            """);
        NarListingNode.File file = (NarListingNode.File)listing.Root;
        Assert.That((file.Size, file.Executable, file.NarOffset), Is.EqualTo((3UL, false, (ulong?)null)));
        Assert.That(Show(listing), Is.EqualTo("""{"version":1,"root":{"type":"regular","size":3}}"""));
        NarListing unsorted = Parse(
            """{"version":1,"root":{"type":"directory","entries":{"b":{"type":"regular","size":1},"a":{"type":"regular","size":2}}}}""");
        Assert.That(((NarListingNode.Directory)unsorted.Root).Entries.Select(e => e.Key.ToString()), Is.EqualTo(new[] { "a", "b" }));
    }

    [TestCase("", TestName = "Parse_Invalid_Throws(nothing)")]
    [TestCase("[]")]
    [TestCase("{}")]
    [TestCase("""{"version":1}""")]
    [TestCase("""{"root":{"type":"regular","size":3}}""")]
    [TestCase("""{"version":2,"root":{"type":"regular","size":3}}""")]
    [TestCase("""{"version":"1","root":{"type":"regular","size":3}}""")]
    [TestCase("""{"version":1.5,"root":{"type":"regular","size":3}}""")]
    [TestCase("""{"version":1,"root":[]}""")]
    [TestCase("""{"version":1,"root":{}}""")]
    [TestCase("""{"version":1,"root":{"type":"fifo"}}""")]
    [TestCase("""{"version":1,"root":{"type":7}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular"}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":-1}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":"3"}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":18446744073709551616}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":3,"executable":1}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":3,"narOffset":null}}""")]
    [TestCase("""{"version":1,"root":{"type":"symlink"}}""")]
    [TestCase("""{"version":1,"root":{"type":"symlink","target":""}}""")]
    [TestCase("""{"version":1,"root":{"type":"symlink","target":"a\u0000"}}""")]
    [TestCase("""{"version":1,"root":{"type":"symlink","target":"\ud800"}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory"}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":[]}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":{"a":1}}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":{"..":{"type":"regular","size":3}}}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":{"a/b":{"type":"regular","size":3}}}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":{"":{"type":"regular","size":3}}}}""")]
    [TestCase("""{"version":1,"root":{"type":"directory","entries":{"a":{"type":"regular","size":3},"a":{"type":"regular","size":3}}}}""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":3}} x""")]
    [TestCase("""{"version":1,"root":{"type":"regular","size":3}""")]
    public void Parse_Invalid_Throws(string json) => Assert.Throws<FormatException>(() => Parse(json));

    [Test]
    public void Parse_NotUtf8_Throws() =>
        Assert.Throws<FormatException>(
            () => NarListing.Parse(NarBytes.Raw("""{"version":1,"root":{"type":"symlink","target":"a""" + "\xff\"}}")));

    [TestCase(4096, true)]
    [TestCase(4097, false)]
    public void Parse_Deep_IsReadUpToTheLimit(int levels, bool accepted)
    {
        string json = "{\"version\":1,\"root\":" + string.Concat(Enumerable.Repeat("{\"type\":\"directory\",\"entries\":{\"d\":", levels))
            + "{\"type\":\"symlink\",\"target\":\"x\"}" + new string('}', (2 * levels) + 1);
        if (accepted)
        {
            Assert.That(Show(Parse(json)), Is.EqualTo(json));
        }
        else
        {
            Assert.Throws<FormatException>(() => Parse(json));
        }
    }

    [Test]
    public async Task Create_ReaderThatHasMoved_Throws()
    {
        await using NarReader reader = new(new MemoryStream(NarBytes.Complicated));
        await reader.ReadAsync();
        Assert.ThrowsAsync<InvalidOperationException>(async () => await NarListing.CreateAsync(reader));
    }

    private static string Describe(NarListingNode node) => node switch
    {
        NarListingNode.File file => $"{file.Size} {file.Executable} {file.NarOffset}",
        NarListingNode.Symlink symlink => Convert.ToHexString(symlink.Target.Bytes),
        NarListingNode.Directory directory =>
            "[" + string.Join(",", directory.Entries.Select(e => Convert.ToHexString(e.Key.Bytes) + ":" + Describe(e.Value))) + "]",
        _ => "",
    };

    [Test]
    public void WriteNode_OfAPart_IsWhatNixPrints()
    {
        NarListing listing = Parse(Main);
        ArrayBufferWriter<byte> json = new();
        NarListing.WriteNodeTo(json, listing.Locate("bin")!);
        Assert.That(
            Encoding.UTF8.GetString(json.WrittenSpan),
            Is.EqualTo("""{"type":"directory","entries":{"main":{"type":"regular","size":71,"executable":true,"narOffset":400}}}"""));
        json.Clear();
        NarListing.WriteNodeTo(json, listing.Root, recursive: false);
        Assert.That(
            Encoding.UTF8.GetString(json.WrittenSpan),
            Is.EqualTo("""{"type":"directory","entries":{"bin":{},"empty":{},"hello":{},"self":{}}}"""));
    }
}
