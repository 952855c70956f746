using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tvix.Store.Http.Pages;

/// <summary>Writes HTML. Everything but the names of elements and attributes, which are ours, is escaped; what is opened is closed.</summary>
internal sealed class HtmlWriter
{
    private readonly StringBuilder _html = new("<!DOCTYPE html>\n");
    private readonly Stack<string> _open = [];

    /// <summary>Opens an element. Attributes without a value are left out.</summary>
    public HtmlWriter Open(string element, params ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        Empty(element, attributes);
        _open.Push(element);
        return this;
    }

    /// <summary>Closes the element that was opened last.</summary>
    public HtmlWriter Close()
    {
        string element = _open.Pop();
        _html.Append("</").Append(element).Append('>');
        if (element is not ("a" or "span" or "bdi" or "code" or "pre"))
        {
            _html.Append('\n'); // between blocks, where it makes no difference
        }

        return this;
    }

    /// <summary>Writes an element that has no contents and no end, such as <c>meta</c>.</summary>
    public HtmlWriter Empty(string element, params ReadOnlySpan<(string Name, string? Value)> attributes)
    {
        _html.Append('<').Append(element);
        foreach ((string name, string? value) in attributes)
        {
            if (value is not null)
            {
                _html.Append(' ').Append(name).Append("=\"");
                Text(value).Raw("\"");
            }
        }

        return Raw(">");
    }

    /// <summary>Writes an element with nothing but text.</summary>
    public HtmlWriter Element(string element, string text, params ReadOnlySpan<(string Name, string? Value)> attributes) =>
        Open(element, attributes).Text(text).Close();

    /// <summary>Writes text.</summary>
    public HtmlWriter Text(string text)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            Append(IsShown(rune, lines: true) ? rune : Rune.ReplacementChar);
        }

        return this;
    }

    /// <summary>Writes bytes: as text where they are UTF-8 that can be seen, and else as escapes, which look different from text that has the same characters.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="lines">Whether line ends and tabs are text.</param>
    public HtmlWriter Bytes(ReadOnlySpan<byte> bytes, bool lines = false)
    {
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == OperationStatus.Done && IsShown(rune, lines))
            {
                Append(rune);
            }
            else
            {
                Raw("<span class=\"escape\">");
                foreach (byte b in bytes[..used])
                {
                    _html.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
                }

                Raw("</span>");
            }

            bytes = bytes[used..];
        }

        return this;
    }

    /// <summary>The same for where there can be no elements.</summary>
    public static string Show(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new(bytes.Length);
        while (!bytes.IsEmpty)
        {
            OperationStatus status = Rune.DecodeFromUtf8(bytes, out Rune rune, out int used);
            if (status == OperationStatus.Done && IsShown(rune, lines: false))
            {
                text.Append(rune);
            }
            else
            {
                foreach (byte b in bytes[..used])
                {
                    text.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
                }
            }

            bytes = bytes[used..];
        }

        return text.ToString();
    }

    /// <summary>All of it.</summary>
    public byte[] ToUtf8()
    {
        while (_open.Count > 0)
        {
            Close();
        }

        return Encoding.UTF8.GetBytes(_html.ToString());
    }

    /// <summary>Whether one sees what it is: no control characters, and none that turn the direction of what follows.</summary>
    private static bool IsShown(Rune rune, bool lines) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control => lines && rune.Value is '\n' or '\t',
        UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        _ => true,
    };

    private void Append(Rune rune)
    {
        switch (rune.Value)
        {
            case '&':
                Raw("&amp;");
                break;
            case '<':
                Raw("&lt;");
                break;
            case '>':
                Raw("&gt;");
                break;
            case '"':
                Raw("&quot;");
                break;
            case '\'':
                Raw("&#39;");
                break;
            default:
                _html.Append(rune);
                break;
        }
    }

    private HtmlWriter Raw(string html)
    {
        _html.Append(html);
        return this;
    }
}
