using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Import;

/// <summary>Imports into a service that is asked before it is written to.</summary>
[TestFixture]
[Platform("Linux")]
public sealed class AskedImportTests
{
    [Test]
    public async Task Import_LargeFiles_AreWrittenOnlyIfTheyAreNotThere()
    {
        using TempFolder folder = new();
        byte[] large = SampleData.Bytes(3_000_000, 1);
        await File.WriteAllBytesAsync(folder["a"], large);
        await File.WriteAllBytesAsync(folder["b"], large);
        await File.WriteAllBytesAsync(folder["c"], SampleData.Bytes(600_000, 2));
        await File.WriteAllBytesAsync(folder["small"], SampleData.Bytes(10, 3));
        AskedBlobService blobs = new();
        MemoryDirectoryService directories = new();
        Node root = await new FileSystemImporter(blobs, directories).ImportAsync(folder.Path);
        Assert.That(blobs.Writers, Is.EqualTo(2), "one for each of the two large contents");
        Assert.That(await new FileSystemImporter(new MemoryBlobService(), directories).ImportAsync(folder.Path), Is.EqualTo(root));
        Assert.That(await blobs.HasAsync(Blake3Hasher.HashData(large)), Is.True);

        Assert.That(await new FileSystemImporter(blobs, directories).ImportAsync(folder.Path), Is.EqualTo(root));
        Assert.That(blobs.Writers, Is.EqualTo(2));

        // What is between the importer and the service says which one to ask.
        Assert.That(await new FileSystemImporter(new CombinedBlobService(blobs, new MemoryBlobService()), directories).ImportAsync(folder.Path), Is.EqualTo(root));
        CachingBlobService cache = new(new MemoryBlobService(), blobs, CacheWrites.Far);
        Assert.That(await new FileSystemImporter(cache, directories).ImportAsync(folder.Path), Is.EqualTo(root));
        Assert.That(blobs.Writers, Is.EqualTo(2));
    }

    [Test]
    public async Task Import_BlobOnlyInTheCache_IsWrittenFar()
    {
        using TempFolder folder = new();
        byte[] large = SampleData.Bytes(3_000_000, 1);
        await File.WriteAllBytesAsync(folder["a"], large);
        MemoryBlobService near = new();
        await near.PutAsync(large);
        AskedBlobService far = new();
        await new FileSystemImporter(new CachingBlobService(near, far, CacheWrites.Far), new MemoryDirectoryService()).ImportAsync(folder.Path);
        Assert.That(await far.HasAsync(Blake3Hasher.HashData(large)), Is.True);
    }

    private sealed class AskedBlobService : IBlobService
    {
        private readonly MemoryBlobService _blobs = new();

        public int Writers { get; private set; }

        public IBlobService AskedBeforeWriting => this;

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => _blobs.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => _blobs.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
        {
            Writers++;
            return _blobs.OpenWriteAsync(cancellationToken);
        }

        public ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) => _blobs.PutAsync(content, cancellationToken);
    }
}
