using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>Settings of a <see cref="FileSystemImporter"/>.</summary>
public sealed class FileSystemImportOptions
{
    /// <summary>Whether sockets, pipes and devices are left out instead of ending the import.</summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool SkipUnsupported { get; set; }

    /// <summary>How many bytes of contents are in memory at most between reading and storing, from 16 MiB on.</summary>
    /// <value>The default is 32 MiB.</value>
    public long BufferBytes { get; set; } = 32 << 20;

    /// <summary>How the sizes of directories are computed. Another rule gives other digests.</summary>
    /// <value>The default is <see cref="DirectorySizeRule.EntriesTwice"/>.</value>
    public DirectorySizeRule SizeRule { get; set; } = DirectorySizeRule.EntriesTwice;

    /// <summary>
    /// Remembers the digests of files, so that those that did not change are not read the next time; <see langword="null"/> to read all. It stays the caller's.
    /// An import that shows the tree to a sink reads everything all the same, and only remembers.
    /// </summary>
    /// <value>The default is <see langword="null"/>.</value>
    public ChangeCache? ChangeCache { get; set; }

    /// <summary>How many buffers are being stored at the same time, as far as there are so many.</summary>
    internal int MaxInFlight { get; set; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Checks the settings against their documented ranges.</summary>
    /// <exception cref="ArgumentException">A setting is out of its range; the message names it.</exception>
    public void Validate() => ArgumentOutOfRangeException.ThrowIfLessThan(BufferBytes, 16 << 20, nameof(BufferBytes));
}
