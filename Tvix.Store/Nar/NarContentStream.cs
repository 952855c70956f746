namespace Tvix.Store.Nar;

/// <summary>The contents of the file that a reader stands on.</summary>
internal sealed class NarContentStream(NarReader reader) : ForwardReadStream
{
    private readonly long _contentsOffset = reader.ContentsOffset;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (reader.TokenType != NarTokenType.File || reader.ContentsOffset != _contentsOffset)
        {
            throw new InvalidOperationException("The reader has moved on from this file.");
        }

        return reader.ReadContentsAsync(buffer, cancellationToken);
    }
}
