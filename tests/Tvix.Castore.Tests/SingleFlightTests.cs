using NUnit.Framework;

namespace Tvix.Castore.Tests;

[TestFixture]
[TestOf(typeof(SingleFlight<,>))]
public sealed class SingleFlightTests
{
    private readonly SingleFlight<string, object> _flights = new();

    [Test]
    public async Task Run_WhileUnderWay_SharesTheResult()
    {
        Work work = new();
        Task<object> first = _flights.RunAsync("a", work.RunAsync, default);
        Task<object> second = _flights.RunAsync("a", _ => throw new AssertionException("It is under way."), default);
        Task<object> other = _flights.RunAsync("b", _ => Task.FromResult<object>("b"), default);
        Assert.That(await other, Is.EqualTo("b"), "other keys are apart");

        work.Result.SetResult("a");

        Assert.That(await first, Is.EqualTo("a"));
        Assert.That(await second, Is.EqualTo("a"));
        Assert.That(await _flights.RunAsync("a", _ => Task.FromResult<object>("again"), default), Is.EqualTo("again"), "nothing is remembered");
    }

    [Test]
    public async Task Run_OneStopsWaiting_TheOthersGoOn()
    {
        Work work = new();
        using CancellationTokenSource impatience = new();
        Task<object> first = _flights.RunAsync("a", work.RunAsync, impatience.Token);
        Task<object> second = _flights.RunAsync("a", work.RunAsync, default);

        await impatience.CancelAsync();

        Assert.That(async () => await first, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(work.Token.IsCancellationRequested, Is.False);
        work.Result.SetResult("a");
        Assert.That(await second, Is.EqualTo("a"));
        Assert.That(work.Runs, Is.EqualTo(1));
    }

    [Test]
    public async Task Run_AllStopWaiting_CancelsTheWorkAndTheNextBeginsAnew()
    {
        Work abandoned = new();
        using CancellationTokenSource impatience = new();
        Task<object>[] waiting = [_flights.RunAsync("a", abandoned.RunAsync, impatience.Token), _flights.RunAsync("a", abandoned.RunAsync, impatience.Token)];

        await impatience.CancelAsync();

        foreach (Task<object> task in waiting)
        {
            Assert.That(async () => await task, Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(abandoned.Token.IsCancellationRequested, Is.True);

        // The work has not ended yet; that of the next is not taken for it, neither now nor when the old one ends.
        Work next = new();
        Task<object> last = _flights.RunAsync("a", next.RunAsync, default);
        abandoned.Result.SetCanceled(abandoned.Token);
        Task<object> beside = _flights.RunAsync("a", _ => throw new AssertionException("It is under way."), default);
        next.Result.SetResult("new");
        Assert.That(await last, Is.EqualTo("new"));
        Assert.That(await beside, Is.EqualTo("new"));
    }

    [Test]
    public async Task Run_WorkFails_AllGetTheExceptionAndNobodyAfterThem()
    {
        Work work = new();
        Task<object>[] waiting = [_flights.RunAsync("a", work.RunAsync, default), _flights.RunAsync("a", work.RunAsync, default)];

        work.Result.SetException(new StorageException("down"));

        foreach (Task<object> task in waiting)
        {
            Assert.That(async () => await task, Throws.InstanceOf<StorageException>());
        }

        Assert.That(await _flights.RunAsync("a", _ => Task.FromResult<object>("up"), default), Is.EqualTo("up"));
    }

    [Test]
    public void Run_Cancelled_DoesNoWork() =>
        Assert.That(
            async () => await _flights.RunAsync("a", _ => throw new AssertionException("Nobody wants it."), new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());

    private sealed class Work
    {
        public TaskCompletionSource<object> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CancellationToken Token { get; private set; }

        public int Runs { get; private set; }

        public Task<object> RunAsync(CancellationToken cancellationToken)
        {
            Runs++;
            Token = cancellationToken;
            return Result.Task;
        }
    }
}
