using System.Net;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A request body of one message, which goes out with the headers and the end of the stream.</summary>
/// <param name="frame">The message, which stays as it is while <see cref="IsBusy"/>.</param>
/// <param name="stop">Ends the sending: a server may answer without having taken the message.</param>
internal sealed class GrpcSingleContent(ReadOnlyMemory<byte> frame, CancellationToken stop) : GrpcRequestContent
{
    private int _writes;

    /// <summary>Whether the message may still be read.</summary>
    public bool IsBusy => Volatile.Read(ref _writes) > 0;

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _writes);
        try
        {
            await stream.WriteAsync(frame, stop).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _writes);
        }
    }
}
