using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Tvix.Store.Cli;

/// <summary>Help that ends with examples, or for the tool as a whole with notes.</summary>
internal sealed class HelpWithNotes(HelpAction help, string notes) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int code = help.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        if (parseResult.CommandResult.Command is ToolCommand command)
        {
            output.WriteLine("Examples:");
            foreach (string example in command.Examples)
            {
                output.WriteLine($"  {example}");
            }

            output.WriteLine();
        }
        else
        {
            output.WriteLine(notes);
        }

        return code;
    }
}
