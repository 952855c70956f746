using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Testing.Fuzzing;

namespace Tvix.Castore.Tests.Import;

[TestFixture]
public sealed class TarFuzzTests
{
    [Test]
    public async Task Import_DamagedArchive_GivesATreeOrTheOneException()
    {
        int iterations = int.TryParse(Environment.GetEnvironmentVariable("TVIX_FUZZ_ITERATIONS"), out int wanted) ? wanted : 3000;
        byte[][] corpus =
        [
            new TarBuilder().Directory("r").File("r/a", "1").Symlink("r/l", "a").HardLink("r/h", "r/a").ToArray(),
            new TarBuilder().Extended('L', TarBuilder.Latin1("r/" + new string('n', 150))).File("short", "1")
                .Pax("path=r/p", "size=3").File("x", "abc").ToArray(),
            new TarBuilder().Pax("GNU.sparse.map=2,3,7,1", "GNU.sparse.size=10").File("r/s", "abcd").ToArray(),
            new TarBuilder().Pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=10")
                .File(TarBuilder.Latin1("r/s"), [.. "2\n2\n3\n7\n1\n"u8, .. new byte[502], .. "abcd"u8]).ToArray(),
        ];
        byte[][] tokens = [new byte[512], .. corpus.Select(archive => archive[..512]), "GNU.sparse."u8.ToArray(), "../"u8.ToArray()];
        Mutator mutator = new(seed: 7, corpus, tokens, maxLength: 8192);
        TarImportOptions options = new() { TopLevel = TarTopLevel.Whole, MaxContentBytes = 1 << 20, AllowMissingEndMarker = true };
        int trees = 0;
        int refused = 0;
        for (int i = 0; i < iterations; i++)
        {
            byte[] archive = mutator.Next();
            if (i % 2 == 0)
            {
                FixChecksums(archive);
            }

            MemoryBlobService blobs = new();
            MemoryDirectoryService directories = new();
            try
            {
                Node root = await new TarImporter(blobs, directories, options).ImportAsync(new MemoryStream(archive));
                Assert.That(await TreeText.ShowAsync(blobs, directories, root), Is.Not.Null, $"iteration {i}");
                trees++;
            }
            catch (ImportException)
            {
                refused++;
            }
        }

        Assert.That(trees, Is.Positive, "some damage does no harm");
        Assert.That(refused, Is.Positive, "some damage is noticed");
    }

    /// <summary>Lets damage in headers get past the checksum.</summary>
    private static void FixChecksums(byte[] archive)
    {
        for (int at = 0; at + 512 <= archive.Length; at += 512)
        {
            Span<byte> block = archive.AsSpan(at, 512);
            if (block.Slice(257, 5).SequenceEqual("ustar"u8))
            {
                block.Slice(148, 8).Fill((byte)' ');
                int sum = 0;
                foreach (byte b in block)
                {
                    sum += b;
                }

                TarBuilder.Latin1(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(block[148..]);
            }
        }
    }
}
