namespace Tvix.Castore.Import;

/// <summary>Settings of a <see cref="ChangeCache"/>.</summary>
public sealed class ChangeCacheOptions
{
    /// <summary>How many bytes the file has at most, about, from 1 MiB on. What was not used for longest is forgotten first. A remembered file takes some 100 bytes.</summary>
    /// <value>The default is 512 MiB.</value>
    public long MaxBytes { get; set; } = 512L << 20;

    /// <summary>Tells the time that the times of files are held against: the clock that the file systems use.</summary>
    /// <value>The default is that of the system.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>How long to wait for another process that is at the file.</summary>
    internal int BusyTimeoutMilliseconds { get; set; } = 2000;

    /// <summary>Checks the settings against their documented ranges.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBytes, 1 << 20, nameof(MaxBytes));
        ArgumentNullException.ThrowIfNull(TimeProvider);
    }
}
