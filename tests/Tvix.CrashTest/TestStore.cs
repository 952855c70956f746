using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tvix.Castore;
using Tvix.Castore.Local;
using Tvix.Store;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.CrashTest;

/// <summary>A store with packs and chunks so small that much happens to them.</summary>
internal sealed class TestStore : IAsyncDisposable
{
    public TestStore(string path, ILogger<LocalStore>? logger = null)
    {
        Local = new LocalStore(new LocalStoreOptions { Path = path, PackSize = 1 << 20, AverageChunkSize = 16 * 1024 }, logger);
        Store = new TvixStore(Local.Blobs, Local.Directories, new LocalPathInfoService(Local));
    }

    public LocalStore Local { get; }

    public TvixStore Store { get; }

    /// <summary>Reads a store path as a whole; says what is wrong with it, if anything is.</summary>
    public async Task<string?> FindFaultAsync(string storePath, string narHash)
    {
        PathInfo? info = await Store.PathInfos.GetAsync(StorePath.ParseAbsolute(storePath).Digest);
        if (info is null)
        {
            return $"{storePath} was acknowledged, and is not there.";
        }

        using SHA256 sha = SHA256.Create();
        using CryptoStream nar = new(Stream.Null, sha, CryptoStreamMode.Write);
        try
        {
            await Store.WriteNarAsync(info.Node, nar);
        }
        catch (CastoreException e)
        {
            return $"{storePath} was acknowledged, and cannot be read: {e.Message}";
        }

        await nar.FlushFinalBlockAsync();
        string actual = Convert.ToHexStringLower(sha.Hash!);
        return actual == narHash ? null : $"{storePath} has the NAR hash {actual} instead of {narHash}.";
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        await Local.DisposeAsync();
    }
}
