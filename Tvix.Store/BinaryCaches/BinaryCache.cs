using System.Security.Cryptography;
using System.Text;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.BinaryCaches;

/// <summary>A client of a binary cache: finds narinfos, brings contents in, and uploads. Spec: nix-formats §6.</summary>
/// <remarks>
/// <para>A narinfo is checked before anything else is done with it: that it is of the store path that was asked for, and that it is signed by a trusted key
/// (<see cref="BinaryCacheOptions.TrustedKeys"/>) or that its path is addressed by its contents, which are then compared. A NAR is checked against its narinfo while it comes
/// (size, hash, content address), and its directories are stored only when everything is right; so what fails leaves blobs at most, that
/// nothing refers to.</para>
/// <para>What is found is remembered for a short time, as is what is not. Safe for concurrent use.</para>
/// </remarks>
public sealed class BinaryCache
{
    private const string NarInfoType = "text/x-nix-narinfo";
    private const string NarType = "application/x-nix-nar";
    private const string CacheInfoType = "text/x-nix-cache-info";
    private const int MaxCacheInfoSize = 64 << 10;

    private readonly IBinaryCacheFiles _files;
    private readonly BinaryCacheOptions _options;
    private readonly LruCache<StorePathDigest, (NarInfo? Found, string? Refusal, DateTimeOffset Until)> _known;

