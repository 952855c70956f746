namespace Tvix.Tests.Shared;

/// <summary>A folder that goes away with the test.</summary>
/// <param name="parent">Where it is; <see langword="null"/> for where temporary files go.</param>
internal sealed class TempFolder(string? parent = null) : IDisposable
{
    public string Path { get; } = parent is null
        ? Directory.CreateTempSubdirectory("tvix-test-").FullName
        : Directory.CreateDirectory(System.IO.Path.Combine(parent, "tvix-test-" + System.IO.Path.GetRandomFileName())).FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
