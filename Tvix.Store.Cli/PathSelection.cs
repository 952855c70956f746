using System.CommandLine;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli;

/// <summary>The arguments of commands that work on many store paths: some by name, maybe with all that they refer to, or all of the store.</summary>
/// <param name="verb">What the command does with them, for its help.</param>
internal sealed class PathSelection(string verb)
{
    private const int ConcurrentLookups = 64;

    private readonly Argument<string[]> _paths = new("STOREPATH") { Description = "Store paths.", Arity = ArgumentArity.ZeroOrMore };
    private readonly Option<bool> _all = new("--all") { Description = $"{verb} all store paths of the store." };
    private readonly Option<bool> _closure = new("--closure") { Description = $"{verb} also what the store paths refer to, and so on." };

    public void AddTo(Command command)
    {
        command.Add(_paths);
        command.Add(_all);
        command.Add(_closure);
    }

    /// <summary>Checks the command line, before anything is opened.</summary>
    /// <exception cref="ToolException">Both store paths and all are asked for, or neither.</exception>
    public void Check(ParseResult arguments)
    {
        bool all = arguments.GetValue(_all);
        if (all == (arguments.GetValue(_paths) is { Length: > 0 }))
        {
            throw ToolException.BadCommandLine(all ? "--all and a STOREPATH cannot be given together." : "Give a STOREPATH, or --all.");
        }
    }

    /// <summary>Looks up what is selected.</summary>
    /// <returns>The path infos, each once: those that were named in their order, then the references; all of a store in the order of their names.</returns>
    /// <exception cref="ToolException">Something is not there.</exception>
    public async Task<IReadOnlyList<PathInfo>> FindAsync(Tool tool, TvixStore store, ParseResult arguments, CancellationToken cancellationToken)
    {
        List<PathInfo> found = [];
        if (arguments.GetValue(_all))
        {
            await foreach (PathInfo info in store.PathInfos.ListAsync(cancellationToken))
            {
                found.Add(info);
            }

            found.Sort((a, b) => a.StorePath.CompareTo(b.StorePath));
            return found;
        }

        HashSet<StorePathDigest> seen = [];
        foreach (string name in arguments.GetValue(_paths) ?? [])
        {
            PathInfo info = await tool.FindStorePathAsync(store, name, cancellationToken);
            if (seen.Add(info.StorePath.Digest))
            {
                found.Add(info);
            }
        }

        // In waves, so that the number of round trips, one after the other, is the depth of the closure and not its size.
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = ConcurrentLookups, CancellationToken = cancellationToken };
        for (int done = 0; arguments.GetValue(_closure) && done < found.Count;)
        {
            (StorePath Path, StorePath Referrer)[] wave =
            [
                .. found.Skip(done)
                    .SelectMany(info => info.References.Select(reference => (Path: reference, Referrer: info.StorePath)))
                    .Where(reference => seen.Add(reference.Path.Digest)),
            ];
            PathInfo[] infos = new PathInfo[wave.Length];
            await Parallel.ForEachAsync(Enumerable.Range(0, wave.Length), parallel, async (i, token) =>
                infos[i] = await store.PathInfos.GetAsync(wave[i].Path.Digest, token)
                    ?? throw ToolException.NotFound(
                        $"'{wave[i].Path.ToAbsolutePath(store.StoreDirectory)}', which "
                        + $"'{wave[i].Referrer.ToAbsolutePath(store.StoreDirectory)}' refers to, is not in the store."));
            done = found.Count;
            found.AddRange(infos);
        }

        return found;
    }
}
