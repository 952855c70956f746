using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>The contract when everything is in the far service, and in chunks there.</summary>
[TestFixture]
[TestOf(typeof(CombinedBlobService))]
public sealed class CombinedBlobServiceFarTests : BlobServiceContract
{
    private const int ChunkSize = 50_000;

    protected override ValueTask<IBlobService> CreateAsync()
    {
        ChunkingTestBlobService far = new(ChunkSize);
        return new(new SplitBlobService(far, new CombinedBlobService(new MemoryBlobService(), far)));
    }

    protected override bool KeepsInChunks(int size) => size > ChunkSize;

    protected override bool ReadsSynchronously(int size) => size <= ChunkSize;
}
