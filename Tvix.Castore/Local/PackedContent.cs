using System.Buffers;

namespace Tvix.Castore.Local;

/// <summary>The payload of a record, compressed where that is worth it. To be disposed once.</summary>
/// <param name="Codec">How it is stored.</param>
/// <param name="Compressed">A pooled array that begins with the payload; <see langword="null"/> when it is the content itself.</param>
/// <param name="Length">The length of the payload in bytes.</param>
internal readonly record struct PackedContent(RecordCodec Codec, byte[]? Compressed, int Length) : IDisposable
{
    /// <summary>The payload.</summary>
    /// <param name="content">What was packed.</param>
    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> content) => Compressed is null ? content : Compressed.AsSpan(0, Length);

    public void Dispose()
    {
        if (Compressed is not null)
        {
            ArrayPool<byte>.Shared.Return(Compressed);
        }
    }
}
