using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Server;
using Tvix.Store.Nar;

namespace Tvix.Store.Grpc.Tests.Server;

[TestFixture]
public sealed class StoreNarCalculationServiceTests
{
    private readonly StoreAtHand _blobs = new();
    private readonly MemoryDirectoryService _directories = new();

    /// <summary>Puts a directory of files of three bytes each.</summary>
    private async Task<Node> PutAsync(params B3Digest[] files)
    {
        CastoreDirectory directory = CastoreDirectory.FromEntries(files.Select((file, i) => new DirectoryEntry(new PathComponent($"{i}"), new Node.File(file, 3, false))));
        await _directories.PutAsync(directory);
        return directory.ToNode();
    }

    [Test]
    public async Task Calculate_FromAStoreAtHand_ReadsManyBlobsAtOnce()
    {
        Node root = await PutAsync(await _blobs.Blobs.PutAsync("one"u8.ToArray()), await _blobs.Blobs.PutAsync("two"u8.ToArray()));
        NarDigest expected = await new RenderingNarCalculationService(_blobs.Blobs, _directories).CalculateAsync(root);
        Assert.That(await new StoreNarCalculationService(_blobs, _directories).CalculateAsync(root), Is.EqualTo(expected));
        Assert.That(_blobs.ReadTogether, Is.EqualTo((int[])[2]));
    }

    [Test]
    public async Task Calculate_OfABlobThatIsMissing_IsNotFound()
    {
        Node root = await PutAsync(await _blobs.Blobs.PutAsync("one"u8.ToArray()), new B3Digest([.. Enumerable.Repeat((byte)7, 32)]));
        foreach (IBlobService blobs in (IBlobService[])[_blobs, _blobs.Blobs])
        {
            Assert.That(
                async () => await new StoreNarCalculationService(blobs, _directories).CalculateAsync(root),
                Throws.TypeOf<GrpcException>().With.Property("StatusCode").EqualTo(GrpcStatusCode.NotFound));
        }
    }

    /// <summary>A store that can give pieces, and takes note of what is read together.</summary>
    private sealed class StoreAtHand : IBlobService, IStoredPieceSource
    {
        public MemoryBlobService Blobs { get; } = new();

        public List<int> ReadTogether { get; } = [];

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => Blobs.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => Blobs.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default) => Blobs.OpenWriteAsync(cancellationToken);

        public async ValueTask<StoredPiece?> ReadStoredAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            await ((IBlobService)Blobs).ReadAsync(digest, 100, cancellationToken) is { } content ? new StoredPiece(content) : null;

        public ValueTask ReadManyAsync(IReadOnlyList<BlobChunk> blobs, Memory<BlobContent?> contents, CancellationToken cancellationToken = default)
        {
            ReadTogether.Add(blobs.Count);
            return ((IBlobService)Blobs).ReadManyAsync(blobs, contents, cancellationToken);
        }
    }
}
