using System.Buffers.Binary;
using System.Text;
using NUnit.Framework;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.Nix;

[TestFixture]
public sealed class StorePathBuilderTests
{
    private const string Foo = "/nix/store/vxjiwkjkn7x4079qvh1jkl5pn05j2aw0-foo";

    [Test]
    public void FromText_WithoutReferences_IsTheKnownPath()
    {
        Assert.That(StorePathBuilder.FromText("foo", "bar"u8).ToAbsolutePath(), Is.EqualTo(Foo));
        Assert.That(
            StorePathBuilder.FromText(".gitignore", "x"u8).ToAbsolutePath(),
            Is.EqualTo("/nix/store/lscqp1vzfphvyccwfp7bdaw42rgspp9b-.gitignore"));
    }

    [Test]
    public void FromText_WithReference_IsTheKnownPath() => Assert.That(
        StorePathBuilder.FromText("baz", Encoding.ASCII.GetBytes(Foo), [StorePath.ParseAbsolute(Foo)]).ToAbsolutePath(),
        Is.EqualTo("/nix/store/5xd714cbfnkz02h2vbsj4fm03x3f15nf-baz"));

    [Test]
    public void FromContentAddress_TextWithReferencesInAnyOrder_IsTheKnownPath([Values] bool reversed)
    {
        IEnumerable<StorePath> references = new[]
        {
            "43shw2f4xz1yj7cpyazcqa5895zwwbic-curl-8.1.1.drv",
            "48ax6lwv7vh54q7nf55zmga80fybc1mj-mirrors-list.drv",
            "57620l1168piiia2bmmsxxhh7sjb2n40-builder.sh",
            "mcjbr0j20q0sj5a31d3acmxgjabb5xs6-bash-5.2-p15.drv",
            "r4p6d7r1shc9rhpsida71gl4c3sgxzcf-stdenv-linux.drv",
        }.Select(s => StorePath.ParseBaseName(s));
        references = reversed ? references.Reverse().Concat(references) : references; // duplicates do not count either

        StorePath path = StorePathBuilder.FromContentAddress(
            "docbook2X-0.8.8.tar.gz.drv",
            ContentAddress.Parse("text:sha256:0p8wjixkbg49jadn3iygq7a8pa126id83y7f6qh9hlslkvxm56i8"),
            references);

        Assert.That(path.ToAbsolutePath(), Is.EqualTo("/nix/store/s4mcg8jhhm55k3zyblpjabmcavi7403k-docbook2X-0.8.8.tar.gz.drv"));
    }

    [TestCase(NixHashAlgorithm.Sha256, "dxwkwjzdaq7ka55pkk252gh32bgpmql4")]
    [TestCase(NixHashAlgorithm.Sha1, "izpzz37zg5i1rdf6n55wj0mh4pyh8pcf")]
    public void FromContentAddress_NarOfOneFile_IsTheKnownPath(NixHashAlgorithm algorithm, string hash)
    {
        NixHash nar = NixHash.Compute(algorithm, NarOfFile("bar"u8));

        Assert.That(StorePathBuilder.FromContentAddress("foo", ContentAddress.Nar(nar)).ToString(), Is.EqualTo($"{hash}-foo"));
    }

    [Test]
    public void NarOfFile_InSha1_IsTheKnownHash() => Assert.That(
        NixHash.Compute(NixHashAlgorithm.Sha1, NarOfFile("bar"u8)).ToBareHexString(),
        Is.EqualTo("c54637bcffb6fe43090249e1e4e236f11dba4413"));

    [TestCase("0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33", "bar", "mp57d33657rf34lzvlbpfa1gjfv5gmpg")]
    [TestCase("0000000000000000000000000000000000000000", "fixed-rec", "jvnyn1yvpz5791dfpixzmfqvw3ahb0v2")]
    public void FromContentAddress_NarSha1_IsTheKnownPath(string hex, string name, string hash)
    {
        ContentAddress address = ContentAddress.Nar(new NixHash(NixHashAlgorithm.Sha1, Convert.FromHexString(hex)));

        Assert.That(StorePathBuilder.FromContentAddress(name, address).ToString(), Is.EqualTo($"{hash}-{name}"));
    }

    [TestCase(NixHashAlgorithm.Sha256, "bar", "foo", "mk161j17xxwjx6dxs4ckib4lrfdxi4d8")]
    [TestCase(NixHashAlgorithm.Md5, "bar", "foo", "37i1jhw8j68xrmafjiyxlzzcarxd27aj")]
    [TestCase(NixHashAlgorithm.Sha256, "hello\n", "fixed-hello", "a17ah642xc653fw8pfw4kxqcgzjm5qi0")]
    public void FromContentAddress_Flat_IsTheKnownPath(NixHashAlgorithm algorithm, string contents, string name, string hash)
    {
        ContentAddress address = ContentAddress.Flat(NixHash.Compute(algorithm, Encoding.ASCII.GetBytes(contents)));

        Assert.That(StorePathBuilder.FromContentAddress(name, address).ToString(), Is.EqualTo($"{hash}-{name}"));
    }

