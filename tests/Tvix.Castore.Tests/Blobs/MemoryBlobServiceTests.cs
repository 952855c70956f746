using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Blobs;

namespace Tvix.Castore.Tests.Blobs;

[TestFixture]
[TestOf(typeof(MemoryBlobService))]
public sealed class MemoryBlobServiceTests : BlobServiceContract
{
    protected override ValueTask<IBlobService> CreateAsync() => new(new MemoryBlobService());
}
