using System.Text;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Composition;
using Tvix.Castore.Directories;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Castore.Model;
using Tvix.Castore.References;
using Tvix.Store.Composition;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store;

/// <summary>A store for Nix: blobs, directories and path infos together, and what one does with them.</summary>
/// <remarks>
/// <para>Make one with <see cref="Open"/>, with the builder of <c>services.AddTvixStore(…)</c>, or from any three services. All members may be called concurrently.</para>
/// <para>Disposing the store disposes the services if <see cref="Open"/> made them, and nothing otherwise.</para>
/// </remarks>
public sealed partial class TvixStore : IAsyncDisposable
{
    private readonly IAsyncDisposable? _owned;

    /// <summary>Makes a store of three services, which stay the caller's.</summary>
    /// <param name="blobs">Where contents are.</param>
    /// <param name="directories">Where directories are.</param>
    /// <param name="pathInfos">Where path infos are.</param>
    /// <param name="storeDirectory">The store directory, which takes part in every store path.</param>
    public TvixStore(IBlobService blobs, IDirectoryService directories, IPathInfoService pathInfos, StoreDirectory storeDirectory = default)
        : this(new StoreServices(blobs, directories, pathInfos), storeDirectory) => _owned = null;

    /// <summary>Makes a store of services that belong together; it disposes their owner, if they have one.</summary>
    /// <param name="services">The services.</param>
    /// <param name="storeDirectory">The store directory, which takes part in every store path.</param>
    public TvixStore(StoreServices services, StoreDirectory storeDirectory = default)
    {
        ArgumentNullException.ThrowIfNull(services);
        Services = services;
        StoreDirectory = storeDirectory;
        _owned = services.Owner;
    }

    /// <summary>Where contents are.</summary>
    public IBlobService Blobs => Services.Blobs;

    /// <summary>Where directories are.</summary>
    public IDirectoryService Directories => Services.Directories;

    /// <summary>Where path infos are.</summary>
    public IPathInfoService PathInfos => Services.PathInfos;

    /// <summary>The store directory, which takes part in every store path.</summary>
    public StoreDirectory StoreDirectory { get; }

    private StoreServices Services { get; }

    /// <summary>Whether it has archives instead of contents; see <see cref="StoreServices.PathInfosOver"/>.</summary>
    internal bool KeepsArchives => Services.PathInfosOver is not null;

    /// <summary>This store, unless it has archives instead of contents: then with its contents where those of another store are. Both stay the caller's.</summary>
    internal TvixStore WithContentsOf(TvixStore other) =>
        Services.PathInfosOver is null ? this : new TvixStore(Services.WithContentsOf(other.Services) with { Owner = null }, StoreDirectory);

    /// <summary>Opens the store at an address: <c>memory:</c>, <c>local:</c> and a folder, made if it does not exist, or a <c>cache:</c> of two others.</summary>
    /// <param name="address">The address; see <see cref="StoreAddress"/>.</param>
    /// <param name="storeDirectory">The store directory.</param>
    /// <param name="resolver">Knows the schemes; <see langword="null"/> for those of this package.</param>
    /// <returns>The store, which the caller disposes.</returns>
    /// <exception cref="FormatException"><paramref name="address"/> is no address that is known; the message says why.</exception>
    /// <exception cref="StorageException">There is something wrong with the store.</exception>
    public static TvixStore Open(string address, StoreDirectory storeDirectory = default, StoreAddressResolver? resolver = null) =>
        new((resolver ?? StoreAddressResolver.Default).Open(StoreAddress.Parse(address)), storeDirectory);

