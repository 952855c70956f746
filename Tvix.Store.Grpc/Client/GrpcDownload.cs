using System.Buffers;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <summary>The messages that a server sends, with its errors as those of a store. Waiting for each is limited, what the reader does in between is not.</summary>
internal sealed class GrpcDownload : IAsyncDisposable
{
    private readonly IAsyncEnumerator<ReadOnlySequence<byte>> _messages;
    private readonly string _doing;
    private readonly TimeSpan? _timeout;
    private readonly CancellationToken _cancellationToken;
    private readonly CancellationTokenSource? _stop; // where there is a limit
    private bool _any;

    /// <summary>Makes a download; the call starts with the first message that is asked for.</summary>
    /// <param name="call">Makes the call, which the token ends.</param>
    /// <param name="doing">What is going on, for messages of errors.</param>
    /// <param name="timeout">How long each message may take; <see langword="null"/> for as long as it likes.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public GrpcDownload(
        Func<CancellationToken, IAsyncEnumerable<ReadOnlySequence<byte>>> call, string doing, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        _doing = doing;
        _timeout = timeout;
        _cancellationToken = cancellationToken;
        _stop = timeout is null ? null : CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _messages = call(_stop?.Token ?? cancellationToken).GetAsyncEnumerator(CancellationToken.None);
    }

    /// <summary>Whether the call ended with NOT_FOUND before there was a message.</summary>
    public bool IsNotFound { get; private set; }

    /// <summary>The message, until the next one is asked for.</summary>
    public ReadOnlySequence<byte> Current => _messages.Current;

    public async ValueTask<bool> MoveNextAsync()
    {
        try
        {
            bool more = await NextAsync().ConfigureAwait(false);
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
            throw StoreErrors.FromStatus(e, _doing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _messages.DisposeAsync().ConfigureAwait(false);
        _stop?.Dispose();
    }

    private async ValueTask<bool> NextAsync()
    {
        if (_stop is null)
        {
            return await _messages.MoveNextAsync().ConfigureAwait(false);
        }

        _stop.CancelAfter(_timeout!.Value);
        try
        {
            return await _messages.MoveNextAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (_cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, _cancellationToken);
        }
        catch (OperationCanceledException e) when (_stop.IsCancellationRequested)
        {
            throw StepLimit.Exceeded(_timeout.Value, e);
        }
        finally
        {
            _stop.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }
}
