using System.Net;
using Tvix.Castore;

namespace Tvix.Store.BinaryCaches;

/// <summary>The users and passwords of servers, as <c>.netrc</c> files have them.</summary>
/// <remarks>
/// <code>
/// machine NAME login USER password SECRET      any white space between the words; "default" for all other servers
/// </code>
/// Of several entries for a server, the first counts. Words in quotation marks may have white space; <c>account</c> is read over, and <c>macdef</c> up to the next empty line.
/// </remarks>
internal sealed class Netrc
{
    private const int MaxLength = 1 << 20;

    private readonly Dictionary<string, NetworkCredential> _byMachine = new(StringComparer.OrdinalIgnoreCase);
    private NetworkCredential? _default;

    private Netrc()
    {
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="StorageException">It cannot be read, or is something else.</exception>
    public static Netrc Read(string path)
    {
        try
        {
            FileInfo file = new(path);
            return file.Length <= MaxLength
                ? Parse(File.ReadAllText(path))
                : throw new StorageException($"The netrc file '{path}' has more than {MaxLength} bytes.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The netrc file '{path}' cannot be read: {e.Message}", e);
        }
        catch (FormatException e)
        {
            throw new StorageException($"The netrc file '{path}' is none: {e.Message}", e);
        }
    }

    /// <summary>Parses the text.</summary>
    /// <exception cref="FormatException">It is something else. The message does not repeat any of it, since that may be secret.</exception>
    public static Netrc Parse(string text)
    {
        Netrc result = new();
        string? machine = null;
        NetworkCredential? entry = null;
        using IEnumerator<string> words = Split(text).GetEnumerator();
        while (words.MoveNext())
        {
            switch (words.Current)
            {
                case "machine":
                    result.Add(machine, entry);
                    machine = Next(words);
                    entry = new NetworkCredential();
                    break;
                case "default":
                    result.Add(machine, entry);
                    machine = null;
                    entry = new NetworkCredential();
                    break;
                case "login" when entry is not null:
                    entry.UserName = Next(words);
                    break;
                case "password" when entry is not null:
                    entry.Password = Next(words);
                    break;
                case "account" when entry is not null:
                    Next(words);
                    break;
                default:
                    throw new FormatException("There is a word where machine, default, login, password, account or macdef must be.");
            }
        }

        result.Add(machine, entry);
        return result;
    }

    /// <summary>What a server wants to hear; <see langword="null"/> when the file says nothing about it.</summary>
    public NetworkCredential? Find(string host) => _byMachine.GetValueOrDefault(host) ?? _default;

    /// <summary>As <see cref="Find"/>, but without what is for all other servers.</summary>
    public NetworkCredential? FindNamed(string host) => _byMachine.GetValueOrDefault(host);

    private static string Next(IEnumerator<string> words) =>
        words.MoveNext() ? words.Current : throw new FormatException("It ends where another word must be.");

    private static IEnumerable<string> Split(string text)
    {
        bool isMacro = false;
        foreach (string line in text.Split('\n'))
        {
            string rest = line.Trim();
            if (isMacro)
            {
                isMacro = rest.Length > 0;
                continue;
            }

            while (rest.Length > 0 && rest[0] != '#')
            {
                int end = rest[0] == '"' ? rest.IndexOf('"', 1) : rest.IndexOfAny([' ', '\t', '\r']);
                if (end < 0 && rest[0] == '"')
                {
                    throw new FormatException("A quotation mark is missing.");
                }

                string word = end < 0 ? rest : rest[0] == '"' ? rest[1..end] : rest[..end];
                rest = end < 0 ? "" : rest[(end + 1)..].TrimStart();
                if (word == "macdef")
                {
                    isMacro = true;
                    break;
                }

                yield return word;
            }
        }
    }

    private void Add(string? machine, NetworkCredential? entry)
    {
        if (machine is not null)
        {
            _byMachine.TryAdd(machine, entry!);
        }
        else
        {
            _default ??= entry;
        }
    }
}
