using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Compression;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Castore.Tests.Chunking;

namespace Tvix.Castore.Tests.Import;

[TestFixture]
public sealed class TarImporterTests
{
    private static readonly B3Digest s_keep =
        new(Convert.FromHexString("8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e"));

    private MemoryBlobService _blobs = null!;
    private MemoryDirectoryService _directories = null!;

    [SetUp]
    public void SetUp()
    {
        _blobs = new MemoryBlobService();
        _directories = new MemoryDirectoryService();
    }

    [Test]
    public async Task Import_PublishedGraph_MakesTheParents()
    {
        Node root = await ImportAsync(new TarBuilder().File("a/b/c", "x").ToArray());
        Assert.That(await ShowAsync(root), Is.EqualTo(new[] { "b/", "b/c=x" }));
    }

    [Test]
    public async Task Import_KeepFile_GivesThePublishedDirectory() =>
        Assert.That(
            await ImportAsync(new TarBuilder().Directory("foo/").File("foo/.keep", "").ToArray()),
            Is.EqualTo(new Node.Directory(s_keep, 2)));

    [TestCase(DirectorySizeRule.EntriesTwice, "424a7f6ce08d805d15b428062faae96299a1675d708c3a39261afe38cdd04feb")]
    [TestCase(DirectorySizeRule.EntriesOnce, "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a")]
    public async Task Import_Tree_GivesThePublishedDirectory(DirectorySizeRule rule, string digest)
    {
        byte[] archive = new TarBuilder()
            .Directory("x").File("x/.keep", "").Symlink("x/aa", "/nix/store/somewhereelse").File("x/keep/.keep", "").ToArray();
        Node root = await ImportAsync(archive, new TarImportOptions { SizeRule = rule });
        Assert.That(((Node.Directory)root).Digest, Is.EqualTo(new B3Digest(Convert.FromHexString(digest))));
        Assert.That(await _directories.GetAsync(s_keep), Is.Not.Null);
    }

    [TestCase(TarEntryFormat.V7)]
    [TestCase(TarEntryFormat.Ustar)]
    [TestCase(TarEntryFormat.Gnu)]
    [TestCase(TarEntryFormat.Pax)]
    public async Task Import_WrittenByTheFramework_IsRead(TarEntryFormat format)
    {
        using MemoryStream file = new();
        using (TarWriter writer = new(file, format, leaveOpen: true))
        {
            writer.WriteEntry(New(TarEntryType.Directory, "dir/"));
            TarEntry regular = New(format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile, "dir/run.sh");
            regular.Mode = UnixFileMode.UserExecute | UnixFileMode.UserRead;
            regular.DataStream = new MemoryStream("echo"u8.ToArray());
            writer.WriteEntry(regular);
            TarEntry link = New(TarEntryType.SymbolicLink, "dir/link");
            link.LinkName = "../../outside";
            writer.WriteEntry(link);
            if (format is TarEntryFormat.Gnu or TarEntryFormat.Pax)
            {
                TarEntry longLink = New(TarEntryType.SymbolicLink, "dir/" + new string('n', 200));
                longLink.LinkName = new string('t', 300);
                writer.WriteEntry(longLink);
            }
        }

        string[] expected = ["link->../../outside", $"{new string('n', 200)}->{new string('t', 300)}", "run.sh*=echo"];
        Assert.That(
            await ShowAsync(await ImportAsync(file.ToArray())),
            Is.EqualTo(format is TarEntryFormat.Gnu or TarEntryFormat.Pax ? expected : [expected[0], expected[2]]));

        TarEntry New(TarEntryType type, string name) => format switch
        {
            TarEntryFormat.V7 => new V7TarEntry(type, name),
            TarEntryFormat.Ustar => new UstarTarEntry(type, name),
            TarEntryFormat.Gnu => new GnuTarEntry(type, name),
            _ => new PaxTarEntry(type, name),
        };
    }

