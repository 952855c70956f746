using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using Tvix.Testing.PathInfos;

namespace Tvix.Store.Tests.PathInfos;

[TestFixture]
public sealed class SigningPathInfoServiceTests : PathInfoServiceContract
{
    // A throw-away key of the specification's vectors.
    private static readonly SigningKey Key =
        SigningKey.Parse("do.not.use:sGPzxuK5WvWPraytx+6sjtaff866sYlfvErE6x0hFEhy5eqe7OVZ8ZMqZ/ME/HaRdKGNGvJkyGKXYTaeA6lR3A==");

    public static IEnumerable<TestCaseData> Vectors =>
    [
        new(SamplePathInfos.Minimal, "do.not.use:d/6grhFc7RIZK2FR1svFF8d3u22l2R1kU72Qs5zsqIOptthdueICLAc6sP51RPVmpiJruySSG6GHdeUeCHXuDQ=="),
        new(SamplePathInfos.Zeros, "do.not.use:xl4q2L5wQMou13ZQ9/YPqK1z/DSIYycTtndVNfp2ybT8Cpg+yPv1sCQN8VVWppnq5BXTuMhjaq7K/ebYN4LYBg=="),
    ];

    protected override bool AddsSignatures => true;

    [TestCaseSource(nameof(Vectors))]
    public async Task Put_OfSample_AddsTheKnownSignature(PathInfo sample, string expected)
    {
        MemoryPathInfoService inner = new();

        PathInfo stored = await new SigningPathInfoService(inner, Key).PutAsync(sample);

        Assert.That(stored.Signatures.Select(s => s.ToString()), Is.EqualTo(new[] { expected }));
        Assert.That(await inner.GetAsync(sample.StorePath.Digest), Is.EqualTo(stored));
        Assert.That(Key.PublicKey.Verify(stored.GetFingerprint(), stored.Signatures[0]), Is.True);
    }

    [Test]
    public async Task Put_AlreadySignedByTheKey_AddsNothing()
    {
        SigningPathInfoService service = new(new MemoryPathInfoService(), Key);
        PathInfo once = await service.PutAsync(SamplePathInfos.Full);

        PathInfo twice = await service.PutAsync(once);

        Assert.That(once.Signatures, Has.Count.EqualTo(3));
        Assert.That(twice, Is.EqualTo(once));
    }

    [Test]
    public async Task Put_StaleSignatureOfTheKey_IsKeptAndOneAdded()
    {
        SigningPathInfoService service = new(new MemoryPathInfoService(), Key);
        PathInfo signed = await service.PutAsync(SamplePathInfos.Minimal);

        PathInfo changed = await service.PutAsync(signed with { NarSize = 137 });

        Assert.That(changed.Signatures, Has.Count.EqualTo(2));
        Assert.That(changed.Signatures[0], Is.EqualTo(signed.Signatures[0]));
        Assert.That(Key.PublicKey.Verify(changed.GetFingerprint(), changed.Signatures[1]), Is.True);
    }

    [Test]
    public async Task Put_InAnotherStoreDirectory_SignsPathsThere()
    {
        StoreDirectory elsewhere = new("/opt/altstore");

        PathInfo stored = await new SigningPathInfoService(new MemoryPathInfoService(), Key, elsewhere).PutAsync(SamplePathInfos.Zeros);

        Assert.That(Key.PublicKey.Verify(stored.GetFingerprint(elsewhere), stored.Signatures[0]), Is.True);
        Assert.That(Key.PublicKey.Verify(stored.GetFingerprint(), stored.Signatures[0]), Is.False);
    }

    [Test]
    public async Task Get_StoredUnsigned_StaysUnsigned()
    {
        MemoryPathInfoService inner = new();
        await inner.PutAsync(SamplePathInfos.Minimal);

        PathInfo? found = await new SigningPathInfoService(inner, Key).GetAsync(SamplePathInfos.Minimal.StorePath.Digest);

        Assert.That(found, Is.EqualTo(SamplePathInfos.Minimal));
    }

    protected override ValueTask<IPathInfoService> CreateAsync() => new(new SigningPathInfoService(new MemoryPathInfoService(), Key));
}
