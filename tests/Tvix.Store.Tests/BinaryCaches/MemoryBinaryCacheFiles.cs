using System.Collections.Concurrent;
using Tvix.Castore;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Tests.BinaryCaches;

/// <summary>A binary cache in memory, whose every file may be made to fail, to stop, or to come in another way.</summary>
internal sealed class MemoryBinaryCacheFiles : IBinaryCacheFiles
{
    public string Location => "memory";

    public ConcurrentDictionary<string, byte[]> Files { get; } = new();

    /// <summary>What was asked for, such as <c>open nix-cache-info</c>.</summary>
    public ConcurrentQueue<string> Calls { get; } = [];

    /// <summary>Whether nothing can be written and listed.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Gives what is thrown for a call; <see langword="null"/> for nothing.</summary>
    public Func<string, Exception?>? Fail { get; set; }

    /// <summary>Changes what is read of a file, by its path.</summary>
    public Func<string, Stream, Stream>? Read { get; set; }

    /// <summary>Waits before a call is answered.</summary>
    public Func<string, CancellationToken, Task>? Before { get; set; }

    public int CountOf(string start) => Calls.Count(call => call.StartsWith(start, StringComparison.Ordinal));

    public async ValueTask<Stream?> OpenAsync(string path, CancellationToken cancellationToken = default)
    {
        await EnterAsync("open " + path, cancellationToken);
        return Files.TryGetValue(path, out byte[]? bytes) ? Read?.Invoke(path, new MemoryStream(bytes)) ?? new MemoryStream(bytes) : null;
    }

    public async ValueTask<bool> HasAsync(string path, CancellationToken cancellationToken = default)
    {
        await EnterAsync("has " + path, cancellationToken);
        return Files.ContainsKey(path);
    }

    public async ValueTask PutAsync(string path, string contentType, BinaryCacheContents contents, CancellationToken cancellationToken = default)
    {
        if (IsReadOnly)
        {
            throw new NotSupportedException("This cannot be written to.");
        }

        await EnterAsync("put " + path, cancellationToken);
        MemoryStream bytes = new();
        await contents.WriteAsync(bytes, cancellationToken);
        Files[path] = bytes.Length == contents.Length ? bytes.ToArray() : throw new IOException("The length is not what was said.");
    }

    public IAsyncEnumerable<StorePathDigest> ListAsync(CancellationToken cancellationToken = default) =>
        IsReadOnly ? throw new NotSupportedException("This has no list.") : ListCoreAsync(cancellationToken);

    private async IAsyncEnumerable<StorePathDigest> ListCoreAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await EnterAsync("list", cancellationToken);
        foreach (string path in Files.Keys)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (BinaryCacheFileName.TryParseNarInfo(path, out StorePathDigest digest))
            {
                yield return digest;
            }
        }
    }

    private async Task EnterAsync(string call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Calls.Enqueue(call);
        await (Before?.Invoke(call, cancellationToken) ?? Task.CompletedTask);
        if (Fail?.Invoke(call) is { } failure)
        {
            throw failure;
        }
    }
}
