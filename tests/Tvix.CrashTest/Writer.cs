using System.Text;
using Tvix.Store;
using Tvix.Store.PathInfos;

namespace Tvix.CrashTest;

/// <summary>Imports one generated tree after the other, several at a time, until it is killed.</summary>
internal static class Writer
{
    private const int Importers = 3;

    public static async Task<int> RunAsync(string path, int seed)
    {
        await using TestStore store = new(path);
        using Stream output = Console.OpenStandardOutput();
        await Task.WhenAll(Enumerable.Range(0, Importers).Select(importer => Task.Run(() => ImportForEverAsync(store, path, (seed * Importers) + importer, output))));
        return 0;
    }

    private static async Task ImportForEverAsync(TestStore store, string path, int seed, Stream output)
    {
        string source = $"{path}.source-{seed}";
        Random random = new(seed);
        for (int i = 0; ; i++)
        {
            Generate(source, random);
            PathInfo info = await store.Store.ImportAsync(source, new StoreImportOptions { Name = $"tree-{seed}-{i}" });
            byte[] line = Encoding.ASCII.GetBytes(
                $"{info.StorePath.ToAbsolutePath(store.Store.StoreDirectory)} {Convert.ToHexStringLower(info.NarHash.ToByteArray())}\n");
            lock (output)
            {
                output.Write(line); // unbuffered, and in one piece: from here on it is acknowledged
            }

            Directory.Delete(source, recursive: true);
        }
    }

    /// <summary>Some small files, of which some recur, and at times one of several chunks.</summary>
    private static void Generate(string folder, Random random)
    {
        for (int d = 0; d < 3; d++)
        {
            string child = Path.Combine(folder, $"folder-{d}");
            Directory.CreateDirectory(child);
            for (int f = 0; f < 4; f++)
            {
                byte[] content = new byte[random.Next(2000)];
                new Random(random.Next(500)).NextBytes(content);
                File.WriteAllBytes(Path.Combine(child, $"file-{f}"), content);
            }
        }

        if (random.Next(2) == 0)
        {
            byte[] large = new byte[random.Next(40_000, 400_000)];
            random.NextBytes(large.AsSpan(large.Length / 4)); // a part that can be compressed
            File.WriteAllBytes(Path.Combine(folder, "large"), large);
        }

        File.CreateSymbolicLink(Path.Combine(folder, "link"), "folder-0/file-0");
    }
}
