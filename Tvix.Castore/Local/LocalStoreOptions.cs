namespace Tvix.Castore.Local;

/// <summary>Settings of a <see cref="LocalStore"/>. They are read once, when the store is made.</summary>
public sealed class LocalStoreOptions
{
    /// <summary>The folder that holds the store. It is made when it does not exist.</summary>
    /// <value>There is no default: a path must be given.</value>
    public string Path { get; set; } = "";

    /// <summary>What an acknowledged write survives.</summary>
    /// <value>The default is <see cref="LocalDurability.Disk"/>.</value>
    public LocalDurability Durability { get; set; } = LocalDurability.Disk;

    /// <summary>How chunks and directories are stored.</summary>
    /// <value>The default is <see cref="LocalCompression.Auto"/>.</value>
    public LocalCompression Compression { get; set; } = LocalCompression.Auto;

    /// <summary>The zstd level, from 1 (fastest) to 19 (smallest); <see langword="null"/> to choose it by the size of what is compressed.</summary>
    /// <value>The default is <see langword="null"/>: 3 up to 32 KiB, where more effort costs little time, and 2 beyond.</value>
    public int? CompressionLevel { get; set; }

    /// <summary>
    /// The mean size of a chunk in bytes, from 512 to 2,097,153. Chunks have between half and twice that, and blobs of up to twice that are not chunked.
    /// Stores with different values can share data only by chance.
    /// </summary>
    /// <value>The default is 262,144.</value>
    public int AverageChunkSize { get; set; } = 256 * 1024;

    /// <summary>The size in bytes at which a pack file is closed and a new one begun, from 1 MiB to 1 TiB. A pack exceeds it by one record at most.</summary>
    /// <value>The default is 1 GiB.</value>
    public long PackSize { get; set; } = 1L << 30;

    /// <summary>How long to wait for another process that is writing to the index, before giving up with a transient <see cref="StorageException"/>.</summary>
    /// <value>The default is one minute.</value>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>For tests: see <see cref="PackFiles.FaultInjection"/>.</summary>
    internal Action<PackOperation>? FaultInjection { get; set; }

    /// <summary>Checks the settings against their documented ranges.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    public void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(Path);
        ThrowUnless(Enum.IsDefined(Durability), nameof(Durability), Durability);
        ThrowUnless(Enum.IsDefined(Compression), nameof(Compression), Compression);
        ThrowUnless(CompressionLevel is null or (>= 1 and <= 19), nameof(CompressionLevel), CompressionLevel);
        ThrowUnless(AverageChunkSize is >= 512 and <= 2_097_153, nameof(AverageChunkSize), AverageChunkSize);
        ThrowUnless(PackSize is >= 1L << 20 and <= 1L << 40, nameof(PackSize), PackSize);
        ThrowUnless(BusyTimeout >= TimeSpan.Zero && BusyTimeout.TotalMilliseconds <= int.MaxValue, nameof(BusyTimeout), BusyTimeout);
    }

    internal void CopyTo(LocalStoreOptions target)
    {
        target.Path = Path;
        target.Durability = Durability;
        target.Compression = Compression;
        target.CompressionLevel = CompressionLevel;
        target.AverageChunkSize = AverageChunkSize;
        target.PackSize = PackSize;
        target.BusyTimeout = BusyTimeout;
    }

    internal LocalStoreOptions Clone() => (LocalStoreOptions)MemberwiseClone();

    private static void ThrowUnless(bool condition, string name, object? value)
    {
        if (!condition)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} is out of its range.");
        }
    }
}
