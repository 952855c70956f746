using System.CommandLine;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>key</c></summary>
internal static class KeyCommand
{
    public static Command Create(Tool tool) => new ToolCommand(
        "key",
        "Makes keys, signs store paths with them, and checks signatures. Keys and signatures are those of Nix.",
        "tvix-store key generate cache.example.org-1 --output cache.secret",
        "tvix-store key public cache.secret",
        "tvix-store key sign --key-file cache.secret --all",
        "tvix-store key verify --trusted-public-keys \"$(tvix-store key public cache.secret)\" --all")
    {
        KeyGenerateCommand.Create(tool),
        KeyPublicCommand.Create(tool),
        KeySignCommand.Create(tool),
        KeyVerifyCommand.Create(tool),
    };
}
