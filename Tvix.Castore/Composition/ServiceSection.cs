using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Tvix.Castore.Composition;

/// <summary>The section of the configuration that describes one named service. Reading it notes which keys are known; others are errors.</summary>
/// <remarks>
/// <para>A key may have several spellings, of which one is given; upper and lower case are the same. A key without a value counts as not given.</para>
/// <para>All members throw <see cref="InvalidOperationException"/>, with the path of the section in the message, for a value that is not to
/// their liking or a key that is given in two spellings.</para>
/// </remarks>
public sealed class ServiceSection
{
    private readonly IConfigurationSection _section;
    private readonly Func<Type, string, string> _nameOf;
    private readonly List<string> _known = [];
    private readonly HashSet<string> _spellings = new(StringComparer.OrdinalIgnoreCase);

    internal ServiceSection(IConfigurationSection section, string name, Func<Type, string, string> nameOf)
    {
        _section = section;
        _nameOf = nameOf;
        Name = name;
    }

    /// <summary>The name that the service is to be added under.</summary>
    public string Name { get; }

    /// <summary>Where the section is, such as <c>TvixStore:BlobServices:root</c>.</summary>
    public string Path => _section.Path;

    /// <summary>The value of a key; <see langword="null"/> when it is not given.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherSpellings">What the key may be called as well.</param>
    public string? Find(string key, params ReadOnlySpan<string> otherSpellings)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        _known.Add(key);
        _spellings.Add(key);
        string? value = _section[key];
        foreach (string spelling in otherSpellings)
        {
            _spellings.Add(spelling);
            if (_section[spelling] is { } other)
            {
                value = value is null ? other : throw Error($"'{key}' and '{spelling}' are the same; give one of them.");
            }
        }

        return value;
    }

    /// <summary>The value of a key that must be given.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherSpellings">What the key may be called as well.</param>
    public string Get(string key, params ReadOnlySpan<string> otherSpellings) =>
        Find(key, otherSpellings) is { Length: > 0 } value ? value : throw Error($"'{key}' is missing.");

    /// <summary>The name of another service, which must be given; spelled as in its own section if it has one.</summary>
    /// <typeparam name="TService">The kind of the other service.</typeparam>
    /// <param name="key">The key.</param>
    /// <param name="otherSpellings">What the key may be called as well.</param>
    public string GetName<TService>(string key, params ReadOnlySpan<string> otherSpellings)
        where TService : class => _nameOf(typeof(TService), Get(key, otherSpellings));

    /// <summary>The value of a key as a number; <see langword="null"/> when it is not given.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherSpellings">What the key may be called as well.</param>
    public long? FindNumber(string key, params ReadOnlySpan<string> otherSpellings) => Find(key, otherSpellings) switch
    {
        null => null,
        var text when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) => number,
        var text => throw Error($"'{key}' is '{text}', which is no whole number."),
    };

    /// <summary>The value of a key as one of a choice; <see langword="null"/> when it is not given.</summary>
    /// <param name="key">The key.</param>
    /// <param name="otherSpellings">What the key may be called as well.</param>
    public T? FindChoice<T>(string key, params ReadOnlySpan<string> otherSpellings)
        where T : struct, Enum
    {
        string? text = Find(key, otherSpellings);
        if (text is null)
        {
            return null;
        }

        // Not by number, which Enum.TryParse would take as well.
        string[] names = Enum.GetNames<T>();
        int index = Array.FindIndex(names, name => name.Equals(text, StringComparison.OrdinalIgnoreCase));
        return index >= 0
            ? Enum.Parse<T>(names[index])
            : throw Error($"'{key}' is '{text}'; it must be one of {string.Join(", ", names)}.");
    }

    /// <summary>An error in this section, to be thrown.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public InvalidOperationException Error(string message, Exception? innerException = null) => new($"{Path}: {message}", innerException);

    /// <summary>Throws when there are keys that nobody asked for.</summary>
    internal void ThrowIfMoreIsGiven()
    {
        foreach (IConfigurationSection child in _section.GetChildren())
        {
            if (!_spellings.Contains(child.Key))
            {
                throw Error($"'{child.Key}' is not known; known are {string.Join(", ", _known)}.");
            }
        }
    }
}
