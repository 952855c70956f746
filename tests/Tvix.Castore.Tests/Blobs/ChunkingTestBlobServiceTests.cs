using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>The double keeps the contract too, or tests that lean on it would mean nothing.</summary>
[TestFixture]
public sealed class ChunkingTestBlobServiceTests : BlobServiceContract
{
    private const int ChunkSize = 10_000;

    protected override ValueTask<IBlobService> CreateAsync() => new(new ChunkingTestBlobService(ChunkSize));

    protected override bool KeepsInChunks(int size) => size > ChunkSize;

    protected override bool ReadsSynchronously(int size) => size <= ChunkSize;
}
