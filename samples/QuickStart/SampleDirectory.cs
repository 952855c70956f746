namespace QuickStart;

internal static class SampleDirectory
{
    /// <summary>Makes a directory with a file, a link and a folder, for those who name none.</summary>
    public static string Make()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("quickstart-");
        string path = Path.Combine(directory.FullName, "hello");
        Directory.CreateDirectory(Path.Combine(path, "bin"));
        File.WriteAllText(Path.Combine(path, "README.md"), "# Hello\n");
        File.WriteAllText(Path.Combine(path, "bin", "hello"), "#!/bin/sh\necho hello\n");
        File.CreateSymbolicLink(Path.Combine(path, "latest"), "bin/hello");
        return path;
    }
}
