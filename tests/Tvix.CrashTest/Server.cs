using Tvix.Castore.Blobs;
using Tvix.Castore.Model;

namespace Tvix.CrashTest;

/// <summary>Puts and gets what it is told to, so that a test can use a store together with another process.</summary>
internal static class Server
{
    public static async Task<int> RunAsync(string path)
    {
        await using TestStore store = new(path);
        store.Local.Open();
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            switch (line.Split(' '))
            {
                case ["put", string seed, string size]:
                    byte[] content = new byte[int.Parse(size)];
                    new Random(int.Parse(seed)).NextBytes(content);
                    Console.WriteLine(await store.Local.Blobs.PutAsync(content));
                    break;
                case ["get", string digest]:
                    using (BlobContent? blob = await store.Local.Blobs.ReadAsync(B3Digest.Parse(digest), 1 << 30))
                    {
                        Console.WriteLine(blob?.Memory.Length ?? -1);
                    }

                    break;
            }
        }

        return 0;
    }
}