    /// <summary>Imports a file, a folder or a symbolic link as a content-addressed store path.</summary>
    /// <param name="path">Where it is on disk.</param>
    /// <param name="options">Name, method and references; <see langword="null"/> for the defaults.</param>
    /// <param name="progress">Is told how far the import has come.</param>
    /// <param name="cancellationToken">Ends the import.</param>
    /// <returns>The path info, as it was stored.</returns>
    /// <remarks>
    /// With a <see cref="FileSystemImportOptions.ChangeCache"/>, only files that changed are read the next time. What else the path info needs is remembered too, by the root of the
    /// tree: hashes, and what was found of the same candidates for references. For a tree that is new, the hash of its NAR is then computed from the store, and in the other cases
    /// all files are read after all.
    /// </remarks>
    /// <exception cref="ArgumentException">The name may not be that of a store path, or the options contradict each other.</exception>
    /// <exception cref="ImportException">Something cannot be read, is of an unsupported kind, or changed meanwhile.</exception>
    /// <exception cref="StorageException">A service failed.</exception>
    public async ValueTask<PathInfo> ImportAsync(
        string path, StoreImportOptions? options = null, IProgress<ImportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new StoreImportOptions();
        string name = CheckName(options.Name ?? NameOf(path));

        FileSystemImporter importer = new(Blobs, Directories, options.FileSystem);
        if (importer.Remembers(path) && await ImportRememberedAsync(importer, path, name, options, progress, cancellationToken).ConfigureAwait(false) is { } remembered)
        {
            return remembered;
        }

        using StoreImportSink sink = new(options);
        Node root = await importer.ImportAsync(path, sink, progress, cancellationToken).ConfigureAwait(false);
        if (options.Method == StoreImportMethod.Flat && root is not Node.File)
        {
            throw new ImportException(ImportError.UnsupportedFileType, Encoding.UTF8.GetBytes(path), "only a regular file can be imported by the hash of its contents");
        }

        TreeFacts facts = new(sink.FinishNar(), options.Method == StoreImportMethod.Flat ? sink.FinishFlat() : null, [.. sink.FoundReferences]);
        facts.Remember(options, root);
        return await PutAsync(name, root, facts, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Imports with a change cache that knows something of the path: only what has changed is read. <see langword="null"/> when what else has to be known of the tree can best be
    /// found out by reading all of it.
    /// </summary>
    private async ValueTask<PathInfo?> ImportRememberedAsync(
        FileSystemImporter importer,
        string path,
        string name,
        StoreImportOptions options,
        IProgress<ImportProgress>? progress,
        CancellationToken cancellationToken)
    {
        Node root = await importer.ImportAsync(path, sink: null, progress, cancellationToken).ConfigureAwait(false);
        TreeFacts? facts = TreeFacts.Find(options, root);
        if (facts is null)
        {
            bool onlyNar = options.Method == StoreImportMethod.Recursive && options.ReferenceCandidates.Count == 0;
            if (!onlyNar || (Services.NarCalculation is null && Blobs.AskedBeforeWriting is not null))
            {
                return null; // what is on disk is nearer than what is in a store elsewhere
            }

            NarDigest nar = Services.NarCalculation is { } calculation
                ? await calculation.CalculateAsync(root, cancellationToken).ConfigureAwait(false)
                : await HashNarAsync(root, scan: null, cancellationToken).ConfigureAwait(false);
            facts = new TreeFacts(nar, null, []);
            facts.Remember(options, root);
        }

        return await PutAsync(name, root, facts, options, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask<PathInfo> PutAsync(string name, Node root, TreeFacts facts, StoreImportOptions options, CancellationToken cancellationToken)
    {
        ContentAddress address = facts.Flat is { } flat ? ContentAddress.Flat(flat.ToNixHash()) : ContentAddress.Nar(facts.Nar.Sha256);
        return PutAsync(name, root, facts.Nar, address, options.References.Concat(facts.References), cancellationToken);
    }

    /// <summary>Imports the tree that a tar archive holds as a content-addressed store path.</summary>
    /// <param name="archive">The archive, compressed or not; see <see cref="TarImporter"/>. It stays open.</param>
    /// <param name="options">
    /// The name, which must be given, and the references. The method must be <see cref="StoreImportMethod.Recursive"/>; how trees on disk are read does not count.
    /// </param>
    /// <param name="tarOptions">How the archive is read; <see langword="null"/> for the defaults.</param>
    /// <param name="progress">Is told how far the import has come.</param>
    /// <param name="cancellationToken">Ends the import.</param>
    /// <returns>The path info, as it was stored.</returns>
    /// <remarks>
    /// The contents are read a second time, from the store, for the hash of the NAR, unless the store itself computes it (<see cref="StoreServices.NarCalculation"/>) and no
    /// references are looked for. Candidates for references are looked for in the whole NAR.
    /// </remarks>
    /// <exception cref="ArgumentException">The name is missing or may not be that of a store path, or the options contradict each other.</exception>
    /// <exception cref="ImportException">The archive or something in it cannot be imported.</exception>
    /// <exception cref="StorageException">A service failed.</exception>
    public async ValueTask<PathInfo> ImportTarAsync(
        Stream archive,
        StoreImportOptions options,
        TarImportOptions? tarOptions = null,
        IProgress<ImportProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(archive);
        ArgumentNullException.ThrowIfNull(options);
        string name = CheckName(options.Name ?? throw new ArgumentException("An archive has no name of its own; give one.", nameof(options)));
        if (options.Method != StoreImportMethod.Recursive)
        {
            throw new ArgumentException("The tree of an archive can only be imported by the hash of its NAR.", nameof(options));
        }

        Node root = await new TarImporter(Blobs, Directories, tarOptions).ImportAsync(archive, progress, cancellationToken).ConfigureAwait(false);
        StorePath[] candidates = [.. options.ReferenceCandidates.Distinct()];
        ReferenceScanner? scanner = StoreImportSink.MakeScanner(candidates);
        NarDigest nar = scanner is null && Services.NarCalculation is { } calculation
            ? await calculation.CalculateAsync(root, cancellationToken).ConfigureAwait(false)
            : await HashNarAsync(root, scanner?.StartFile(), cancellationToken).ConfigureAwait(false);
        IEnumerable<StorePath> references = scanner is null ? options.References : options.References.Concat(candidates.Where((_, index) => scanner.IsFound(index)));
        return await PutAsync(name, root, nar, ContentAddress.Nar(nar.Sha256), references, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<NarDigest> HashNarAsync(Node root, ReferenceScan? scan, CancellationToken cancellationToken)
    {
        NarHasher hasher = new();
        await using (hasher.ConfigureAwait(false))
        {
            Stream destination = hasher.AsStream(leaveOpen: true);
            await WriteNarAsync(root, scan is null ? destination : new ScannedWriteStream(destination, scan), cancellationToken).ConfigureAwait(false);
            return await hasher.FinishAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<PathInfo> PutAsync(
        string name, Node root, NarDigest nar, ContentAddress address, IEnumerable<StorePath> references, CancellationToken cancellationToken)
    {
        StorePath[] sorted = [.. references.Distinct().Order()];
        PathInfo info = new()
        {
            StorePath = StorePathBuilder.FromContentAddress(name, address, sorted, storeDirectory: StoreDirectory),
            Node = root,
            NarSize = nar.Size,
            NarHash = nar.Sha256,
            References = sorted,
            ContentAddress = address,
        };

        // What is there already may have signatures and a deriver, which must not be lost.
        PathInfo? known = await ServiceCapabilities.WrittenTo(PathInfos).GetAsync(info.StorePath.Digest, cancellationToken).ConfigureAwait(false);
        return known is not null && info == known with { Signatures = [], Deriver = null }
            ? known
            : await PathInfos.PutAsync(info, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Stores a NAR, as what it is an archive of. Nothing of the tree is visible before all of it has been verified.</summary>
    /// <exception cref="NarFormatException">The bytes are no NAR.</exception>
    /// <exception cref="NarHashMismatchException">The NAR is not the one that the options expect.</exception>
    public Task<NarIngestResult> IngestNarAsync(Stream nar, NarIngestOptions? options = null, CancellationToken cancellationToken = default) =>
        new NarIngester(Blobs, Directories).IngestAsync(nar, options, cancellationToken);

    /// <summary>Writes the NAR of a tree, byte for byte as Nix makes it.</summary>
    /// <returns>The number of bytes written.</returns>
    /// <exception cref="StorageException">Something of the tree is missing, or a service failed.</exception>
    /// <exception cref="DigestMismatchException">Something of the tree is damaged in the store.</exception>
    public Task<ulong> WriteNarAsync(Node root, Stream destination, CancellationToken cancellationToken = default) =>
        new NarRenderer(Blobs, Directories).RenderAsync(root, destination, cancellationToken);

    /// <summary>Writes a tree to disk.</summary>
    /// <inheritdoc cref="FileSystemExporter.ExportAsync"/>
    public ValueTask<ExportResult> ExportAsync(
        Node root, string path, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default) =>
        ExportAsync(root, path, null, progress, cancellationToken);

    /// <summary>Writes a tree to disk.</summary>
    /// <param name="root">What to write.</param>
    /// <param name="path">Where its root goes. Nothing may be there yet; the folder it is in must exist.</param>
    /// <param name="options">How; <see langword="null"/> for the defaults.</param>
    /// <param name="progress">Is told how far the export has come, once at a time.</param>
    /// <param name="cancellationToken">Ends the export.</param>
    /// <inheritdoc cref="FileSystemExporter.ExportAsync"/>
    public ValueTask<ExportResult> ExportAsync(
        Node root,
        string path,
        FileSystemExportOptions? options,
        IProgress<ExportProgress>? progress = null,
        CancellationToken cancellationToken = default) =>
        new FileSystemExporter(Blobs, Directories, options).ExportAsync(root, path, progress, cancellationToken);

    /// <summary>Opens the file at a path below a node; <see langword="null"/> when there is nothing, or something that is not a file.</summary>
    /// <param name="root">Where to start.</param>
    /// <param name="path">The path, such as <c>bin/hello</c>; the empty path is the node itself.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>A stream that the caller disposes.</returns>
    /// <exception cref="FormatException"><paramref name="path"/> is not a relative path.</exception>
    /// <exception cref="StorageException">The file's contents or a directory on the way are missing, or a service failed.</exception>
    public async ValueTask<Stream?> OpenFileAsync(Node root, string path = "", CancellationToken cancellationToken = default) =>
        await Directories.DescendAsync(root, CastorePath.Parse(path), cancellationToken).ConfigureAwait(false) is Node.File file
            ? await Blobs.OpenReadAsync(file.Digest, cancellationToken).ConfigureAwait(false)
                ?? throw new StorageException($"The blob {file.Digest}, the contents of '{path}', is missing.")
            : null;

    /// <summary>Counts what the store holds. Takes time in proportion to that.</summary>
    public async ValueTask<TvixStoreStatistics> GetStatisticsAsync(CancellationToken cancellationToken = default)
    {
        long count = 0;
        ulong bytes = 0;
        await foreach (PathInfo info in PathInfos.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            count++;
            bytes += info.NarSize;
        }

        return new TvixStoreStatistics
        {
            StorePaths = count,
            NarBytes = bytes,
            Contents = Services.Statistics is null ? null : await Services.Statistics.GetStatisticsAsync(cancellationToken).ConfigureAwait(false),
        };
    }

    /// <summary>Disposes the services if <see cref="Open"/> made them.</summary>
    public ValueTask DisposeAsync() => _owned?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static string CheckName(string name) => StorePathName.IsSafeToCreate(name)
        ? name
        : throw new ArgumentException($"'{name}' may not be the name of a store path; give another one.", "options");

    private static string NameOf(string path)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return name.Length > 0 ? name : throw new ArgumentException($"'{path}' has no last component to take the name from; give one.", nameof(path));
    }
}
