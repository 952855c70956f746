namespace Tvix.Store.BinaryCaches;

/// <summary>A client that a container made, and whose connections it closes.</summary>
internal sealed class OpenedBinaryCache : IDisposable
{
    private readonly IDisposable? _files;

    public OpenedBinaryCache(BinaryCacheAddress address) => (Cache, _files) = address.CreateClient();

    public BinaryCache Cache { get; }

    public void Dispose() => _files?.Dispose();
}
