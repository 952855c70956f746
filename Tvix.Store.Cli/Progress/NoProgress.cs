namespace Tvix.Store.Cli.Progress;

/// <summary>Shows nothing.</summary>
internal sealed class NoProgress : IWorkProgress
{
    public static NoProgress Instance { get; } = new();

    public bool IsShown => false;

    public void Report(double done, double? total, long bytes, long? items)
    {
    }
}
