using Spectre.Console;
using Spectre.Console.Rendering;

namespace Tvix.Store.Cli.Progress;

/// <summary>Shows work as a bar on a terminal, with bytes, items, rate and remaining time. The line vanishes when the work ends.</summary>
internal sealed class TerminalProgress : IWorkProgress
{
    private readonly ProgressTask _task;
    private long _bytes;
    private long _items = -1;

    private TerminalProgress(ProgressTask task) => _task = task;

    public bool IsShown => true;

    /// <summary>Runs work and shows it.</summary>
    public static async Task<T> RunAsync<T>(TextWriter terminal, string what, Func<IWorkProgress, Task<T>> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(terminal),
            Interactive = InteractionSupport.Yes,
        });
        StateColumn state = new();
        return await console.Progress()
            .AutoClear(true)
            .HideCompleted(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 20 }, state)
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(what));
                task.IsIndeterminate = true;
                TerminalProgress progress = new(task);
                state.Progress = progress;
                return await work(progress);
            });
    }

    public void Report(double done, double? total, long bytes, long? items)
    {
        Volatile.Write(ref _bytes, bytes);
        Volatile.Write(ref _items, items ?? -1);
        if (total is > 0)
        {
            _task.IsIndeterminate = false;
            _task.MaxValue = total.Value;
            _task.Value = Math.Min(done, total.Value);
        }
    }

    private sealed class StateColumn : ProgressColumn
    {
        public TerminalProgress? Progress { get; set; }

        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            if (Progress is not { } progress)
            {
                return Text.Empty;
            }

            long bytes = Volatile.Read(ref progress._bytes);
            long items = Volatile.Read(ref progress._items);
            double seconds = task.ElapsedTime?.TotalSeconds ?? 0;
            string rate = seconds > 0.5 ? $"  {ByteSize.Format((long)(bytes / seconds))}/s" : "";
            string left = task is { IsIndeterminate: false, RemainingTime: { } time } ? $"  {time:h\\:mm\\:ss} left" : "";
            return new Text($"{ByteSize.Format(bytes)}{(items >= 0 ? $"  {items:N0} items" : "")}{rate}{left}");
        }
    }
}
