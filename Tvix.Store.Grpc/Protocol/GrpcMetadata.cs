using System.Collections;
using System.Text;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>Keys and values beside the messages of a call: the headers of a request or response, or the trailers.</summary>
/// <remarks>
/// A key may occur several times. Keys are lower case letters, digits, <c>_</c>, <c>-</c> and <c>.</c>; those that end in <c>-bin</c> have bytes as values, the others printable
/// ASCII. Keys of the protocol itself (<c>grpc-…</c>, <c>content-type</c>, <c>te</c>, <c>user-agent</c>, those that begin with a colon) are not metadata. Not safe for concurrent use.
/// </remarks>
public sealed class GrpcMetadata : IEnumerable<KeyValuePair<string, string>>
{
    private const string BinarySuffix = "-bin";

    private readonly List<KeyValuePair<string, string>> _entries = [];

    /// <summary>The number of entries.</summary>
    public int Count => _entries.Count;

    /// <summary>Adds a text.</summary>
    /// <exception cref="ArgumentException">The key is none, or one for bytes, or the value is not printable ASCII.</exception>
    public void Add(string key, string value)
    {
        CheckKey(key);
        ArgumentNullException.ThrowIfNull(value);
        if (key.EndsWith(BinarySuffix, StringComparison.Ordinal))
        {
            throw new ArgumentException($"Values of '{key}' are bytes.", nameof(key));
        }

        if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
        {
            throw new ArgumentException($"The value of '{key}' is not printable ASCII.", nameof(value));
        }

        _entries.Add(new(key, value));
    }

    /// <summary>Adds bytes; the key ends in <c>-bin</c>.</summary>
    /// <exception cref="ArgumentException">The key is none, or not one for bytes.</exception>
    public void Add(string key, ReadOnlySpan<byte> value)
    {
        CheckKey(key);
        if (!key.EndsWith(BinarySuffix, StringComparison.Ordinal))
        {
            throw new ArgumentException($"A key whose values are bytes ends in '{BinarySuffix}', '{key}' does not.", nameof(key));
        }

        _entries.Add(new(key, Convert.ToBase64String(value).TrimEnd('=')));
    }

    /// <summary>The last text of a key; <see langword="null"/> when there is none.</summary>
    public string? GetText(string key) => _entries.FindLast(entry => entry.Key == key).Value;

    /// <summary>The last bytes of a key; <see langword="null"/> when there are none, or they are not base64.</summary>
    public byte[]? GetBytes(string key)
    {
        // Several values of one key may come joined by commas.
        if (GetText(key) is not { } text)
        {
            return null;
        }

        string last = text[(text.LastIndexOf(',') + 1)..].Trim();
        byte[] bytes = new byte[(last.Length + 3) / 4 * 3];
        return Convert.TryFromBase64String(last.PadRight((last.Length + 3) / 4 * 4, '='), bytes, out int written) ? bytes[..written] : null;
    }

    /// <summary>All entries in order; bytes as base64.</summary>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _entries.GetEnumerator();

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Keeps what came over the wire, unless it belongs to the protocol.</summary>
    internal void AddReceived(string key, string value)
    {
        key = key.ToLowerInvariant();
        if (IsKey(key) && !IsReserved(key))
        {
            _entries.Add(new(key, value));
        }
    }

    private static void CheckKey(string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        if (!IsKey(key))
        {
            throw new ArgumentException($"'{key}' is no key: they are lower case letters, digits, '_', '-' and '.'.", nameof(key));
        }

        if (IsReserved(key))
        {
            throw new ArgumentException($"'{key}' belongs to the protocol.", nameof(key));
        }
    }

    private static bool IsKey(string key) => key.Length > 0 && !key.AsSpan().ContainsAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789_-.");

    private static bool IsReserved(string key) =>
        key.StartsWith("grpc-", StringComparison.Ordinal) || key is "content-type" or "te" or "user-agent" or "content-length" or "host" or "connection";
}
