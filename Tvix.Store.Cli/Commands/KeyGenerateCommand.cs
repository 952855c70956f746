using System.CommandLine;
using Tvix.Store.Cli.Keys;
using Tvix.Store.NarInfos;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>key generate</c></summary>
internal static class KeyGenerateCommand
{
    public static Command Create(Tool tool)
    {
        Argument<string> name = new("NAME")
        {
            Description = "The name of the key, which signatures carry: by custom the host and a number, as in cache.example.org-1.",
        };
        Option<string?> output = new("--output", "-o")
        {
            Description = "The file for the secret key, which only its owner can read. Default: the secret key is printed.",
            HelpName = "FILE",
        };
        Option<bool> force = new("--force") { Description = "Overwrite the file if it exists." };
        ToolCommand command = new(
            "generate",
            "Makes a secret key. With --output, prints the public key, which others need to check signatures.",
            "tvix-store key generate cache.example.org-1 --output cache.secret > cache.public")
        {
            name, output, force,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            string? path = arguments.GetValue(output);
            if (path is null && arguments.GetValue(force))
            {
                throw ToolException.BadCommandLine("--force goes with --output.");
            }

            SigningKey key = Generate(arguments.GetRequiredValue(name));
            if (path is not null)
            {
                SecretKeyFile.Write(path, key, arguments.GetValue(force));
            }

            cancellationToken.ThrowIfCancellationRequested();
            await tool.Environment.WriteLineAsync(path is null ? key.ToSecretString() : key.PublicKey.ToString());
            return ExitCode.Success;
        });
        return command;
    }

    private static SigningKey Generate(string name)
    {
        try
        {
            return SigningKey.Generate(name);
        }
        catch (ArgumentException e)
        {
            throw ToolException.BadCommandLine(Tool.WithoutParameter(e), e);
        }
    }
}
