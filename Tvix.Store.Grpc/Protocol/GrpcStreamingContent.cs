using System.Net;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A request body that is written bit by bit, while the response may be read.</summary>
/// <param name="sendsAtOnce">Whether the headers go out at once: a server may answer before there is a message.</param>
internal sealed class GrpcStreamingContent(bool sendsAtOnce) : GrpcRequestContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where the body is written to, once the request is on its way.</summary>
    public Task<Stream> Stream => _stream.Task;

    /// <summary>Ends the body.</summary>
    public void Complete() => _completed.TrySetResult();

    /// <summary>Breaks the body off, which is no end for the server.</summary>
    public void Abort() => _completed.TrySetCanceled();

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (sendsAtOnce)
        {
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        if (!_stream.TrySetResult(stream))
        {
            throw new IOException("A stream of messages cannot be sent a second time.");
        }

        await _completed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
