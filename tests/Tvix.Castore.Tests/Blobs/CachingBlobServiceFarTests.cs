using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>The contract when everything is in the far service, and in chunks there.</summary>
[TestFixture]
[TestOf(typeof(CachingBlobService))]
public sealed class CachingBlobServiceFarTests : BlobServiceContract
{
    private const int ChunkSize = 50_000;

    protected override ValueTask<IBlobService> CreateAsync()
    {
        ChunkingTestBlobService far = new(ChunkSize);
        return new(new SplitBlobService(far, new CachingBlobService(new MemoryBlobService(), far)));
    }

    protected override bool KeepsInChunks(int size) => false;
}
