using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Testing.Streams;

namespace Tvix.Castore.Tests.Blobs;

/// <summary>The stream contract over chunks of odd and uneven lengths, empty ones included.</summary>
[TestFixture]
[TestOf(typeof(ChunkedBlobStream))]
public sealed class ChunkedBlobStreamContractTests : BlobStreamContract
{
    protected override async ValueTask<Stream> OpenAsync(byte[] content)
    {
        MemoryBlobService source = new();
        List<BlobChunk> chunks = [];
        int length = 1;
        for (int at = 0; at < content.Length || chunks.Count == 0; at += length, length = (length * 3) + 1)
        {
            length = Math.Min(length, content.Length - at);
            chunks.Add(new BlobChunk(await source.PutAsync(content.AsMemory(at, length)), (ulong)length));
            chunks.Add(new BlobChunk(await source.PutAsync(Array.Empty<byte>()), 0));
        }

        return new ChunkedBlobStream(source, chunks);
    }

    protected override bool ReadsSynchronously(int size) => false;
}
