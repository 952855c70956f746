using System.CommandLine;
using Tvix.Store.Cli.Keys;
using Tvix.Store.NarInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>key public</c></summary>
internal static class KeyPublicCommand
{
    private const string Input = "-";

    public static Command Create(Tool tool)
    {
        Argument<string> file = new("FILE")
        {
            Description = "The file with the secret key; - is standard input, and the default.",
            DefaultValueFactory = _ => Input,
        };
        ToolCommand command = new(
            "public",
            "Prints the public key of a secret key, as trusted-public-keys of Nix takes it.",
            "tvix-store key public cache.secret",
            "tvix-store key generate cache.example.org-1 | tee cache.secret | tvix-store key public")
        {
            file,
        };
        command.SetAction(async (arguments, _) =>
        {
            string path = arguments.GetRequiredValue(file);
            await using Stream? input = path == Input ? tool.Environment.OpenInput() : null;
            SigningKey key = input is null ? SecretKeyFile.Read(path, tool.Environment.Error) : SecretKeyFile.Parse(input, "Standard input");
            await tool.Environment.WriteLineAsync(key.PublicKey.ToString());
            return ExitCode.Success;
        });
        return command;
    }
}
