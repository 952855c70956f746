namespace Tvix.Castore;

/// <summary>A store that can check everything it holds.</summary>
public interface IVerifiableStore
{
    /// <summary>
    /// Reads and hashes everything, and follows what refers to what. What is damaged is reported, and so is what can no longer be read because of it; an
    /// empty sequence means that the store is sound.
    /// </summary>
    IAsyncEnumerable<StoreDamage> VerifyAsync(IProgress<VerifyProgress>? progress = null, CancellationToken cancellationToken = default);
}
