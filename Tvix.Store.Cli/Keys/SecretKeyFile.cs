using System.Text;
using Tvix.Store.NarInfos;

namespace Tvix.Store.Cli.Keys;

/// <summary>Files with a secret key, in the form that Nix has them: <c>name:base64</c>, without a line end.</summary>
internal static class SecretKeyFile
{
    private const int MaxLength = 64 << 10;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode AnybodyElse =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Reads a key. Warns of a file that others can read, and takes it all the same, as Nix does: its own tool makes such files.</summary>
    /// <exception cref="ToolException">There is no such file, or something else is in it. The message has nothing of the contents.</exception>
    public static SigningKey Read(string path, TextWriter warnings)
    {
        if (path.Length == 0)
        {
            throw ToolException.BadCommandLine("The name of a key file is empty.");
        }

        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file.SafeFileHandle) & AnybodyElse) != 0)
            {
                warnings.WriteLine($"warning: The secret key in '{path}' is open to other users; chmod 600 it.");
            }

            return Parse(file, $"'{path}'");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw ToolException.NotFound($"'{path}' does not exist.");
        }
    }

    /// <summary>Reads a key from a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="what">What it is, for messages.</param>
    /// <exception cref="ToolException">Something else is in it.</exception>
    public static SigningKey Parse(Stream stream, string what)
    {
        byte[] bytes = new byte[MaxLength + 1]; // not by its length, which a pipe does not have
        int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        try
        {
            return length <= MaxLength
                ? SigningKey.Parse(Encoding.UTF8.GetString(bytes.AsSpan(0, length)))
                : throw new FormatException($"It is longer than {MaxLength} bytes.");
        }
        catch (FormatException e)
        {
            throw new ToolException(ExitCode.Failure, $"{what} has no secret key. {e.Message}", e);
        }
    }

    /// <summary>Writes a key to a file that only its owner can read. What is there is never overwritten in part, and only if that is wanted.</summary>
    /// <exception cref="ToolException">Something is there already.</exception>
    public static void Write(string path, SigningKey key, bool replace)
    {
        if (path.Length == 0)
        {
            throw ToolException.BadCommandLine("The name of the output is empty.");
        }

        byte[] secret = Encoding.UTF8.GetBytes(key.ToSecretString());
        if (!replace)
        {
            try
            {
                WriteNew(path, secret);
            }
            catch (IOException) when (PathOnDisk.Exists(path))
            {
                throw ToolException.Failure($"'{path}' exists already. A key that is lost cannot be made again; --force overwrites it.");
            }

            return;
        }

        string next = $"{path}.{Guid.NewGuid():N}.new";
        try
        {
            WriteNew(next, secret);
            File.Move(next, path, overwrite: true);
        }
        catch
        {
            File.Delete(next);
            throw;
        }
    }

    private static void WriteNew(string path, byte[] secret)
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        using FileStream file = new(path, options);
        file.Write(secret);
        file.Flush(flushToDisk: true);
    }
}
