using System.Buffers;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <summary>The messages that a server sends, with its errors as those of a store.</summary>
/// <param name="messages">The messages.</param>
/// <param name="doing">What is going on, for messages of errors.</param>
internal sealed class GrpcDownload(IAsyncEnumerable<ReadOnlySequence<byte>> messages, string doing) : IAsyncDisposable
{
    private readonly IAsyncEnumerator<ReadOnlySequence<byte>> _messages = messages.GetAsyncEnumerator();
    private bool _any;

    /// <summary>Whether the call ended with NOT_FOUND before there was a message.</summary>
    public bool IsNotFound { get; private set; }

    /// <summary>The message, until the next one is asked for.</summary>
    public ReadOnlySequence<byte> Current => _messages.Current;

    public async ValueTask<bool> MoveNextAsync()
    {
        try
        {
            bool more = await _messages.MoveNextAsync().ConfigureAwait(false);
            _any |= more;
            return more;
        }
        catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.NotFound && !_any)
        {
            IsNotFound = true;
            return false;
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, doing);
        }
    }

    public ValueTask DisposeAsync() => _messages.DisposeAsync();
}
