namespace Tvix.Castore.Export;

/// <summary>Settings of an export to disk.</summary>
public sealed class FileSystemExportOptions
{
    /// <summary>
    /// A folder that keeps each distinct file once. What is exported becomes hard links to the files in it, or clones of them (<see cref="LinkKind"/>), as far as it has them; the others are
    /// written, and added. It is made if it is not there; the folder it is in must exist. It must be on the file system that is exported to, and belong to whoever exports.
    /// </summary>
    /// <remarks>
    /// <para>A file in the folder is used while its kind, length, mode, owner and time are those it was made with, so that writing to it is noticed by the next export, which replaces it in
    /// the folder. Any number of processes may use a folder at once, with links of either kind. Anything in it may be removed at any time; exported files stay. What others
    /// write to a file while it is being exported may get into the folder: leave the tree alone until the export has ended.</para>
    /// <para>Where links are not possible, the export writes files as usual, and <see cref="ExportResult.LinkFailure"/> tells why.</para>
    /// </remarks>
    /// <value>The default is <see langword="null"/>: every file is written, and nothing is shared.</value>
    public string? LinkFolder { get; set; }

    /// <summary>What exported files are to the files in <see cref="LinkFolder"/>.</summary>
    /// <remarks>
    /// <para>With hard links, exported files that have the same contents are one file, also those of different exports: read-only (mode 0444, or 0555 when executable), and with the time
    /// 1 January 1970, 0:00:01 UTC, whatever the umask. Whoever makes one of them writable and writes to it changes all of them. To change an exported file, replace it: write another and
    /// rename it.</para>
    /// <para>With reflinks, exported files have the modes and times of any export, and whoever writes to one changes no other. Each has an inode of its own; only the blocks with its contents
    /// are shared, as long as nobody writes to them. The file system puts a file that is added to the folder on the disk first, so that filling it takes longer than an export without it.</para>
    /// </remarks>
    /// <value>The default is <see cref="LinkKind.HardLink"/>.</value>
    public LinkKind LinkKind { get; set; }

    /// <summary>
    /// Whether the contents of files in <see cref="LinkFolder"/> are read and held to their digests before they are used. Those that differ are replaced. This also finds what somebody changed
    /// without leaving traces, and what a power failure left unwritten.
    /// </summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool CheckLinks { get; set; }

    /// <summary>Checks the settings.</summary>
    /// <exception cref="ArgumentException"><see cref="LinkFolder"/> is empty, or missing although something is said of its files; or <see cref="LinkKind"/> is none.</exception>
    public void Validate()
    {
        if (LinkFolder is { Length: 0 })
        {
            throw new ArgumentException("The folder for links is the empty path.", nameof(LinkFolder));
        }

        if (LinkKind is not (LinkKind.HardLink or LinkKind.Reflink))
        {
            throw new ArgumentException($"{LinkKind} is no kind of link.", nameof(LinkKind));
        }

        if (LinkKind != LinkKind.HardLink && LinkFolder is null)
        {
            throw new ArgumentException("There is nothing to clone without a folder for links.", nameof(LinkKind));
        }

        if (CheckLinks && LinkFolder is null)
        {
            throw new ArgumentException("There are no links to check without a folder for links.", nameof(CheckLinks));
        }
    }
}
