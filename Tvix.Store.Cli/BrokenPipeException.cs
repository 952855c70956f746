namespace Tvix.Store.Cli;

/// <summary>Nobody reads what the tool writes any more.</summary>
internal sealed class BrokenPipeException() : IOException("The reader of the output has gone.");
