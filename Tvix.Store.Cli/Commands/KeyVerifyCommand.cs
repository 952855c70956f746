using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.Cli.Keys;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>key verify</c></summary>
internal static class KeyVerifyCommand
{
    private const int ConcurrentPaths = 8;

    public static Command Create(Tool tool)
    {
        PathSelection selection = new("Check");
        Option<string[]> keys = new("--trusted-public-keys")
        {
            Description = "Public keys with white space in between, as trusted-public-keys of Nix has them. Can be repeated.",
            HelpName = "KEYS",
            Required = true,
        };
        Option<bool> contents = new("--check-contents")
        {
            Description = "Read the contents as well, and compare their NAR with the hash that is signed.",
        };
        Option<bool> json = new("--json") { Description = "Print an array with all store paths instead, one a line." };
        ToolCommand command = new(
            "verify",
            "Says which store paths are neither signed by a trusted key nor named by their contents; the exit code is 1 then.",
            "tvix-store key verify --trusted-public-keys \"$(cat cache.public)\" --closure 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60",
            "tvix-store key verify --trusted-public-keys \"$(cat cache.public)\" --check-contents --all")
        {
            keys, contents, json,
        };
        selection.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            selection.Check(arguments);
            TrustedKeys trusted = ParseKeys(arguments.GetRequiredValue(keys));
            await using TvixStore store = tool.OpenStore(arguments);
            IReadOnlyList<PathInfo> infos = await selection.FindAsync(tool, store, arguments, cancellationToken);
            TrustExaminer examiner = new(store, trusted, arguments.GetValue(contents));
            TrustFinding[] findings = await tool.WithProgressAsync(arguments, "checking", async progress =>
            {
                int done = 0;
                TrustFinding[] found = new TrustFinding[infos.Count];
                ParallelOptions parallel = new() { MaxDegreeOfParallelism = ConcurrentPaths, CancellationToken = cancellationToken };
                await Parallel.ForEachAsync(Enumerable.Range(0, infos.Count), parallel, async (i, token) =>
                {
                    found[i] = await examiner.ExamineAsync(infos[i], token);
                    int now = Interlocked.Increment(ref done);
                    progress.Report(now, infos.Count, 0, now);
                });
                return found;
            });

            await using StreamWriter output = tool.Environment.OpenText();
            await (arguments.GetValue(json) ? WriteJsonAsync(output, findings, store) : WriteTextAsync(output, findings, store));
            return findings.All(finding => finding.Fault is null) ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static async Task WriteTextAsync(StreamWriter output, TrustFinding[] findings, TvixStore store)
    {
        foreach (TrustFinding finding in findings.Where(finding => finding.Fault is not null))
        {
            string path = finding.Info.StorePath.ToAbsolutePath(store.StoreDirectory);
            await output.WriteLineAsync($"{path} {finding.Fault}.".ReplaceLineEndings(" "));
        }

        await output.WriteLineAsync(
            $"{findings.Count(finding => finding.SignedBy is not null)} store paths signed, "
            + $"{findings.Count(finding => finding.IsContentAddressed)} named by their contents, "
            + $"{findings.Count(finding => finding.Fault is not null)} not trusted.");
    }

    private static async Task WriteJsonAsync(StreamWriter output, TrustFinding[] findings, TvixStore store)
    {
        JsonArrayWriter<TrustJson> array = new(output, ToolJson.Plain.TrustJson);
        foreach (TrustFinding finding in findings)
        {
            await array.WriteAsync(TrustJson.From(finding, store.StoreDirectory));
        }

        await array.EndAsync();
    }

    private static TrustedKeys ParseKeys(string[] texts)
    {
        try
        {
            TrustedKeys keys = TrustedKeys.Parse(string.Join(' ', texts));
            return keys.Keys.Count > 0 ? keys : throw ToolException.BadCommandLine("--trusted-public-keys has no key.");
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }
}