    [Test]
    public async Task Import_Compressed_IsRecognised()
    {
        byte[] plain = new TarBuilder().File("a/b", "content").ToArray();
        using MemoryStream gzip = new();
        using (GZipStream stream = new(gzip, CompressionLevel.Fastest, leaveOpen: true))
        {
            stream.Write(plain);
        }

        byte[] skippable = [0x51, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 99, .. Zstd.Compress(plain)];
        foreach (byte[] archive in new[] { plain, gzip.ToArray(), Zstd.Compress(plain), skippable })
        {
            Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "b=content" }));
        }
    }

    [Test]
    public void Import_CompressedDamagedOrUnknown_Throws()
    {
        byte[] zstd = Zstd.Compress(new TarBuilder().File("a/b", "content").ToArray());
        byte[] gzip = [0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        using (Assert.EnterMultipleScope())
        {
            Expect(zstd[..^5], ImportError.InvalidArchive);
            Expect([.. zstd, 1, 2, 3, 4, 5], ImportError.InvalidArchive);
            Expect(gzip, ImportError.InvalidArchive);
            Expect([0xfd, .. "7zXZ\0..."u8], ImportError.InvalidArchive, message: "xz");
            Expect([.. "BZh9...."u8], ImportError.InvalidArchive, message: "bzip2");
        }
    }

    [Test]
    public async Task Import_LaterMembers_TakeThePlaceOfEarlierOnes()
    {
        byte[] archive = new TarBuilder()
            .File("r/file", "1").File("r/file", "2")
            .File("r/dir/a", "a").Directory("r/dir").File("r/dir/b", "b")
            .File("r/gone/a", "a").File("r/gone", "file now")
            .File("r/parent", "file").File("r/parent/child", "c")
            .Symlink("r/link", "x").Directory("r/link")
            .ToArray();
        Assert.That(
            await ShowAsync(await ImportAsync(archive)),
            Is.EqualTo(new[] { "dir/", "dir/a=a", "dir/b=b", "file=2", "gone=file now", "link/", "parent/", "parent/child=c" }));
    }

    [Test]
    public async Task Import_UnusualPaths_AreCleaned()
    {
        byte[] archive = new TarBuilder().Directory("./").Directory("./r/").File("./r//a/../b", "1").File("r/./c", "2").ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "b=1", "c=2" }));
    }

    [Test]
    public async Task Import_NameIsNoUtf8_KeepsTheBytes()
    {
        byte[] archive = new TarBuilder().File([(byte)'r', (byte)'/', 0xc5, 0xc4, 0xd6], [1]).Symlink("r/l", "\u00ff\u00fe").ToArray();
        CastoreDirectory? root = await _directories.GetAsync(((Node.Directory)await ImportAsync(archive)).Digest);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(root!.TryGetNode([0xc5, 0xc4, 0xd6], out _), Is.True);
            Assert.That(root.TryGetNode("l"u8, out Node? link), Is.True);
            Assert.That(((Node.Symlink)link!).Target.Bytes.ToArray(), Is.EqualTo(new byte[] { 0xff, 0xfe }));
        }
    }

    [TestCase("/abs", "/abs")]
    [TestCase("../up", "../up")]
    [TestCase("a/../../up", "a/../../up")]
    [TestCase("..", "..")]
    public void Import_PathLeadsOut_Throws(string name, string path) =>
        Expect(new TarBuilder().File("r/ok", "1").File(name, "1").ToArray(), ImportError.InvalidPath, path);

    [Test]
    public void Import_NameTooLongOrWithNul_Throws()
    {
        string longName = "r/" + new string('x', 256);
        using (Assert.EnterMultipleScope())
        {
            Expect(
                new TarBuilder().Extended('L', TarBuilder.Latin1(longName + "\0")).File("short", "1").ToArray(),
                ImportError.InvalidPath, longName);
            Expect(new TarBuilder().Pax("path=r/a\0b").File("short", "1").ToArray(), ImportError.InvalidPath, "r/a\0b");
            Expect(new TarBuilder().Header("./"u8.ToArray(), '7', 0).ToArray(), ImportError.InvalidPath, "./", "no name");
        }
    }

    [Test]
    public async Task Import_LinksOutOfTheTree_AreStoredAsTheyAre()
    {
        byte[] archive = new TarBuilder()
            .Symlink("r/up", "../../../etc/passwd").Symlink("r/abs", "/etc").File("r/abs2/passwd", "p").ToArray();
        Assert.That(
            await ShowAsync(await ImportAsync(archive)),
            Is.EqualTo(new[] { "abs->/etc", "abs2/", "abs2/passwd=p", "up->../../../etc/passwd" }));
    }

    [Test]
    public async Task Import_MemberBelowASymlink_DoesNotFollowIt()
    {
        byte[] archive = new TarBuilder().Symlink("r/link", "/etc").File("r/link/passwd", "p").ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "link/", "link/passwd=p" }));
    }

    [Test]
    public void Import_SymlinkTargetMissingOrTooLong_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Expect(new TarBuilder().Symlink("r/l", "").ToArray(), ImportError.InvalidSymlinkTarget, "r/l");
            Expect(
                new TarBuilder().Extended('K', TarBuilder.Latin1(new string('t', 4096))).Symlink("r/l", "t").ToArray(),
                ImportError.InvalidSymlinkTarget, "r/l");
        }
    }

    [Test]
    public async Task Import_HardLinkToAnEarlierFile_SharesItsContents()
    {
        byte[] archive = new TarBuilder().File("r/a", "same", "0000755").HardLink("r/b", "./r/a").HardLink("r/c", "r/b").ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "a*=same", "b*=same", "c*=same" }));
    }

    [TestCase("r/later")]
    [TestCase("r/link")]
    [TestCase("r")]
    [TestCase("r/file/below")]
    [TestCase("/etc/passwd", ImportError.InvalidPath)]
    [TestCase("../x", ImportError.InvalidPath)]
    public void Import_HardLinkToSomethingElse_Throws(string target, ImportError error = ImportError.UnsupportedFileType) =>
        Expect(
            new TarBuilder().File("r/file", "1").Symlink("r/link", "file").HardLink("r/hard", target).File("r/later", "2").ToArray(),
            error,
            "r/hard");

    [TestCase('3', "character device")]
    [TestCase('4', "block device")]
    [TestCase('6', "FIFO")]
    [TestCase('V', "0x56")]
    [TestCase('D', "0x44")]
    public void Import_UnsupportedType_ThrowsWithTheName(char type, string message) =>
        Expect(new TarBuilder().Header("r/dev"u8.ToArray(), type, 0).ToArray(), ImportError.UnsupportedFileType, "r/dev", message);

    [Test]
    public void Import_NotASingleDirectoryAtTheTop_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Expect(new TarBuilder().Directory("a").Directory("b").ToArray(), ImportError.UnexpectedTopLevel, "b");
            Expect(new TarBuilder().File("./a", "").File("./b", "").ToArray(), ImportError.UnexpectedTopLevel, "./b");
            Expect(new TarBuilder().File("a", "").ToArray(), ImportError.UnexpectedTopLevel, "a");
            Expect(new TarBuilder().Symlink("a", "b").ToArray(), ImportError.UnexpectedTopLevel, "a");
            Expect(new TarBuilder().File("a/b", "").File("a", "").ToArray(), ImportError.UnexpectedTopLevel, "a");
            Expect(new TarBuilder().ToArray(), ImportError.UnexpectedTopLevel);
            Expect(new TarBuilder().Directory("./").ToArray(), ImportError.UnexpectedTopLevel);
        }
    }

    [Test]
    public async Task Import_Whole_TakesTheTopAsTheRoot()
    {
        TarImportOptions whole = new() { TopLevel = TarTopLevel.Whole };
        byte[] archive = new TarBuilder().Directory("./").File("./a", "1").Symlink("./b", "a").File("c/d", "2").ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive, whole)), Is.EqualTo(new[] { "a=1", "b->a", "c/", "c/d=2" }));
        Assert.That(await ImportAsync(new TarBuilder().ToArray(), whole), Is.EqualTo(CastoreDirectory.Empty.ToNode()));
    }

    [Test]
    public void Import_CutAtEveryBlock_Throws()
    {
        byte[] archive = new TarBuilder()
            .Directory("r").File("r/a", new string('x', 1200)).Extended('L', TarBuilder.Latin1("r/" + new string('n', 150)))
            .File("short", "1").Pax("path=r/pax").File("short", "2").Symlink("r/l", "t").ToArrayWithoutEnd();
        for (int length = 0; length <= archive.Length; length += 512)
        {
            Expect(archive[..length], ImportError.TruncatedArchive);
            if (length > 0)
            {
                Expect(archive[..(length - 1)], ImportError.TruncatedArchive);
            }
        }
    }

    [Test]
    public async Task Import_MissingEndMarkerAllowed_IsTakenOnlyBetweenMembers()
    {
        TarImportOptions lenient = new() { AllowMissingEndMarker = true };
        byte[] archive = new TarBuilder().File("r/a", "1").ToArrayWithoutEnd();
        Assert.That(await ShowAsync(await ImportAsync(archive, lenient)), Is.EqualTo(new[] { "a=1" }));
        using (Assert.EnterMultipleScope())
        {
            Expect(archive[..512], ImportError.TruncatedArchive, "r/a", options: lenient);
            Expect(archive[..700], ImportError.TruncatedArchive, "r/a", options: lenient);
            Expect([.. archive, .. archive[..100]], ImportError.TruncatedArchive, options: lenient);
            Expect([.. archive, .. new TarBuilder().Pax("path=x").ToArrayWithoutEnd()], ImportError.TruncatedArchive, options: lenient);
        }
    }

    [Test]
    public void Import_DamagedHeaders_Throw()
    {
        byte[] wrongChecksum = new TarBuilder().File("r/a", "1").ToArray();
        wrongChecksum[0] ^= 1;
        byte[] huge = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        byte[] beyond = [0x81, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        byte[] negative = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        using (Assert.EnterMultipleScope())
        {
            Expect(wrongChecksum, ImportError.InvalidArchive, message: "checksum");
            Expect([.. TarBuilder.Latin1("This is no archive at all, but some text."), .. new byte[600]], ImportError.InvalidArchive);
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), '0', 0, sizeField: "0000008"u8.ToArray()).ToArray(),
                ImportError.InvalidArchive, message: "size");
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), '0', 0, sizeField: huge).ToArray(),
                ImportError.InvalidArchive, message: "bounds");
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), '0', 0, sizeField: beyond).ToArray(),
                ImportError.InvalidArchive, message: "size");
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), '0', 0, sizeField: negative).ToArray(),
                ImportError.InvalidArchive, message: "size");
            Expect(new TarBuilder().Pax("not a record"u8.ToArray()).File("r/a", "").ToArray(), ImportError.InvalidArchive, message: "pax");
            Expect(new TarBuilder().Pax("9 size=1x\n"u8.ToArray()).File("r/a", "").ToArray(), ImportError.InvalidArchive, message: "pax");
            Expect(new TarBuilder().Pax("size=-1").File("r/a", "").ToArray(), ImportError.InvalidArchive, message: "pax");
            Expect(new TarBuilder().Pax("path=r/a").ToArray(), ImportError.InvalidArchive, message: "followed by no member");
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), 'x', 0, sizeField: "17777777777"u8.ToArray()).ToArray(),
                ImportError.InvalidArchive, message: "allowed");
            Expect(
                new TarBuilder().Header("r/a"u8.ToArray(), 'L', 0, sizeField: "17777777777"u8.ToArray()).ToArray(),
                ImportError.InvalidArchive, message: "allowed");
        }
    }

    [Test]
    public async Task Import_PaxSize_Decides()
    {
        byte[] archive = new TarBuilder()
            .Pax("size=5", "comment=x", "mtime=1.5").Header("r/a"u8.ToArray(), '0', 0).Data("hello"u8.ToArray())
            .Header("r/g"u8.ToArray(), 'g', 3).Data([1, 2, 3]).ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "a=hello" }));
    }

    [Test]
    public async Task Import_OldDirectoryAndBinarySize_AreUnderstood()
    {
        byte[] five = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        byte[] archive = new TarBuilder()
            .Header("r/dir/"u8.ToArray(), '\0', 0, magic: "").Header("r/a"u8.ToArray(), '\0', 0, magic: "", sizeField: five)
            .Data("hello"u8.ToArray()).ToArray();
        Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "a=hello", "dir/" }));
    }

    [Test]
    public async Task Import_Sparse_IsExpanded()
    {
        byte[] zeroOne = new TarBuilder()
            .Pax("GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=r/s", "GNU.sparse.size=10", "GNU.sparse.map=2,3,7,1")
            .File("GNUSparseFile.1/s", "abcd").ToArray();
        byte[] zeroZero = new TarBuilder()
            .Pax(
                "GNU.sparse.size=10", "GNU.sparse.numblocks=2", "GNU.sparse.offset=2", "GNU.sparse.numbytes=3",
                "GNU.sparse.offset=7", "GNU.sparse.numbytes=1")
            .File("r/s", "abcd").ToArray();
        byte[] data = [.. "2\n2\n3\n7\n1\n"u8, .. new byte[502], .. "abcd"u8];
        byte[] oneZero = new TarBuilder().Pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=r/s", "GNU.sparse.realsize=10")
            .File(TarBuilder.Latin1("r/GNUSparseFile.1/s"), data).ToArray();
        byte[] old = new TarBuilder().Header("r/s"u8.ToArray(), 'S', 4, magic: "ustar  ", change: block =>
        {
            "00000000002\000000000003\000000000007\000000000001\0"u8.CopyTo(block.AsSpan(386));
            "00000000012"u8.CopyTo(block.AsSpan(483));
        }).Data("abcd"u8.ToArray()).ToArray();
        foreach (byte[] archive in new[] { zeroOne, zeroZero, oneZero, old })
        {
            Assert.That(await ShowAsync(await ImportAsync(archive)), Is.EqualTo(new[] { "s=\0\0abc\0\0d\0\0" }));
        }
    }

    [TestCase("GNU.sparse.map=2,3,7,1", "GNU.sparse.size=7", "abcd", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,3,4,1", "GNU.sparse.size=10", "abcd", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,3,7,1", "GNU.sparse.size=10", "abc", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,3,7,1", "GNU.sparse.size=10", "abcde", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,3,7", "GNU.sparse.size=10", "abc", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,9223372036854775807", "GNU.sparse.size=10", "abc", ImportError.UnexpectedSize)]
    [TestCase("GNU.sparse.map=2,x", "GNU.sparse.size=10", "abc", ImportError.InvalidArchive)]
    [TestCase("GNU.sparse.map=2,3", "GNU.sparse.x=10", "abc", ImportError.InvalidArchive)]
    [TestCase("GNU.sparse.major=2", "GNU.sparse.size=10", "abc", ImportError.InvalidArchive)]
    [TestCase("GNU.sparse.offset=2", "GNU.sparse.offset=10", "abc", ImportError.InvalidArchive)]
    [TestCase("GNU.sparse.major=1", "GNU.sparse.realsize=10", "1\n2\nabc", ImportError.InvalidArchive)]
    [TestCase("GNU.sparse.major=1", "GNU.sparse.realsize=10", "999999999\n", ImportError.InvalidArchive)]
    public void Import_SparseMapWrong_Throws(string first, string second, string data, ImportError error)
    {
        // Format 1.0 wants whole blocks before the data.
        byte[] stored = TarBuilder.Latin1(first.Contains("major=1") ? data.PadRight(512, 'x') : data);
        Expect(new TarBuilder().Pax(first, second).File(TarBuilder.Latin1("r/s"), stored).ToArray(), error);
    }

    [Test]
    public void Import_SparseFileOfManyZeros_IsLimited() =>
        Expect(
            new TarBuilder().Pax("GNU.sparse.map=0,0", "GNU.sparse.size=4611686018427387000").File("r/s", "").ToArray(),
            ImportError.LimitExceeded,
            "r/s",
            options: new TarImportOptions { MaxContentBytes = 1 << 20 });

    [Test]
    public void Import_TooManyEntriesOrBytes_Throws()
    {
        byte[] archive = new TarBuilder().File("r/a", "12345").File("r/b", "12345").ToArray();
        using (Assert.EnterMultipleScope())
        {
            Expect(archive, ImportError.LimitExceeded, "r/b", options: new TarImportOptions { MaxEntries = 2 });
            Expect(archive, ImportError.LimitExceeded, "r/b", options: new TarImportOptions { MaxContentBytes = 9 });
            Expect(
                new TarBuilder().Pax("path=" + string.Join('/', Enumerable.Repeat("a", 10_000))).File("x", "").ToArray(),
                ImportError.LimitExceeded,
                options: new TarImportOptions { MaxEntries = 9_999 });
            Assert.That(ImportAsync(archive, new TarImportOptions { MaxEntries = 3, MaxContentBytes = 10 }).Result, Is.Not.Null);
        }
    }

    [Test]
    public async Task Import_DeeplyNested_Works()
    {
        byte[] archive = new TarBuilder().Pax("path=" + string.Join('/', Enumerable.Repeat("a", 10_000))).File("x", "deep").ToArray();
        Node node = await ImportAsync(archive);
        for (int i = 0; i < 9_999; i++)
        {
            node = (await _directories.GetAsync(((Node.Directory)node).Digest))![0].Node;
        }

        Assert.That(node, Is.InstanceOf<Node.File>());
    }

    [Test]
    public void Constructor_OptionOutOfRange_Throws()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => New(new TarImportOptions { MaxEntries = 0 }), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => New(new TarImportOptions { MaxContentBytes = -1 }), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => New(new TarImportOptions { MaxBufferedBytes = 1000 }), Throws.TypeOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public async Task Import_ManyFilesOfAllSizes_KeepTheirContents()
    {
        TarBuilder builder = new();
        Dictionary<string, byte[]> contents = [];
        for (int i = 0; i < 300; i++)
        {
            byte[] content = TestData.Lcg((ulong)i, i % 50 == 0 ? 40_000 * i / 50 : i * 11);
            contents.Add($"f{i}", content);
            builder.File(TarBuilder.Latin1($"r/d{i % 7}/f{i}"), content);
        }

        List<ImportProgress> reports = [];
        Node root = await New(new TarImportOptions { MaxBufferedBytes = 1 << 17 })
            .ImportAsync(new SlowStream(builder.ToArray(), 3000), new Collector(reports), CancellationToken.None);
        int seen = 0;
        foreach (DirectoryEntry directory in (await _directories.GetAsync(((Node.Directory)root).Digest))!)
        {
            foreach (DirectoryEntry file in (await _directories.GetAsync(((Node.Directory)directory.Node).Digest))!)
            {
                seen++;
                byte[] content = await ReadAsync((Node.File)file.Node);
                Assert.That(content.AsSpan().SequenceEqual(contents[file.Name.ToString()]), Is.True, file.Name.ToString());
            }
        }

        Assert.That(seen, Is.EqualTo(300));
        Assert.That(reports[^1], Is.EqualTo(new ImportProgress(300, 0, 0, contents.Values.Sum(c => c.Length))));
        Assert.That(reports.Select(r => r.Bytes), Is.Ordered);
    }

    [Test]
    public void Import_SourceFails_SaysSo()
    {
        byte[] archive = new TarBuilder().File("r/a", new string('x', 5000)).ToArray();
        ImportException? thrown = Assert.ThrowsAsync<ImportException>(() => New().ImportAsync(new FailingStream(archive[..2000])));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown!.Error, Is.EqualTo(ImportError.Read));
            Assert.That(thrown.InnerException, Is.TypeOf<IOException>());
            Assert.That(thrown.Message, Does.Contain("r/a"));
        }
    }

    [Test]
    public void Import_BlobServiceFails_ItsExceptionComesThrough()
    {
        byte[] archive = new TarBuilder().File("r/a", "1").ToArray();
        TarImporter importer = new(new FailingBlobService(), _directories);
        Assert.That(() => importer.ImportAsync(new MemoryStream(archive)), Throws.TypeOf<StorageException>().With.Message.EqualTo("full"));
    }

    [Test]
    public void Import_Cancelled_Throws()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.That(
            () => New().ImportAsync(new MemoryStream(new TarBuilder().File("r/a", "1").ToArray()), cancellationToken: source.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Import_Stream_StaysOpen()
    {
        MemoryStream stream = new(Zstd.Compress(new TarBuilder().File("r/a", "1").ToArray()));
        await New().ImportAsync(stream);
        Assert.That(stream.CanRead, Is.True);
    }

    private TarImporter New(TarImportOptions? options = null) => new(_blobs, _directories, options);

    private Task<Node> ImportAsync(byte[] archive, TarImportOptions? options = null) => New(options).ImportAsync(new MemoryStream(archive));

    private void Expect(byte[] archive, ImportError error, string? path = null, string message = "", TarImportOptions? options = null)
    {
        ImportException? thrown = Assert.ThrowsAsync<ImportException>(() => ImportAsync(archive, options));
        Assert.That(thrown?.Error, Is.EqualTo(error), thrown?.Message);
        Assert.That(thrown?.Message, Does.Contain(message));
        if (path is not null)
        {
            Assert.That(Encoding.Latin1.GetString(thrown!.Path.Span), Is.EqualTo(path));
        }
    }

    /// <summary>
    /// One line per entry below the root, in the order of the paths: <c>name/</c>, <c>name=content</c>, <c>name*=content</c>,
    /// <c>name-&gt;target</c>.
    /// </summary>
    private Task<List<string>> ShowAsync(Node root) => TreeText.ShowAsync(_blobs, _directories, root);

    private async Task<byte[]> ReadAsync(Node.File file)
    {
        using BlobContent? content = await ((IBlobService)_blobs).ReadAsync(file.Digest, int.MaxValue);
        Assert.That(content!.Memory.Length, Is.EqualTo((int)file.Size));
        return content.Memory.ToArray();
    }

    private sealed class Collector(List<ImportProgress> reports) : IProgress<ImportProgress>
    {
        public void Report(ImportProgress value) => reports.Add(value);
    }

    private sealed class SlowStream(byte[] bytes, int piece) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
            base.ReadAsync(destination[..Math.Min(destination.Length, piece)], cancellationToken);
    }

    private sealed class FailingStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
            Position == Length ? throw new IOException("The disk fell out.") : base.ReadAsync(destination, cancellationToken);
    }

    private sealed class FailingBlobService : IBlobService
    {
        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => new(false);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => new((Stream?)null);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => throw new StorageException("full");
    }
}
