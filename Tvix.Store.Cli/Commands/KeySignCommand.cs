using System.CommandLine;
using Tvix.Store.Cli.Json;
using Tvix.Store.Cli.Keys;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>key sign</c></summary>
internal static class KeySignCommand
{
    private const int ConcurrentPuts = 64;

    public static Command Create(Tool tool)
    {
        PathSelection selection = new("Sign");
        Option<string[]> files = new("--key-file", "-k")
        {
            Description = "A file with a secret key. Can be repeated.",
            HelpName = "FILE",
            Required = true,
        };
        Option<bool> json = new("--json") { Description = "Print an object instead." };
        ToolCommand command = new(
            "sign",
            "Adds signatures to store paths of the store. What a key has signed already stays as it is. "
            + "A signature vouches for the contents: sign what you have made yourself, or trust.",
            "tvix-store key sign --key-file cache.secret --closure 00bgd045z0d4icpbc2yyz4gx48ak44la-net-tools-1.60",
            "tvix-store key sign --key-file cache.secret --all")
        {
            files, json,
        };
        selection.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            selection.Check(arguments);
            SigningKey[] keys = [.. arguments.GetRequiredValue(files).Select(file => SecretKeyFile.Read(file, tool.Environment.Error))];
            await using TvixStore store = tool.OpenStore(arguments);
            IReadOnlyList<PathInfo> infos = await selection.FindAsync(tool, store, arguments, cancellationToken);
            KeySigner signer = new(keys, store.StoreDirectory);
            KeySignJson result = await tool.WithProgressAsync(arguments, "signing", async progress =>
            {
                int done = 0;
                int signed = 0;
                int added = 0;
                ParallelOptions parallel = new() { MaxDegreeOfParallelism = ConcurrentPuts, CancellationToken = cancellationToken };
                await Parallel.ForEachAsync(infos, parallel, async (info, token) =>
                {
                    PathInfo next = signer.Sign(info);
                    if (next != info)
                    {
                        await store.PathInfos.PutAsync(next, token);
                        Interlocked.Increment(ref signed);
                        Interlocked.Add(ref added, next.Signatures.Count - info.Signatures.Count);
                    }

                    int now = Interlocked.Increment(ref done);
                    progress.Report(now, infos.Count, 0, now);
                });
                return new KeySignJson { PathsSigned = signed, PathsAlreadySigned = infos.Count - signed, SignaturesAdded = added };
            });
            await tool.Environment.WriteLineAsync(arguments.GetValue(json)
                ? ToolJson.Format(result, ToolJson.Plain.KeySignJson)
                : $"{result.PathsSigned} store paths signed, {result.PathsAlreadySigned} already were.");
            return ExitCode.Success;
        });
        return command;
    }
}
