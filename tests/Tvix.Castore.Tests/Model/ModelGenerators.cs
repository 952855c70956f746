using FsCheck;
using FsCheck.Fluent;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Model;

/// <summary>Arbitrary values of the model, for property tests.</summary>
public static class ModelGenerators
{
    /// <summary>The seed of all property tests here.</summary>
    public const string Replay = "20240817,31337";

    public static Arbitrary<B3Digest> Digests() =>
        ArbMap.Default.GeneratorFor<byte>().ArrayOf(B3Digest.Size).Select(bytes => new B3Digest(bytes)).ToArbitrary();

    public static Arbitrary<PathComponent> Names() => ArbMap.Default.ArbFor<byte[]>()
        .Filter(bytes => bytes is not null && PathComponent.Validate(bytes) == PathComponentError.None)
        .Convert(bytes => new PathComponent(bytes), name => name.Bytes.ToArray());

    public static Arbitrary<SymlinkTarget> Targets() => ArbMap.Default.ArbFor<byte[]>()
        .Filter(bytes => bytes is not null && SymlinkTarget.Validate(bytes) == SymlinkTargetError.None)
        .Convert(bytes => new SymlinkTarget(bytes), target => target.Bytes.ToArray());

    public static Arbitrary<Node> Nodes()
    {
        // Sizes of all magnitudes, so that varints of all lengths occur; directories stay small enough for a sum of them.
        Gen<ulong> sizes = ArbMap.Default.GeneratorFor<ulong>().SelectMany(value => Gen.Choose(0, 63).Select(shift => value >> shift));
        Gen<B3Digest> digests = Digests().Generator;
        return Gen.OneOf(
            digests.SelectMany(digest => sizes.Select(size => (Node)new Node.Directory(digest, size >> 16))),
            digests.SelectMany(digest => sizes.SelectMany(size =>
                ArbMap.Default.GeneratorFor<bool>().Select(executable => (Node)new Node.File(digest, size, executable)))),
            Targets().Generator.Select(target => (Node)new Node.Symlink(target))).ToArbitrary();
    }

    public static Arbitrary<DirectoryEntry[]> Entries() => Names().Generator
        .SelectMany(name => Nodes().Generator.Select(node => new DirectoryEntry(name, node)))
        .ArrayOf()
        .Select(entries => entries.DistinctBy(entry => entry.Name).ToArray())
        .ToArbitrary();
}
