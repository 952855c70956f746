using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[TestOf(typeof(CombinedBlobService))]
public sealed class CombinedBlobServiceNearTests : BlobServiceContract
{
    protected override ValueTask<IBlobService> CreateAsync() =>
        new(new CombinedBlobService(new MemoryBlobService(), new MemoryBlobService()));
}