    [Test]
    public void FromContentAddress_SourceWithReference_IsTheKnownPath() => Assert.That(
        StorePathBuilder.FromContentAddress(
            "baz",
            ContentAddress.Parse("fixed:r:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1"),
            [StorePath.ParseBaseName("dxwkwjzdaq7ka55pkk252gh32bgpmql4-foo")]).ToString(),
        Is.EqualTo("s89y431zzhmdn3k8r96rvakryddkpv2v-baz"));

    [Test]
    public void FromContentAddress_OtherStoreDirectory_IsTheKnownPath()
    {
        StoreDirectory elsewhere = new("/opt/altstore");
        StorePath path = StorePathBuilder.FromContentAddress(
            "foo", ContentAddress.Nar(Sha256Digest.Compute(NarOfFile("bar"u8))), storeDirectory: elsewhere);

        Assert.That(path.ToAbsolutePath(elsewhere), Is.EqualTo("/opt/altstore/2a50nassvqb9sjvh4p6fcmj8xy0xq1b4-foo"));
    }

    [TestCase("097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1", "symlink", "11i0w7x0adl6iyydsilpl0nc8v1zc2m4")]
    [TestCase("097d397e9b5826384eaa16c457715d1c1a51670313ead0f58566e0b232539cf1", "link", "hr870lla96737rimmghg3vjcda4zk2y3")]
    [TestCase("03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040", "hello", "n4hss129xrln71w0nss39bcx6hzsh9bg")]
    [TestCase("03e7f63be30b065d78bcf615f5473545fdb4eb69aa416f43495b4e05cdfb8040", "hello.txt", "925f1jb1ajrypjbyq7rylwryqwizvhp0")]
    [TestCase("ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a", "complicated", "pngqdzggfqs4q7fg6iywqnlzcgsp85qr")]
    [TestCase("ebd52279a8df024c9fd5718de4103bf5e760dc7f2cf49044ee7dea87ab16911a", "comp", "5zk7q2q9f5gpqyiq6ag4shlmnsj8x19w")]
    public void FromContentAddress_ImportedTree_IsTheKnownPath(string narHash, string name, string hash) => Assert.That(
        StorePathBuilder.FromContentAddress(name, ContentAddress.Nar(Sha256Digest.ParseHex(narHash))).ToString(),
        Is.EqualTo($"{hash}-{name}"));

    [TestCase("out", "i9q0aqbnkznrwn61m9a640jgvq06b8ih-main-1.0")]
    [TestCase("dev", "nrvdznnqplpyph13x582pf3922waa8ih-main-1.0-dev")]
    public void FromDerivation_Output_IsTheKnownPath(string output, string expected)
    {
        Sha256Digest hash = Sha256Digest.ParseHex("54842e5ebed5390f4e366c0fac9c02ea26ae69c2b56fe532d3ab4fd41d91dcb6");

        Assert.That(StorePathBuilder.FromDerivation("main-1.0", hash, output).ToString(), Is.EqualTo(expected));
    }

    [Test]
    public void FromContentAddress_ReferencesWhereNoneCanBe_Throws()
    {
        StorePath[] references = [StorePath.ParseAbsolute(Foo)];
        ContentAddress flat = ContentAddress.Flat(NixHash.Compute(NixHashAlgorithm.Sha256, []));
        ContentAddress sha1 = ContentAddress.Nar(NixHash.Compute(NixHashAlgorithm.Sha1, []));
        ContentAddress text = ContentAddress.Text(default);

        Assert.That(() => StorePathBuilder.FromContentAddress("x", flat, references), Throws.ArgumentException);
        Assert.That(() => StorePathBuilder.FromContentAddress("x", sha1, references), Throws.ArgumentException);
        Assert.That(() => StorePathBuilder.FromContentAddress("x", flat, selfReference: true), Throws.ArgumentException);
        Assert.That(() => StorePathBuilder.FromContentAddress("x", sha1, selfReference: true), Throws.ArgumentException);
        Assert.That(() => StorePathBuilder.FromContentAddress("x", text, selfReference: true), Throws.ArgumentException);
    }

    [TestCase("")]
    [TestCase("a b")]
    [TestCase(".")]
    [TestCase("..-x")]
    public void FromText_NameThatMayNotBe_Throws(string name) =>
        Assert.That(() => StorePathBuilder.FromText(name, "x"u8), Throws.ArgumentException);

