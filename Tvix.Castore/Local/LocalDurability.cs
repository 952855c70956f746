namespace Tvix.Castore.Local;

/// <summary>What an acknowledged write survives.</summary>
public enum LocalDurability
{
    /// <summary>Power loss: the data is on the disk before a write is acknowledged. Writes that run at the same time share one flush. The default.</summary>
    Disk,

    /// <summary>The end of the process, not of the operating system: nothing is flushed. After a power loss the store may have to be repaired.</summary>
    OperatingSystem,
}
