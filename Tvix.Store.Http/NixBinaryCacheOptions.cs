using Microsoft.AspNetCore.Http;
using Tvix.Store.Access;
using Tvix.Store.BinaryCaches;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Http;

/// <summary>Settings of a store that is served as a binary cache. They are read when the cache is mapped.</summary>
public sealed class NixBinaryCacheOptions
{
    /// <summary>The store directory of the clients.</summary>
    /// <value><see langword="null"/>, for that of the store, unless set.</value>
    public StoreDirectory? StoreDirectory { get; set; }

    /// <summary>Which cache clients ask first, when they have several: the one with the lowest number.</summary>
    /// <value>39, unless set: before the public cache, which has 40.</value>
    public int Priority { get; set; } = 39;

    /// <summary>Whether clients may ask for many paths at once, to find out what they need not build.</summary>
    /// <value><see langword="true"/>, unless set.</value>
    public bool WantMassQuery { get; set; } = true;

    /// <summary>How narinfos say where NARs are.</summary>
    /// <value><see cref="NarUrlStyle.TvixCastore"/>, unless set.</value>
    public NarUrlStyle NarUrls { get; set; }

    /// <summary>
    /// How the NARs are compressed that narinfos tell of: not at all, or with zstd, of which a local store that compresses has most ready. Clients that say they accept zstd get it in either case,
    /// as the way in which the uncompressed NAR travels.
    /// </summary>
    /// <value><see cref="BinaryCaches.NarCompression.None"/>, unless set to <see cref="BinaryCaches.NarCompression.Zstd"/>.</value>
    public string NarCompression { get; set; } = BinaryCaches.NarCompression.None;

    /// <summary>Keys that sign each narinfo that is served, besides the signatures that are stored.</summary>
    /// <value>None, unless added.</value>
    public IList<SigningKey> SigningKeys { get; } = [];

    /// <summary>Who may do what; <see langword="null"/>, unless set, when everybody may do everything.</summary>
    public AccessPolicy? Access { get; set; }

    /// <summary>
    /// Says of a request whether it came in where everybody may read and nobody may write, whatever <see cref="Access"/> says: at an address for the public, say, beside one for those
    /// who upload. <see langword="null"/>, unless set, when there is no such place.
    /// </summary>
    public Func<HttpContext, bool>? IsPublic { get; set; }

    /// <summary>Whether nothing can be uploaded.</summary>
    /// <value><see langword="false"/>, unless set.</value>
    public bool IsReadOnly { get; set; }

    /// <summary>How much memory a request for a part of a NAR may take, in bytes: what the NAR has besides the contents of files. A NAR with more is sent as a whole.</summary>
    /// <value>64 MiB, unless set.</value>
    public int MaxRangeMemory { get; set; } = 64 << 20;

    /// <summary>How many files, folders and links a listing may have; there is none of larger trees. At least 1.</summary>
    /// <value>1 000 000, unless set.</value>
    public int MaxListingNodes { get; set; } = 1_000_000;

    /// <summary>How many NARs can be found by their hash alone, besides those that were uploaded: the ones whose narinfos were asked for last. At least 1; one takes some 300 bytes.</summary>
    /// <value>10 000, unless set.</value>
    public int KnownNars { get; set; } = 10_000;

    /// <summary>How long a NAR that is uploaded may be, in bytes, uncompressed and as it comes. At least 1.</summary>
    /// <value>64 GiB, unless set.</value>
    public long MaxNarSize { get; set; } = 64L << 30;

