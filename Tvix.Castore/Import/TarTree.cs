using System.Diagnostics.CodeAnalysis;
using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>
/// The tree that the members of an archive make up: parents come into being with their entries, two directories of a name are one, and
/// otherwise the later member takes the place of the earlier one with all that is below it. Spec: castore §6.3.
/// </summary>
/// <param name="maxEntries">The most entries that may ever be added.</param>
internal sealed class TarTree(long maxEntries)
{
    private long _added;

    /// <summary>The archive itself.</summary>
    public Entry Root { get; } = new();

    /// <summary>Adds a directory that may be there already.</summary>
    public void AddDirectory(CastorePath path, ReadOnlyMemory<byte> name) => Directory(path.Components, name);

    /// <summary>Adds something that is no directory.</summary>
    public void Add(CastorePath path, ReadOnlyMemory<byte> name, Entry entry)
    {
        Count(name);
        Directory(path.Parent!.Value.Components, name).Children![path.FileName!.Value] = entry;
    }

    /// <summary>Finds a file.</summary>
    public bool TryGetFile(CastorePath path, [NotNullWhen(true)] out Entry? file)
    {
        file = Root;
        foreach (PathComponent component in path.Components)
        {
            if (file.Children is null || !file.Children.TryGetValue(component, out file))
            {
                return false;
            }
        }

        return file.Content is not null;
    }

    private Entry Directory(IEnumerable<PathComponent> components, ReadOnlyMemory<byte> name)
    {
        Entry directory = Root;
        foreach (PathComponent component in components)
        {
            if (!directory.Children!.TryGetValue(component, out Entry? child) || child.Children is null)
            {
                Count(name);
                directory.Children[component] = child = new Entry();
            }

            directory = child;
        }

        return directory;
    }

    private void Count(ReadOnlyMemory<byte> name)
    {
        if (++_added > maxEntries)
        {
            throw new ImportException(ImportError.LimitExceeded, name, $"the archive has more than {maxEntries} entries");
        }
    }

    /// <summary>A directory, file or symlink; which one, its only property that is there tells.</summary>
    internal sealed class Entry
    {
        /// <summary>Makes a directory.</summary>
        public Entry() => Children = [];

        /// <summary>Makes a file.</summary>
        public Entry(FileContent content, bool executable) => (Content, Executable) = (content, executable);

        /// <summary>Makes a symlink.</summary>
        public Entry(SymlinkTarget target) => Target = target;

        public Dictionary<PathComponent, Entry>? Children { get; }

        public FileContent? Content { get; }

        public bool Executable { get; }

        public SymlinkTarget Target { get; }
    }
}
