using System.CommandLine;
using Tvix.Store.Cli.Json;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>verify</c></summary>
internal static class VerifyCommand
{
    public static Command Create(Tool tool)
    {
        Option<bool> json = new("--json")
        {
            Description = "Print an array of findings instead, one a line; empty when the store is sound.",
        };
        ToolCommand command = new(
            "verify",
            "Reads and hashes everything in the store. Prints what is damaged, then the store paths that suffer; the exit code is 4 then.",
            "tvix-store verify")
        {
            json,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using TvixStore store = tool.OpenStore(arguments);
            List<StoreFinding> findings = await tool.WithProgressAsync(arguments, "verifying", async progress =>
            {
                List<StoreFinding> found = [];
                await foreach (StoreFinding finding in store.VerifyAsync(progress.ForVerify(), cancellationToken))
                {
                    found.Add(finding);
                }

                return found;
            });
            await using StreamWriter output = tool.Environment.OpenText();
            if (arguments.GetValue(json))
            {
                JsonArrayWriter<FindingJson> array = new(output, ToolJson.Plain.FindingJson);
                foreach (StoreFinding finding in findings)
                {
                    await array.WriteAsync(FindingJson.From(finding, store.StoreDirectory));
                }

                await array.EndAsync();
            }
            else
            {
                foreach (StoreFinding finding in findings)
                {
                    await output.WriteLineAsync(finding.Message.ReplaceLineEndings(" "));
                }

                await output.WriteLineAsync(findings.Count == 0
                    ? "The store is sound."
                    : $"{findings.Count(f => f.StorePath is null)} damaged, "
                        + $"{findings.Count(f => f.StorePath is not null)} store paths suffer.");
            }

            return findings.Count == 0 ? ExitCode.Success : ExitCode.Damaged;
        });
        return command;
    }
}
