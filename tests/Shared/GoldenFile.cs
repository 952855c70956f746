using NUnit.Framework;

namespace Tvix.Tests.Shared;

/// <summary>
/// Compares text with a file that is checked in, or, with <c>TVIX_UPDATE_GOLDEN=1</c> in the environment, writes the file anew.
/// </summary>
internal static class GoldenFile
{
    /// <param name="path">The file, from the root of the repository.</param>
    /// <param name="actual">What the file should hold; lines end with a line feed.</param>
    public static void AssertMatches(string path, string actual)
    {
        string file = Path.Combine(FindRoot(), path);
        if (Environment.GetEnvironmentVariable("TVIX_UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(file, actual);
            return;
        }

        string expected = File.Exists(file) ? File.ReadAllText(file).ReplaceLineEndings("\n") : "";
        if (expected != actual)
        {
            HashSet<string> old = [.. expected.Split('\n')];
            HashSet<string> fresh = [.. actual.Split('\n')];
            Assert.Fail(
                $"{path} no longer describes what is there; run the test with TVIX_UPDATE_GOLDEN=1 if the change is meant.\n"
                + string.Join('\n', [.. old.Except(fresh).Select(line => "- " + line), .. fresh.Except(old).Select(line => "+ " + line)]));
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Tvix.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests do not run within the repository.");
    }
}
