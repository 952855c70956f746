using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Tvix.Castore;
using Tvix.Store.Cli.Commands;

namespace Tvix.Store.Cli;

/// <summary>The tool without its process: parses arguments, runs a command, and turns failures into a line and an exit code.</summary>
internal static class CommandLine
{
    private const string Notes = """
        Store paths:
          STOREPATH is an absolute path (/nix/store/HASH-NAME), a base name (HASH-NAME) or the 32 characters of the hash.
          Where STOREPATH[/SUB] stands, a path inside may follow, as in HASH-NAME/bin/hello. Links are not followed.

        Exit codes:
          0  success                          4    verification found damage
          1  failure                          130  interrupted (Ctrl-C); 143 terminated
          2  the command line is wrong        141  the reader of the output has gone
          3  something was not found
        """;

    /// <summary>Runs the tool.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args, ToolEnvironment environment, CancellationToken cancellationToken)
    {
        try
        {
            ParseResult result = Build(environment).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (result.Errors.Count > 0 && result.Action is ParseErrorAction)
            {
                string fault = result.UnmatchedTokens is [{ } unknown, ..]
                    ? $"'{unknown}' is not expected here."
                    : result.Errors[0].Message;
                throw ToolException.BadCommandLine($"{fault} See 'tvix-store {HelpPath(result)}--help'.");
            }

            await using StreamWriter text = environment.OpenText();
            InvocationConfiguration invocation = new()
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // signals are handled by the process's entry point
                Output = text,
                Error = environment.Error,
            };
            return await result.InvokeAsync(invocation, cancellationToken);
        }
        catch (Exception e) when (IsBrokenPipe(e))
        {
            return ExitCode.BrokenPipe;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (ToolException e)
        {
            return Fail(environment, e.ExitCode, e.Message);
        }
        catch (Exception e)
            when (e is CastoreException or TvixStoreException or IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return Fail(environment, ExitCode.Failure, e.Message);
        }
    }

    private static RootCommand Build(ToolEnvironment environment)
    {
        GlobalOptions global = new();
        Tool tool = new(global, environment);
        RootCommand root = new("Imports trees into a content-addressed store, renders them as Nix archives, and serves the store.")
        {
            global.Store,
            global.StoreDirectory,
            global.Quiet,
            ImportCommand.Create(tool),
            IngestCommand.Create(tool),
            NarCommand.Create(tool),
            NarInfoCommand.Create(tool),
            ListingCommand.Create(tool),
            CatCommand.Create(tool),
            TreeCommand.Create(tool),
            ExportCommand.Create(tool),
            CopyCommand.Create(tool),
            PushCommand.Create(tool),
            ListCommand.Create(tool),
            InfoCommand.Create(tool),
            StatsCommand.Create(tool),
            VerifyCommand.Create(tool),
            KeyCommand.Create(tool),
            RebuildIndexCommand.Create(tool),
            DaemonCommand.Create(tool),
        };
        root.Directives.Clear();
        foreach (Option option in root.Options)
        {
            switch (option)
            {
                case VersionOption:
                    option.Action = new VersionAction();
                    break;
                case HelpOption { Action: HelpAction help }:
                    option.Action = new HelpWithNotes(help, Notes);
                    break;
            }
        }

        return root;
    }

    /// <summary>The command that was given, and those that it is a part of, such as <c>"key sign "</c>.</summary>
    private static string HelpPath(ParseResult result)
    {
        string path = "";
        for (SymbolResult? at = result.CommandResult; at is CommandResult { Command: not RootCommand } given; at = at.Parent)
        {
            path = $"{given.Command.Name} {path}";
        }

        return path;
    }

    private static bool IsBrokenPipe(Exception e) => e is BrokenPipeException || (e.InnerException is { } inner && IsBrokenPipe(inner));

    private static int Fail(ToolEnvironment environment, int exitCode, string message)
    {
        environment.Error.WriteLine($"error: {message.ReplaceLineEndings(" ")}");
        return exitCode;
    }

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(ToolVersion.Text);
            return ExitCode.Success;
        }
    }
}
