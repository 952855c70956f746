using System.CommandLine;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Cli.Progress;
using Tvix.Store.Composition;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli;

/// <summary>What commands have in common: the store, store paths as arguments, progress.</summary>
internal sealed class Tool(GlobalOptions global, ToolEnvironment environment)
{
    private const string LocalScheme = "local";

    public ToolEnvironment Environment { get; } = environment;

    /// <summary>The store directory of the command line.</summary>
    public StoreDirectory StoreDirectory(ParseResult arguments)
    {
        if (arguments.GetValue(global.StoreDirectory) is not { } path)
        {
            return default;
        }

        try
        {
            return new StoreDirectory(path);
        }
        catch (ArgumentException e)
        {
            throw ToolException.BadCommandLine(WithoutParameter(e), e);
        }
    }

    /// <summary>Opens the store of the command line.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="create">
    /// Whether a local store that does not exist is made; otherwise that is an error, since nothing would be found in it.
    /// </param>
    public TvixStore OpenStore(ParseResult arguments, bool create = false)
    {
        StoreDirectory(arguments); // so that it is complained of first, when both are wrong
        return OpenStoreAt(arguments, ParseAddress(AddressText(arguments)), create);
    }

    /// <summary>Opens the store at an address. The one place that knows which schemes there are.</summary>
    /// <inheritdoc cref="OpenStore"/>
    public TvixStore OpenStoreAt(ParseResult arguments, StoreAddress address, bool create = false)
    {
        StoreDirectory directory = StoreDirectory(arguments);
        try
        {
            if (!create && address.Scheme == LocalScheme)
            {
                ExistingFolder(address);
            }

            return TvixStore.Open(address.ToString(), directory, StoreSchemes.Resolver);
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }

    /// <summary>Takes an argument for an address.</summary>
    public static StoreAddress ParseAddress(string address)
    {
        try
        {
            return StoreAddress.Parse(address);
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }

    /// <summary>Whether reading from the store at an address takes no network.</summary>
    public static bool IsNear(StoreAddress address) => address.Scheme is LocalScheme or "memory";

    /// <summary>The folder of the command line's store, which must be a local one that exists.</summary>
    public string LocalFolder(ParseResult arguments)
    {
        try
        {
            StoreAddress address = ParseAddress(AddressText(arguments));
            return address.Scheme == LocalScheme
                ? ExistingFolder(address)
                : throw ToolException.BadCommandLine($"'{address}' is not the address of a local store.");
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }

    /// <summary>A folder for what belongs to the store and is not part of it; <see langword="null"/> when the command line's store has no folder.</summary>
    public string? StateFolder(ParseResult arguments)
    {
        StoreAddress address = ParseAddress(AddressText(arguments));
        return address.Scheme == LocalScheme ? Path.Combine(StoreAddressResolver.ParseLocal(address).Path, "state") : null;
    }

    /// <summary>Finds the store path that an argument names, and what is at the path inside it.</summary>
    public async Task<StoreItem> FindAsync(TvixStore store, string argument, CancellationToken cancellationToken) =>
        await TryFindAsync(store, StoreArgument.Parse(argument, store.StoreDirectory), cancellationToken)
        ?? throw ToolException.NotFound($"'{argument}' is not in the store.");

    /// <summary>Finds what an argument names; <see langword="null"/> when the store does not have it.</summary>
    public static async Task<StoreItem?> TryFindAsync(TvixStore store, StoreArgument argument, CancellationToken cancellationToken)
    {
        PathInfo? info = await store.PathInfos.GetAsync(argument.Digest, cancellationToken);
        return info is not null
            && (argument.Name is null || argument.Name == info.StorePath.Name)
            && await store.Directories.DescendAsync(info.Node, argument.SubPath, cancellationToken) is { } node
            ? new StoreItem(info, argument.SubPath, node)
            : null;
    }

    /// <summary>Finds the store path that an argument names as a whole.</summary>
    public async Task<PathInfo> FindStorePathAsync(TvixStore store, string argument, CancellationToken cancellationToken)
    {
        StoreArgument parsed = StoreArgument.Parse(argument, store.StoreDirectory);
        return !parsed.SubPath.IsRoot
            ? throw ToolException.BadCommandLine($"'{argument}' is something inside a store path; a store path is needed.")
            : (await FindAsync(store, argument, cancellationToken)).Info;
    }

    /// <summary>Runs something long, and shows how far it has come if there is a terminal to show it on.</summary>
    /// <param name="arguments">The command line.</param>
    /// <param name="what">What is going on, such as <c>importing x</c>.</param>
    /// <param name="work">The work; it reports to what it is given.</param>
    public Task<T> WithProgressAsync<T>(ParseResult arguments, string what, Func<IWorkProgress, Task<T>> work) =>
        Environment.ErrorIsTerminal && !arguments.GetValue(global.Quiet)
            ? TerminalProgress.RunAsync(Environment.Error, what, work)
            : work(NoProgress.Instance);

    /// <summary>The message of an argument's exception, without what it says about the code.</summary>
    public static string WithoutParameter(ArgumentException e)
    {
        int end = e.Message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return end < 0 ? e.Message : e.Message[..end];
    }

    private string AddressText(ParseResult arguments) =>
        arguments.GetValue(global.Store) ?? NonEmpty(Environment.GetVariable(GlobalOptions.StoreVariable)) ?? DefaultAddress();

    private static string ExistingFolder(StoreAddress address)
    {
        string folder = StoreAddressResolver.ParseLocal(address).Path;
        return Directory.Exists(folder) ? folder : throw ToolException.NotFound($"There is no store at '{folder}'.");
    }

    private string DefaultAddress()
    {
        string? data = NonEmpty(Environment.GetVariable("XDG_DATA_HOME"));
        if (data is null)
        {
            string home = NonEmpty(Environment.GetVariable("HOME"))
                ?? throw ToolException.BadCommandLine(
                    $"Neither --store nor ${GlobalOptions.StoreVariable} nor $HOME says where the store is.");
            data = Path.Combine(home, ".local", "share");
        }

        // In an address, these two have a meaning.
        string folder = Path.Combine(data, "tvix-store");
        return "local:" + folder.Replace("%", "%25", StringComparison.Ordinal).Replace("?", "%3F", StringComparison.Ordinal);
    }

    private static string? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