    [Test]
    public void GetPlaceholder_Out_IsTheKnownOne()
    {
        Assert.That(StorePathBuilder.GetPlaceholder("out"), Is.EqualTo("/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"));
        Assert.That(() => StorePathBuilder.GetPlaceholder(""), Throws.ArgumentException);
    }

    [Test]
    public void SelfReferenceHasher_Vector_GivesDigestAndPath([Values(1, 7, 31, 32, 33, 110, 168)] int piece)
    {
        StorePath path = StorePath.ParseBaseName("j3hxx0sza0ab6vm26hkfz5hcq9751g6x-selfref");
        byte[] nar = NarOfFile("me=/nix/store/j3hxx0sza0ab6vm26hkfz5hcq9751g6x-selfref\n"u8);
        Assert.That(nar, Has.Length.EqualTo(168));
        Assert.That(Sha256Digest.Compute(nar).ToNixBase32String(), Is.EqualTo("0qhg4c1540lwg6ghawbf30n7i5ps5qsvmmvqsvp8qpscrkd7zh4x"));

        using SelfReferenceHasher hasher = new(path.Digest);
        foreach (byte[] part in nar.Chunk(piece))
        {
            hasher.Append(part);
        }

        Assert.That(hasher.Occurrences, Is.EqualTo(1));
        Sha256Digest digest = hasher.GetDigestAndReset();
        Assert.That(digest.ToNixBase32String(), Is.EqualTo("1i8msswd2img5s8vbhg9s68lzvacp6j13jmi8cgvhw5nrwz0z7y4"));
        Assert.That(StorePathBuilder.FromContentAddress("selfref", ContentAddress.Nar(digest), selfReference: true), Is.EqualTo(path));
    }

    [Test]
    public void SelfReferenceHasher_NoOccurrence_GivesThePlainHash([Values(0, 1, 31, 32, 33, 100_000)] int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        using SelfReferenceHasher hasher = new(default);

        hasher.Append(bytes);

        Assert.That(hasher.GetDigestAndReset(), Is.EqualTo(Sha256Digest.Compute(bytes)));
    }

    [Test]
    public void SelfReferenceHasher_AnyTextOfTheSamePlaces_GivesTheSameDigest()
    {
        // The property that makes it possible to create such a path: the digest does not depend on the hash text.
        StorePathDigest one = new(Convert.FromHexString("8a12321522fd91efbd60ebb2481af88580f61600"));
        byte[] with = Encoding.ASCII.GetBytes(Contents("00bgd045z0d4icpbc2yyz4gx48ak44la"));
        byte[] without = Encoding.ASCII.GetBytes(Contents("00000000000000000000000000000000"));

        Sha256Digest expected = DefinitionOf(with, Encoding.ASCII.GetBytes(one.ToString()));
        Assert.That(Digest(one, with), Is.EqualTo(expected));
        Assert.That(Digest(default, without), Is.EqualTo(expected));

        static string Contents(string hash) => string.Concat(Enumerable.Range(0, 2000).Select(i => $"{new string('-', i % 50)}{hash}.{i}"));
    }

    [Test]
    public void SelfReferenceHasher_OverlappingOccurrences_AreTakenFromTheLeft()
    {
        byte[] zeros = Encoding.ASCII.GetBytes(new string('0', 32 + 32 + 5));

        Assert.That(Digest(default, zeros), Is.EqualTo(DefinitionOf(zeros, Encoding.ASCII.GetBytes(new string('0', 32)))));
    }

    private static Sha256Digest Digest(StorePathDigest digest, byte[] bytes)
    {
        using SelfReferenceHasher hasher = new(digest);
        hasher.Append(bytes);
        return hasher.GetDigestAndReset();
    }

    private static Sha256Digest DefinitionOf(byte[] bytes, byte[] pattern)
    {
        byte[] changed = [.. bytes];
        StringBuilder tail = new();
        for (int i = 0; i + pattern.Length <= changed.Length; i++)
        {
            if (changed.AsSpan(i).StartsWith(pattern))
            {
                changed.AsSpan(i, pattern.Length).Clear();
                tail.Append('|').Append(i);
            }
        }

        return Sha256Digest.Compute([.. changed, .. Encoding.ASCII.GetBytes(tail.ToString())]);
    }

    private static byte[] NarOfFile(ReadOnlySpan<byte> contents)
    {
        List<byte> nar = [];
        foreach (string token in new[] { "nix-archive-1", "(", "type", "regular", "contents" })
        {
            Add(nar, Encoding.ASCII.GetBytes(token));
        }

        Add(nar, contents);
        Add(nar, ")"u8);
        return [.. nar];

        static void Add(List<byte> nar, ReadOnlySpan<byte> bytes)
        {
            byte[] length = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
            nar.AddRange(length);
            nar.AddRange(bytes);
            nar.AddRange(new byte[(8 - (bytes.Length % 8)) % 8]);
        }
    }
}
