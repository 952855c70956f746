using Tvix.Castore.Local;

namespace Tvix.Store.BinaryCaches;

/// <summary>Where contents go that are only needed while a store is open: an embedded store in a folder of its own, made on first use and deleted in the end.</summary>
internal sealed class TemporaryContents : IAsyncDisposable, IDisposable
{
    public TemporaryContents(string? folder) => Store = new LocalStore(new LocalStoreOptions
    {
        Path = Path.Combine(folder ?? Path.GetTempPath(), $"tvix-store-{Guid.NewGuid():N}"),
        Compression = LocalCompression.None,
        Durability = LocalDurability.OperatingSystem,
    });

    public LocalStore Store { get; }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync().ConfigureAwait(false);
        Delete();
    }

    public void Dispose()
    {
        Store.Dispose();
        Delete();
    }

    private void Delete()
    {
        if (Directory.Exists(Store.Path))
        {
            Directory.Delete(Store.Path, recursive: true);
        }
    }
}
