using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

[TestFixture]
public sealed class NarSizeCalculatorTests
{
    private static readonly B3Digest Any = B3Digest.ParseHex(new string('b', 64));

    [Test]
    public async Task Calculate_SingleNodes_GivesTheSizesOfTheSpec()
    {
        TestTree tree = new();
        NarSizeCalculator calculator = new(tree.Directories);
        Assert.That(await calculator.CalculateAsync(new Node.File(B3Digest.Empty, 0, false)), Is.EqualTo(112));
        Assert.That(await calculator.CalculateAsync(new Node.File(Any, 12, false)), Is.EqualTo(128));
        Assert.That(await calculator.CalculateAsync(new Node.File(Any, 18, true)), Is.EqualTo(168));
        Assert.That(await calculator.CalculateAsync(new Node.Symlink(new SymlinkTarget(new string('x', 24)))), Is.EqualTo(136));
        Assert.That(await calculator.CalculateAsync(await tree.PutDirectoryAsync()), Is.EqualTo(96));
    }

    [Test]
    public async Task Calculate_SharedDirectories_FetchesEachOnce()
    {
        TestTree tree = new();
        Node node = await tree.PutDirectoryAsync();
        ulong size = 72;
        for (int level = 0; level < 40; level++)
        {
            node = await tree.PutDirectoryAsync(("a", node), ("b", node));
            size = 72 + (2 * (88 + 8 + size));
        }

        AsyncDirectoryService directories = new(tree.Directories);
        Assert.That(await new NarSizeCalculator(directories).CalculateAsync(node), Is.EqualTo(24 + size));
        Assert.That(directories.Gets, Is.EqualTo(41));
    }

    [Test]
    public async Task Calculate_MoreThan64Bits_Throws()
    {
        TestTree tree = new();
        NarSizeCalculator calculator = new(tree.Directories);
        Assert.ThrowsAsync<OverflowException>(async () => await calculator.CalculateAsync(new Node.File(Any, ulong.MaxValue, false)));
        Assert.ThrowsAsync<OverflowException>(async () => await calculator.CalculateAsync(new Node.File(Any, ulong.MaxValue - 100, false)));
        Node.File half = new(Any, 1UL << 63, false);
        Node two = await tree.PutDirectoryAsync(("a", half), ("b", half));
        Assert.ThrowsAsync<OverflowException>(async () => await calculator.CalculateAsync(two));
        Assert.ThrowsAsync<OverflowException>(async () => await NarListing.CreateAsync(two, tree.Directories));
        Assert.ThrowsAsync<OverflowException>(async () => await SeekableNarStream.OpenAsync(half, tree.Blobs, tree.Directories));
        Assert.That(await calculator.CalculateAsync(half), Is.EqualTo((1UL << 63) + 112));
    }

    [Test]
    public async Task Calculate_DeepTree_DoesNotRecurse()
    {
        TestTree tree = new();
        Node node = await tree.PutDirectoryAsync();
        for (int level = 1; level < 5000; level++)
        {
            node = await tree.PutDirectoryAsync(("d", node));
        }

        Assert.That(await new NarSizeCalculator(tree.Directories).CalculateAsync(node), Is.EqualTo((ulong)NarBytes.Nested(5000).Length));
    }
}
