using NUnit.Framework;

namespace Tvix.Store.Cli.Tests;

/// <summary>A folder and a store for each test, and the tool on them, in this process.</summary>
public abstract class ToolFixture
{
    protected string Folder { get; private set; } = "";

    protected string StoreAddress => "local:" + At("store");

    [SetUp]
    public void MakeFolder() => Folder = Directory.CreateTempSubdirectory("tvix-store-tests-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(Folder, recursive: true);

    protected string At(string path) => Path.Combine(Folder, path);

    /// <summary>A tree with all kinds of nodes; its NAR has 864 bytes and its store path is <see cref="TreePath"/>.</summary>
    protected string MakeTree()
    {
        string tree = At("d");
        Directory.CreateDirectory(Path.Combine(tree, "sub"));
        File.WriteAllText(Path.Combine(tree, "sub", "x"), "hi\n");
        File.SetUnixFileMode(Path.Combine(tree, "sub", "x"), (UnixFileMode)0b111_101_101);
        File.WriteAllText(Path.Combine(tree, "e"), "");
        File.CreateSymbolicLink(Path.Combine(tree, "l"), "sub");
        return tree;
    }

    /// <summary>What nix-store --add prints for the tree.</summary>
    protected const string TreePath = "/nix/store/j0cf8bsvzn1zw8j0b6pvk3zq3a9x7p2n-d";

    /// <summary>Runs the tool on the test's store.</summary>
    protected Task<ToolResult> RunAsync(params string[] arguments) =>
        RunWithAsync(new ToolSetup(), ["--store", StoreAddress, .. arguments]);

    /// <summary>Runs the tool in a setup, without choosing a store.</summary>
    internal static async Task<ToolResult> RunWithAsync(ToolSetup setup, params string[] arguments)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        ToolEnvironment environment = new(
            () => new MemoryStream(setup.Input),
            setup.Output ?? output,
            error,
            setup.OutputIsTerminal,
            setup.ErrorIsTerminal,
            name => setup.Variables.GetValueOrDefault(name));
        int code = await CommandLine.RunAsync(arguments, environment, setup.CancellationToken);
        return new ToolResult(code, output.ToArray(), error.ToString());
    }

    /// <summary>Runs the tool and expects success.</summary>
    protected async Task<ToolResult> SucceedAsync(params string[] arguments)
    {
        ToolResult result = await RunAsync(arguments);
        Assert.That(result, Has.Property(nameof(ToolResult.Code)).EqualTo(0), result.Error);
        Assert.That(result.Error, Is.Empty);
        return result;
    }

    /// <summary>Runs the tool and expects an exit code, nothing on standard output, and one line that says why.</summary>
    protected async Task<string> FailAsync(int code, params string[] arguments)
    {
        ToolResult result = await RunAsync(arguments);
        Assert.That(result.Code, Is.EqualTo(code), result.Error);
        Assert.That(result.Output, Is.Empty);
        Assert.That(result.Error, Does.StartWith("error: ").And.EndsWith("\n"));
        Assert.That(result.Error.Count(c => c == '\n'), Is.EqualTo(1), "one line");
        return result.Error;
    }
}
