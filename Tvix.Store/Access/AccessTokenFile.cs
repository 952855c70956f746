using System.Text;

namespace Tvix.Store.Access;

/// <summary>A file of tokens that can be read again while it is in use; see <see cref="AccessTokens"/> for what is in it.</summary>
/// <remarks>Safe for concurrent use.</remarks>
public sealed class AccessTokenFile
{
    private const int MaxFileSize = 1 << 20;

    private AccessTokens _current;

    /// <summary>Reads a file.</summary>
    /// <param name="path">Where it is.</param>
    /// <exception cref="FormatException">The file is none of tokens, or longer than 1 MiB; the message names it and has nothing of its contents.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public AccessTokenFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        Path = path;
        _current = Read();
    }

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>The tokens, as they were when the file was last read with success.</summary>
    public AccessTokens Current => Volatile.Read(ref _current);

    /// <summary>Whether users besides the owner and the group may read the file, which tokens should not be exposed to. Always <see langword="false"/> on Windows.</summary>
    public bool IsWorldReadable => !OperatingSystem.IsWindows() && (File.GetUnixFileMode(Path) & UnixFileMode.OtherRead) != 0;

    /// <summary>Reads the file again. When that fails, the tokens stay what they were.</summary>
    /// <inheritdoc cref="AccessTokenFile(string)" path="/exception"/>
    public void Reload() => Volatile.Write(ref _current, Read());

    private AccessTokens Read()
    {
        using FileStream file = new(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[MaxFileSize + 1]; // not by its length, which a pipe does not have
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > MaxFileSize)
        {
            throw new FormatException($"'{Path}' is longer than {MaxFileSize} bytes.");
        }

        try
        {
            return AccessTokens.Parse(Encoding.UTF8.GetString(bytes.AsSpan(0, length)));
        }
        catch (FormatException e)
        {
            throw new FormatException($"'{Path}': {e.Message}", e);
        }
    }
}
