namespace Tvix.Castore;

/// <summary>A store that can say what it holds.</summary>
public interface IStoreStatisticsSource
{
    /// <summary>Counts what the store holds. Takes time in proportion to that.</summary>
    ValueTask<StoreStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default);
}
