using System.Security.Cryptography;
using System.Text;

namespace Tvix.Store.Access;

/// <summary>The tokens that open a store. Holds their hashes only.</summary>
/// <remarks>
/// <para>As text:</para>
/// <code>
/// file  = { line "\n" }
/// line  = "" | "#" comment | ( "read" | "write" ) blanks TOKEN [ blanks NAME ]
/// TOKEN = 16 to 1024 of A-Z a-z 0-9 - . _ ~ + / =
/// NAME  = printable characters without blanks
/// </code>
/// <para><c>write</c> allows reading too. Blanks are spaces and tabs; those at the ends of a line do not count. Immutable.</para>
/// </remarks>
public sealed class AccessTokens
{
    /// <summary>How short a token may be, in characters.</summary>
    public const int MinTokenLength = 16;

    /// <summary>How long a token may be, in characters.</summary>
    public const int MaxTokenLength = 1024;

    private readonly (byte[] Hash, AccessGrant Grant)[] _entries;

    private AccessTokens((byte[] Hash, AccessGrant Grant)[] entries) => _entries = entries;

    /// <summary>No tokens: nobody is known.</summary>
    public static AccessTokens Empty { get; } = new([]);

    /// <summary>The number of tokens.</summary>
    public int Count => _entries.Length;

    /// <summary>Reads the text of a file of tokens.</summary>
    /// <exception cref="FormatException">A line is none, or a token is there twice; the message has the number of the line and nothing of the token.</exception>
    public static AccessTokens Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<(byte[] Hash, AccessGrant Grant)> entries = [];
        HashSet<string> seen = new(StringComparer.Ordinal);
        int number = 0;
        foreach (string line in text.Split('\n'))
        {
            number++;
            string[] words = line.Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is [] || words[0][0] == '#')
            {
                continue;
            }

            // What is wrong is said without the line: it may have a token in an unexpected place.
            StoreAccess access = words[0] switch { "read" => StoreAccess.Read, "write" => StoreAccess.Write, _ => throw Wrong(number, "does not begin with 'read' or 'write'") };
            if (words.Length is < 2 or > 3)
            {
                throw Wrong(number, "is not 'read TOKEN [NAME]' or 'write TOKEN [NAME]'");
            }

            if (words[1].Length is < MinTokenLength or > MaxTokenLength)
            {
                throw Wrong(number, $"has a token that is not {MinTokenLength} to {MaxTokenLength} characters long");
            }

            if (!words[1].All(IsTokenCharacter))
            {
                throw Wrong(number, "has a token with other characters than A-Z a-z 0-9 - . _ ~ + / =");
            }

            if (words.Length == 3 && words[2].Any(char.IsControl))
            {
                throw Wrong(number, "has a name that is not printable");
            }

            if (!seen.Add(words[1]))
            {
                throw Wrong(number, "has a token that another line has too");
            }

            entries.Add((Hash(words[1]), new AccessGrant(access, words.Length == 3 ? words[2] : null)));
        }

        return new AccessTokens([.. entries]);
    }

    /// <summary>Looks a token up, in a time that does not tell how much of it is right.</summary>
    /// <returns>What it allows; <see langword="null"/> for a token that is not known.</returns>
    public AccessGrant? Find(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (token.Length > MaxTokenLength)
        {
            return null;
        }

        byte[] hash = Hash(token);
        AccessGrant? found = null;
        foreach ((byte[] known, AccessGrant grant) in _entries)
        {
            if (CryptographicOperations.FixedTimeEquals(known, hash))
            {
                found = grant; // and on: how long it takes must not tell which one it is
            }
        }

        return found;
    }

    private static bool IsTokenCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~' or '+' or '/' or '=';

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    private static FormatException Wrong(int number, string fault) => new($"Line {number} {fault}.");
}
