using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>Settings of a <see cref="BinaryCache"/>.</summary>
public sealed class BinaryCacheOptions
{
    /// <summary>The store directory of the cache's store paths.</summary>
    public StoreDirectory StoreDirectory { get; set; }

    /// <summary>
    /// The keys of which one must have signed a store path, unless it is addressed by its contents, which are then compared with the address. <see langword="null"/> when
    /// nothing needs to be signed; a list without keys accepts no signature.
    /// </summary>
    /// <value><see langword="null"/>, unless set.</value>
    public TrustedKeys? TrustedKeys { get; set; }

    /// <summary>By which number the cache is asked before or after others, the lowest first; <see langword="null"/> for what it says itself.</summary>
    /// <value><see langword="null"/>, unless set.</value>
    public int? Priority { get; set; }

    /// <summary>How NARs are compressed that are uploaded: none, zstd, xz, gzip or br.</summary>
    /// <value><see cref="NarCompression.Zstd"/>, unless set.</value>
    /// <seealso cref="NarCompression"/>
    public string Compression { get; set; } = NarCompression.Zstd;

    /// <summary>How long a narinfo may be, in bytes. At least 1.</summary>
    /// <value>1 MiB, unless set.</value>
    public int MaxNarInfoSize { get; set; } = 1 << 20;

    /// <summary>How long a NAR may be, in bytes, whatever its narinfo says. At least 1.</summary>
    /// <value>64 GiB, unless set.</value>
    public long MaxNarSize { get; set; } = 64L << 30;

    /// <summary>How long a narinfo that was found is used without asking again.</summary>
    /// <value>1 minute, unless set; with zero, each question goes to the cache.</value>
    public TimeSpan FoundLifetime { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long it is taken for true that the cache does not have a store path, or has one that cannot be accepted.</summary>
    /// <value>15 seconds, unless set; with zero, each question goes to the cache.</value>
    public TimeSpan MissingLifetime { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>About how many store paths such knowledge is kept. At least 1.</summary>
    /// <value>10 000, unless set.</value>
    public int KnownPaths { get; set; } = 10_000;

    /// <summary>How many NARs are fetched at the same time; others wait. At least 1.</summary>
    /// <value>8, unless set.</value>
    public int ConcurrentFetches { get; set; } = 8;

    /// <summary>The folder for files that are only needed for a while: NARs while they are passed on, and what is compressed for an upload.</summary>
    /// <value><see langword="null"/>, for that of the system, unless set.</value>
    public string? TemporaryFolder { get; set; }

    /// <summary>Tells the time, for what is known.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <exception cref="ArgumentException">Something is out of range.</exception>
    internal BinaryCacheOptions Validated()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxNarInfoSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxNarSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(FoundLifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MissingLifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KnownPaths);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ConcurrentFetches);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        if (!NarCompression.CanWrite(Compression))
        {
            throw new ArgumentException($"NARs cannot be written as '{Compression}'; known are none, zstd, xz, gzip and br.", nameof(Compression));
        }

        return (BinaryCacheOptions)MemberwiseClone();
    }
}
