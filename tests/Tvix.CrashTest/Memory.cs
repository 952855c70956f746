using Tvix.Store;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.CrashTest;

/// <summary>Imports and exports with the default settings, and tells how much memory that took at most.</summary>
internal static class Memory
{
    public static async Task<int> ImportAsync(string path, string source)
    {
        await using TvixStore store = TvixStore.Open("local:" + path);
        PathInfo info = await store.ImportAsync(source);
        Console.WriteLine(info.StorePath.ToAbsolutePath(store.StoreDirectory));
        Console.WriteLine(PeakBytes());
        return 0;
    }

    public static async Task<int> ExportAsync(string path, string storePath, string target)
    {
        await using TvixStore store = TvixStore.Open("local:" + path);
        PathInfo info = await store.PathInfos.GetAsync(StorePath.ParseAbsolute(storePath).Digest) ?? throw new FileNotFoundException(storePath);
        await store.ExportAsync(info.Node, target);
        Console.WriteLine(PeakBytes());
        return 0;
    }

    private static long PeakBytes() => 1024 * long.Parse(
        File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
}
