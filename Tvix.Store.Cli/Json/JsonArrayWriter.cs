using System.Text.Json.Serialization.Metadata;

namespace Tvix.Store.Cli.Json;

/// <summary>Writes an array, one item a line, as the items come.</summary>
internal sealed class JsonArrayWriter<T>(TextWriter output, JsonTypeInfo<T> type)
{
    private bool _hasItems;

    public async Task WriteAsync(T item)
    {
        await output.WriteAsync(_hasItems ? ",\n" : "[");
        await output.WriteAsync(ToolJson.Format(item, type));
        _hasItems = true;
    }

    public Task EndAsync() => output.WriteAsync(_hasItems ? "]\n" : "[]\n");
}
