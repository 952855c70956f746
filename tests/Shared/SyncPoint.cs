namespace Tvix.Tests.Shared;

/// <summary>A place in a double where calls stop until the test lets them go on.</summary>
internal sealed class SyncPoint
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _continue = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Done when the first call has come.</summary>
    public Task Reached => _reached.Task;

    /// <summary>What the double awaits.</summary>
    public Task StopAsync()
    {
        _reached.TrySetResult();
        return _continue.Task;
    }

    /// <summary>Lets all go on, also those that come later.</summary>
    public void Continue() => _continue.TrySetResult();
}
