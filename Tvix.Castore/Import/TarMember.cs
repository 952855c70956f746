namespace Tvix.Castore.Import;

/// <summary>A member of a tar archive. Names and targets are the bytes that the archive has, not checked in any way.</summary>
/// <param name="Path">The name.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Type">The type as the archive writes it, for messages.</param>
/// <param name="Size">For a file, the length of its contents in bytes, holes included.</param>
/// <param name="Executable">Whether the owner may execute it.</param>
/// <param name="LinkTarget">For links, where they point.</param>
internal sealed record TarMember(byte[] Path, TarEntryKind Kind, char Type, long Size, bool Executable, byte[] LinkTarget);
