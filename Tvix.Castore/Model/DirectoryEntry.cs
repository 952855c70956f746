namespace Tvix.Castore.Model;

/// <summary>A name in a directory and what it stands for.</summary>
/// <param name="Name">The name, unique in its directory.</param>
/// <param name="Node">What the name stands for.</param>
public readonly record struct DirectoryEntry(PathComponent Name, Node Node);
