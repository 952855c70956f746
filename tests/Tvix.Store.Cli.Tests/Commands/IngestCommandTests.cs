using System.Net.Sockets;
using System.Text.Json;
using NUnit.Framework;

namespace Tvix.Store.Cli.Tests.Commands;

[TestFixture]
public sealed class IngestCommandTests : ToolFixture
{
    [Test]
    public async Task Ingest_SeveralPaths_PrintsTheirRootNodesInOrder()
    {
        string tree = MakeTree();
        ToolResult imported = await SucceedAsync("import", "--json", tree, At("d/sub/x"), At("d/e"));
        ToolResult result = await SucceedAsync("ingest", tree, At("d/sub/x"), At("d/e"), At("d/l"));
        Assert.That(result.Lines, Is.EqualTo([
            $"directory {RootOf(0)}",
            $"executable {RootOf(1)}",
            $"regular {RootOf(2)}",
            "symlink sub",
        ]));

        string RootOf(int i)
        {
            JsonElement node = imported.Json[i].GetProperty("node");
            return $"{node.GetProperty("digest").GetString()} {node.GetProperty("size").GetInt64()}";
        }
    }

    [Test]
    public async Task Ingest_ATree_StoresItsContentsButNoStorePath()
    {
        await SucceedAsync("ingest", MakeTree());
        ToolResult before = await SucceedAsync("stats", "--json");
        Assert.That(before.Json.GetProperty("storePaths").GetInt64(), Is.Zero);
        Assert.That(before.Json.GetProperty("directories").GetInt64(), Is.EqualTo(2));

        await SucceedAsync("import", At("d"));
        ToolResult after = await SucceedAsync("stats", "--json");
        Assert.That(after.Json.GetProperty("storePaths").GetInt64(), Is.EqualTo(1));
        Assert.That(after.Json.GetProperty("chunks").GetInt64(), Is.EqualTo(before.Json.GetProperty("chunks").GetInt64()));
    }

    [Test]
    public async Task Ingest_MissingPath_IsNotFound() => Assert.That(await FailAsync(ExitCode.NotFound, "ingest", At("nothing")), Does.Contain("nothing"));

    [Test]
    public async Task Ingest_NoPath_IsABadCommandLine() => await FailAsync(ExitCode.BadCommandLine, "ingest");

    [Test]
    public async Task Ingest_ASocket_FailsUnlessItIsLeftOut()
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Directory.CreateDirectory(At("odd"));
        socket.Bind(new UnixDomainSocketEndPoint(At("odd/socket")));
        ToolResult refused = await RunAsync("ingest", At("odd"));
        Assert.That(refused.Code, Is.Not.Zero);
        Assert.That((await SucceedAsync("ingest", "--skip-unsupported", At("odd"))).Text, Does.StartWith("directory blake3-"));
    }
}