    /// <summary>
    /// How long an upload over HTTP/1.1 may bring next to nothing before it is ended (408): less than 240 bytes a second. More than one second, or
    /// <see cref="Timeout.InfiniteTimeSpan"/> to leave that to the server.
    /// </summary>
    /// <value>1 minute, unless set.</value>
    public TimeSpan UploadPatience { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a narinfo that is uploaded may be, in bytes. At least 1.</summary>
    /// <value>1 MiB, unless set.</value>
    public int MaxNarInfoSize { get; set; } = 1 << 20;

    /// <summary>
    /// Where it is kept which NARs were uploaded, until their narinfos come: a folder, made when it is needed, with a small file for each. Several servers of the same store
    /// can share it.
    /// </summary>
    /// <value><see langword="null"/>, for memory only: a client must then upload a NAR again, if the server is started anew before the narinfo comes.</value>
    public string? UploadFolder { get; set; }

    /// <summary>How many uploaded NARs are remembered; the oldest are forgotten. At least 1; one takes some 300 bytes.</summary>
    /// <value>100 000, unless set.</value>
    public int MaxUploads { get; set; } = 100_000;

    /// <summary>How long an uploaded NAR is remembered: until its narinfo comes, and as long as the client who uploaded it may ask for it by the name that it had.</summary>
    /// <value>31 days, unless set: Nix remembers for 30 what it uploaded.</value>
    public TimeSpan UploadLifetime { get; set; } = TimeSpan.FromDays(31);

    /// <summary>
    /// Where build logs, realisations and debug information are kept that clients upload: a folder, made when it is needed, with a file for each. Several servers can share it.
    /// </summary>
    /// <value><see langword="null"/>, when there are none and none are taken, unless set.</value>
    public string? KeptFilesFolder { get; set; }

    /// <summary>How long one of the files of <see cref="KeptFilesFolder"/> may be, in bytes. At least 1.</summary>
    /// <value>64 MiB, unless set.</value>
    public long MaxKeptFileSize { get; set; } = 64 << 20;

    /// <summary>How many files <see cref="KeptFilesFolder"/> may have; no more are taken then. At least 1.</summary>
    /// <value>1 000 000, unless set.</value>
    public int MaxKeptFiles { get; set; } = 1_000_000;

    /// <summary>How long the files of <see cref="KeptFilesFolder"/> may be together, in bytes; no more are taken then. At least 1.</summary>
    /// <value>16 GiB, unless set.</value>
    public long MaxKeptBytes { get; set; } = 16L << 30;

    /// <summary>
    /// The keys of which one must have signed what is uploaded, unless its store path is addressed by its contents; <see langword="null"/> when nothing needs to be signed.
    /// </summary>
    /// <value><see langword="null"/>, unless set.</value>
    public TrustedKeys? TrustedKeys { get; set; }

    /// <summary>Whether all that an uploaded store path refers to must be there already. Clients upload in that order.</summary>
    /// <value><see langword="true"/>, unless set.</value>
    public bool RequireReferences { get; set; } = true;

    /// <summary>Whether there are pages for people with a browser, who can look at what the store has. Other endpoints of the application at the same places come first.</summary>
    /// <value><see langword="true"/>, unless set.</value>
    public bool ShowPages { get; set; } = true;

    /// <summary>
    /// How many store paths are looked at for the list of them; those of a larger store are found by hash or by their whole name. At least 1. Whatever it is, a list takes
    /// little memory and not much more than ten seconds.
    /// </summary>
    /// <value>100 000, unless set.</value>
    public int MaxListedPaths { get; set; } = 100_000;

    /// <summary>Tells the time, for <see cref="UploadLifetime"/> and lists of store paths.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxRangeMemory);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxListingNodes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KnownNars);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxNarSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxNarInfoSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxUploads);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(UploadLifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxListedPaths);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxKeptFileSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxKeptFiles);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxKeptBytes);
        if (UploadPatience != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(UploadPatience, TimeSpan.FromSeconds(1));
        }

        ArgumentNullException.ThrowIfNull(TimeProvider);
        if (NarCompression is not (BinaryCaches.NarCompression.None or BinaryCaches.NarCompression.Zstd))
        {
            throw new ArgumentOutOfRangeException(nameof(NarCompression), NarCompression, null);
        }

        if (!Enum.IsDefined(NarUrls))
        {
            throw new ArgumentOutOfRangeException(nameof(NarUrls), NarUrls, null);
        }
    }
}
