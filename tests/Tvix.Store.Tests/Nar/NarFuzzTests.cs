using System.Globalization;
using System.IO.Pipelines;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Nar;
using Tvix.Testing.Fuzzing;
using static Tvix.Store.Tests.Nar.NarBytes;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarFuzzTests
{
    // What a damaged input may make the reader allocate: its own buffers, names and targets, and the exception.
    private const long MaxAllocated = 200_000;

    private static readonly string[] Keywords =
    [
        "nix-archive-1", "(", ")", "type", "regular", "executable", "", "contents", "symlink", "target", "directory", "entry",
        "name", "node",
    ];

    private static int Iterations =>
        int.TryParse(Environment.GetEnvironmentVariable("TVIX_FUZZ_ITERATIONS"), CultureInfo.InvariantCulture, out int n) ? n : 200_000;

    private static Mutator MakeMutator(int seed) => new(
        seed,
        [
            .. NarBytes.Samples.Select(s => s.Bytes),
            .. MalformedNars.All.Select(m => m.Bytes),
            Archive(Directory(
                Entry("big", File(new byte[3000])), Entry("dir", Directory(Entry("a", File("a")), Entry("b", Executable("bb")))))),
            Nested(20),
        ],
        [
            .. Keywords.Select(s => Str(Raw(s))),
            File(""), File("x"), SymlinkNode("x"), Directory(), Entry("a", File("a")), Entry("z", Directory()),
        ],
        maxLength: 8192);

    [Test]
    public async Task Reader_DamagedInput_GivesATreeOrANarFormatException()
    {
        Mutator mutator = MakeMutator(1);
        int accepted = 0;
        int rejected = 0;
        for (int i = 0; i < Iterations; i++)
        {
            byte[] nar = mutator.Next();
            PipeReader? pipe = i % 2 == 0 ? null : NarDump.Pipe(nar, i, 1 + (i % 97));
            long before = GC.GetAllocatedBytesForCurrentThread();
            await using NarReader reader = pipe is null ? new NarReader(new MemoryStream(nar)) : new NarReader(pipe);
            try
            {
                while (await reader.ReadAsync())
                {
                    if (reader.TokenType == NarTokenType.File && i % 3 > 0)
                    {
                        while (i % 3 == 1 ? !(await reader.ReadContentsAsync()).IsEmpty : await reader.ReadContentsAsync(new byte[7]) > 0)
                        {
                        }
                    }
                }

                Assert.That(reader.Offset, Is.EqualTo(nar.Length));
                accepted++;
            }
            catch (NarFormatException e)
            {
                Assert.That(e.Offset, Is.InRange(0, nar.Length), $"input {i}");
                rejected++;
            }

            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(MaxAllocated), $"input {i}");
        }

        Assert.That((accepted > 0, rejected > 0), Is.EqualTo((true, true)), "otherwise the inputs are not worth much");
    }

    [Test]
    public async Task Ingester_DamagedInput_GivesItsOwnNarOrANarFormatException()
    {
        Mutator mutator = MakeMutator(2);
        int accepted = 0;
        for (int i = 0; i < Iterations / 20; i++)
        {
            byte[] nar = mutator.Next();
            MemoryBlobService blobs = new();
            MemoryDirectoryService directories = new();
            NarIngestResult result;
            try
            {
                result = await new NarIngester(blobs, directories).IngestAsync(new MemoryStream(nar));
            }
            catch (NarFormatException)
            {
                continue;
            }

            // What is accepted is canonical, so the tree renders to the same bytes.
            MemoryStream rendered = new();
            await new NarRenderer(blobs, directories).RenderAsync(result.Root, rendered);
            Assert.That(rendered.ToArray().AsSpan().SequenceEqual(nar), $"input {i}");
            accepted++;
        }

        Assert.That(accepted, Is.Positive);
    }

    [Test]
    public void ListingParser_DamagedInput_GivesAListingOrAFormatException()
    {
        byte[][] corpus =
        [
            .. new[]
            {
                """{"version":1,"root":{"type":"regular","size":11,"executable":true,"narOffset":96}}""",
                """{"version":1,"root":{"type":"directory","entries":{"a":{"type":"symlink","target":"é\n\u0001"}}}}""",
                """{"version":1,"root":{"type":"directory","entries":{"b":{"type":"directory","entries":{}}}}}""",
            }.Select(System.Text.Encoding.UTF8.GetBytes),
        ];
        Mutator mutator = new(3, corpus, [.. new[] { "{", "}", "\"", ":", ",", "1", "null", "\"type\"", "\"entries\":{" }.Select(Raw)]);
        for (int i = 0; i < Iterations / 5; i++)
        {
            byte[] json = mutator.Next();
            try
            {
                NarListing listing = NarListing.Parse(json);
                byte[] written = listing.ToUtf8Json();
                Assert.That(NarListing.Parse(written).ToUtf8Json(), Is.EqualTo(written));
            }
            catch (FormatException)
            {
            }
        }
    }
}