    /// <summary>Makes a client.</summary>
    /// <param name="files">The files of the cache. They stay the caller's.</param>
    /// <param name="options">Whom to trust, limits and the like; <see langword="null"/> for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public BinaryCache(IBinaryCacheFiles files, BinaryCacheOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        _files = files;
        _options = (options ?? new BinaryCacheOptions()).Validated();
        _known = new LruCache<StorePathDigest, (NarInfo?, string?, DateTimeOffset)>(_options.KnownPaths);
    }

    /// <summary>Where the cache is, for messages.</summary>
    public string Location => _files.Location;

    internal BinaryCacheOptions Options => _options;

    /// <summary>What the cache says about itself; <see langword="null"/> when it says nothing.</summary>
    /// <exception cref="StorageException">The cache cannot be reached, or what it says makes no sense.</exception>
    public async ValueTask<NixCacheInfo?> GetCacheInfoAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await ReadAsync(NixCacheInfo.FileName, MaxCacheInfoSize, cancellationToken).ConfigureAwait(false) is { } text
                ? NixCacheInfo.Parse(Encoding.UTF8.GetString(text))
                : null;
        }
        catch (Exception e) when (e is FormatException or InvalidDataException or StreamTooLongException)
        {
            throw new StorageException($"The {NixCacheInfo.FileName} of {Location} makes no sense: {e.Message}", e);
        }
    }

    /// <summary>Finds the narinfo of a store path; <see langword="null"/> when the cache does not have it.</summary>
    /// <exception cref="RefusedStorePathException">The narinfo is not acceptable.</exception>
    /// <exception cref="StorageException">The cache cannot be reached, or answers with an error.</exception>
    public async ValueTask<NarInfo?> FindNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        if (_known.TryGet(digest, out (NarInfo? Found, string? Refusal, DateTimeOffset Until) known) && _options.TimeProvider.GetUtcNow() < known.Until)
        {
            return known.Refusal is null ? known.Found : throw new RefusedStorePathException(known.Refusal, digest);
        }

        try
        {
            NarInfo? narInfo = await ReadNarInfoAsync(digest, cancellationToken).ConfigureAwait(false);
            Remember(digest, narInfo, null, narInfo is null ? _options.MissingLifetime : _options.FoundLifetime);
            return narInfo;
        }
        catch (RefusedStorePathException e)
        {
            Remember(digest, null, e.Message, _options.MissingLifetime);
            throw;
        }
    }

    /// <summary>Fetches the NAR of a store path and stores what is in it. Nothing of the tree is visible before all of it has been verified.</summary>
    /// <param name="narInfo">The narinfo, from this cache.</param>
    /// <param name="blobs">Where blobs go.</param>
    /// <param name="directories">Where directories go.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The path info.</returns>
    /// <exception cref="RefusedStorePathException">The NAR is not what the narinfo says; the cause says in what way.</exception>
    /// <exception cref="StorageException">The cache cannot be reached, or the contents cannot be stored.</exception>
    public Task<PathInfo> FetchAsync(NarInfo narInfo, IBlobService blobs, IDirectoryService directories, CancellationToken cancellationToken = default) =>
        FetchAsync(narInfo, blobs, directories, null, cancellationToken);

    /// <param name="narInfo">The narinfo.</param>
    /// <param name="blobs">Where blobs go.</param>
    /// <param name="directories">Where directories go.</param>
    /// <param name="spool">Gets the NAR as it comes; <see langword="null"/> for nobody. It is ended by the caller.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    internal async Task<PathInfo> FetchAsync(
        NarInfo narInfo, IBlobService blobs, IDirectoryService directories, NarSpool? spool, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(narInfo);
        StorePathDigest digest = narInfo.StorePath.Digest;
        CheckCanBeFetched(narInfo);
        try
        {
            Stream file = await _files.OpenAsync(narInfo.Url, cancellationToken).ConfigureAwait(false)
                ?? throw new InvalidDataException($"There is no '{narInfo.Url}'.");
            await using (file.ConfigureAwait(false))
            {
                bool isWanted = spool?.TryBegin((long)narInfo.NarSize) == true;
                return await IngestAsync(narInfo, file, blobs, directories, isWanted ? spool : null, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is NarFormatException or NarHashMismatchException or InvalidDataException)
        {
            RefusedStorePathException refusal = Refuse(digest, $"its NAR is not what it should be. {e.Message}", e);
            Remember(digest, null, refusal.Message, _options.MissingLifetime);
            throw refusal;
        }
        catch (NotSupportedException e)
        {
            throw new StorageException($"The NAR of {narInfo.StorePath} in the cache {Location} cannot be read. {e.Message}", e);
        }
        catch (IOException e)
        {
            throw new StorageException($"The NAR of {narInfo.StorePath} could not be fetched from the cache {Location}. {e.Message}", e, isTransient: true);
        }
    }

    /// <summary>Uploads a store path: its NAR, unless the cache has that, and then its narinfo. What it refers to should be there before.</summary>
    /// <param name="info">The path info.</param>
    /// <param name="blobs">Where its blobs are.</param>
    /// <param name="directories">Where its directories are.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>What the cache says now: the same, with signatures that were there before.</returns>
    /// <exception cref="StorageException">The cache cannot be reached, does not take it, or the contents cannot be read.</exception>
    /// <exception cref="NotSupportedException">The cache cannot be written to.</exception>
    public async ValueTask<PathInfo> UploadAsync(PathInfo info, IBlobService blobs, IDirectoryService directories, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        NarInfo? there;
        try
        {
            there = await ReadNarInfoAsync(info.StorePath.Digest, cancellationToken).ConfigureAwait(false);
        }
        catch (RefusedStorePathException)
        {
            there = null; // it is replaced
        }

        NarInfo narInfo;
        if (there is not null && there.NarHash == info.NarHash && there.NarSize == info.NarSize)
        {
            info = info with { Signatures = [.. there.Signatures.Concat(info.Signatures).Distinct()] };
            narInfo = Describe(info, there.Url, there.Compression, there.FileHash, there.FileSize);
            if (narInfo.ToText(_options.StoreDirectory) == there.ToText(_options.StoreDirectory))
            {
                return info;
            }
        }
        else
        {
            narInfo = await UploadNarAsync(info, new NarRenderer(blobs, directories), cancellationToken).ConfigureAwait(false);
        }

        await _files.PutAsync(
            BinaryCacheFileName.FormatNarInfo(info.StorePath.Digest),
            NarInfoType,
            BinaryCacheContents.From(narInfo.ToUtf8(_options.StoreDirectory)),
            cancellationToken).ConfigureAwait(false);
        Remember(info.StorePath.Digest, null, null, TimeSpan.Zero);
        return info;
    }

    /// <summary>Makes sure that the cache says what it is, as clients demand, where that can be written.</summary>
    internal async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        NixCacheInfo? info = await GetCacheInfoAsync(cancellationToken).ConfigureAwait(false);
        if (info is null)
        {
            byte[] text = Encoding.UTF8.GetBytes(new NixCacheInfo { StoreDirectory = _options.StoreDirectory.Path }.ToString());
            await _files.PutAsync(NixCacheInfo.FileName, CacheInfoType, BinaryCacheContents.From(text), cancellationToken).ConfigureAwait(false);
        }
        else if (!info.Serves(_options.StoreDirectory))
        {
            throw new StorageException($"The cache {Location} is for the store directory {info.StoreDirectory}, and not {_options.StoreDirectory}.");
        }
    }

    internal IAsyncEnumerable<StorePathDigest> ListAsync(CancellationToken cancellationToken) => _files.ListAsync(cancellationToken);

    private static NarInfo Describe(PathInfo info, string url, string compression, Sha256Digest? fileHash, ulong? fileSize) => new()
    {
        StorePath = info.StorePath,
        Url = url,
        Compression = compression,
        FileHash = fileHash,
        FileSize = fileSize,
        NarHash = info.NarHash,
        NarSize = info.NarSize,
        References = info.References,
        Deriver = info.Deriver,
        Signatures = [.. info.Signatures.Where(signature => signature.HasValidName)],
        ContentAddress = info.ContentAddress,
    };

    private async Task<PathInfo> IngestAsync(
        NarInfo narInfo, Stream file, IBlobService blobs, IDirectoryService directories, NarSpool? spool, CancellationToken cancellationToken)
    {
        Stream decompressed = NarCompression.OpenRead(file, narInfo.Compression, leaveOpen: true);
        await using (decompressed.ConfigureAwait(false))
        {
            NarIngestOptions expected = new()
            {
                ExpectedSize = narInfo.NarSize,
                ExpectedSha256 = narInfo.NarHash,
                ExpectedContentAddress = narInfo.ContentAddress,
                SelfReference = narInfo.References.Contains(narInfo.StorePath) ? narInfo.StorePath.Digest : null,
            };
            Stream nar = spool is null ? decompressed : new SpooledStream(decompressed, spool);
            NarIngestResult result = await new NarIngester(blobs, directories).IngestAsync(nar, expected, cancellationToken).ConfigureAwait(false);
            return PathInfo.FromNarInfo(narInfo, result.Root);
        }
    }

    private async ValueTask<NarInfo> UploadNarAsync(PathInfo info, NarRenderer renderer, CancellationToken cancellationToken)
    {
        if (_options.Compression == NarCompression.None)
        {
            string plain = "nar/" + BinaryCacheFileName.FormatNar(info.NarHash);
            BinaryCacheContents nar = new(checked((long)info.NarSize), (destination, token) => renderer.RenderAsync(info.Node, destination, token));
            await PutUnlessThereAsync(plain, nar, cancellationToken).ConfigureAwait(false);
            return Describe(info, plain, NarCompression.None, info.NarHash, info.NarSize);
        }

        // The name of the file has its hash, so it must be complete before it can be sent.
        FileStream file = MakeTemporaryFile();
        await using (file.ConfigureAwait(false))
        {
            Sha256Digest fileHash;
            try
            {
                Stream compressed = NarCompression.OpenWrite(file, _options.Compression);
                await using (compressed.ConfigureAwait(false))
                {
                    await renderer.RenderAsync(info.Node, compressed, cancellationToken).ConfigureAwait(false);
                }

                file.Position = 0;
                fileHash = new Sha256Digest(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
            }
            catch (IOException e)
            {
                throw new StorageException($"The NAR of {info.StorePath} cannot be compressed into '{file.Name}': {e.Message}", e);
            }

            string path = "nar/" + BinaryCacheFileName.FormatNar(fileHash, NarCompression.ToSuffix(_options.Compression));
            BinaryCacheContents contents = new(file.Length, async (destination, token) =>
            {
                file.Position = 0;
                await file.CopyToAsync(destination, 1 << 18, token).ConfigureAwait(false);
            });
            await PutUnlessThereAsync(path, contents, cancellationToken).ConfigureAwait(false);
            return Describe(info, path, _options.Compression, fileHash, (ulong)file.Length);
        }
    }

    private FileStream MakeTemporaryFile()
    {
        string path = Path.Combine(_options.TemporaryFolder ?? Path.GetTempPath(), $"tvix-nar-{Guid.NewGuid():N}");
        try
        {
            return new FileStream(
                path,
                new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose | FileOptions.Asynchronous, BufferSize = 1 << 16 });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"'{path}', for a NAR, cannot be made: {e.Message}", e);
        }
    }

    private async ValueTask PutUnlessThereAsync(string path, BinaryCacheContents contents, CancellationToken cancellationToken)
    {
        if (!await _files.HasAsync(path, cancellationToken).ConfigureAwait(false))
        {
            await _files.PutAsync(path, NarType, contents, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<NarInfo?> ReadNarInfoAsync(StorePathDigest digest, CancellationToken cancellationToken)
    {
        NarInfo narInfo;
        try
        {
            if (await ReadAsync(BinaryCacheFileName.FormatNarInfo(digest), _options.MaxNarInfoSize, cancellationToken).ConfigureAwait(false) is not { } text)
            {
                return null;
            }

            narInfo = NarInfo.Parse(text, _options.StoreDirectory);
        }
        catch (Exception e) when (e is NarInfoFormatException or InvalidDataException or StreamTooLongException)
        {
            throw Refuse(digest, $"its narinfo is none. {e.Message}", e);
        }

        if (narInfo.StorePath.Digest != digest)
        {
            throw Refuse(digest, $"its narinfo is of {narInfo.StorePath}.");
        }

        CheckCanBeFetched(narInfo);
        bool isAddressed = ContentAddressedPath.IsOf(narInfo, _options.StoreDirectory);
        if (narInfo.ContentAddress is not null && !isAddressed)
        {
            throw Refuse(digest, $"its narinfo says that {narInfo.StorePath} has the content address {narInfo.ContentAddress}, which makes another path.");
        }

        return isAddressed || _options.TrustedKeys?.Accepts(narInfo.GetFingerprint(_options.StoreDirectory), narInfo.Signatures) != false
            ? narInfo
            : throw Refuse(digest, $"{narInfo.StorePath} is not signed by a key that is trusted.");
    }

    /// <summary>What would fail in any case is refused before anybody is told that there is something to be had.</summary>
    private void CheckCanBeFetched(NarInfo narInfo)
    {
        if (narInfo.NarSize > (ulong)_options.MaxNarSize)
        {
            throw Refuse(narInfo.StorePath.Digest, $"its NAR has {narInfo.NarSize} bytes, more than {_options.MaxNarSize}.");
        }

        if (!NarCompression.IsKnown(narInfo.Compression))
        {
            throw Refuse(narInfo.StorePath.Digest, $"its NAR is compressed as '{narInfo.Compression}', which is not known.");
        }
    }

    private RefusedStorePathException Refuse(StorePathDigest digest, string reason, Exception? cause = null) =>
        new($"What the cache {Location} has for {digest} is refused: {reason}", digest, cause);

    private void Remember(StorePathDigest digest, NarInfo? found, string? refusal, TimeSpan lifetime) =>
        _known.Set(digest, (found, refusal, _options.TimeProvider.GetUtcNow() + lifetime));

    /// <exception cref="StreamTooLongException">The file is too long.</exception>
    private async ValueTask<byte[]?> ReadAsync(string path, int maxLength, CancellationToken cancellationToken)
    {
        Stream? file = await _files.OpenAsync(path, cancellationToken).ConfigureAwait(false);
        if (file is null)
        {
            return null;
        }

        await using (file.ConfigureAwait(false))
        {
            MeasuredStream measured = new(file, maxLength, hash: false);
            await using (measured.ConfigureAwait(false))
            {
                using MemoryStream bytes = new();
                try
                {
                    await measured.CopyToAsync(bytes, cancellationToken).ConfigureAwait(false);
                }
                catch (IOException e) when (e is not StreamTooLongException)
                {
                    throw new StorageException($"'{path}' could not be read from the cache {Location}. {e.Message}", e, isTransient: true);
                }

                return bytes.ToArray();
            }
        }
    }

    /// <summary>Shows what is read to those who listen.</summary>
    private sealed class SpooledStream(Stream inner, NarSpool spool) : ForwardReadStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            spool.Append(buffer.Span[..count]);
            return count;
        }
    }
}
