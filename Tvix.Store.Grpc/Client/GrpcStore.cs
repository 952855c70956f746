using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Composition;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Client;

/// <summary>The store of a server: its services over one channel.</summary>
/// <remarks>
/// <code>
/// await using GrpcStore store = await GrpcStore.OpenAsync("grpc+http://localhost:8000");
/// PathInfo? info = await store.PathInfos.GetAsync(path.Digest);
/// </code>
/// Safe for concurrent use. Disposing it ends all calls.
/// </remarks>
public sealed class GrpcStore : IAsyncDisposable, IDisposable
{
    private static readonly TimeSpan _connectTimeout = TimeSpan.FromSeconds(30);

    private readonly GrpcBlobService _blobs;
    private readonly GrpcDirectoryService _directories;
    private readonly GrpcPathInfoService _pathInfos;
    private readonly GrpcPackage _package;

    /// <summary>Makes the store at an address. Nothing is called yet, whatever the address says.</summary>
    /// <param name="address">The address.</param>
    /// <param name="configureChannel">Further settings of the channel.</param>
    /// <param name="blobs">Settings for blobs; <see langword="null"/> for the defaults. Package and timeout are those of the
    /// address.</param>
    /// <exception cref="StorageException">A file that the address names cannot be read.</exception>
    public GrpcStore(GrpcStoreAddress address, Action<GrpcChannelOptions>? configureChannel = null, GrpcBlobServiceOptions? blobs = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _package = address.Package;
        GrpcClientOptions options = OptionsFor(address);
        GrpcBlobServiceOptions blobOptions = BlobOptionsFor(address, blobs);
        blobOptions.Validate();
        Channel = address.CreateChannel(configureChannel);
        _blobs = new GrpcBlobService(Channel, blobOptions);
        _directories = new GrpcDirectoryService(Channel, options);
        _pathInfos = new GrpcPathInfoService(Channel, options);
    }

    /// <summary>What makes the calls.</summary>
    public GrpcChannel Channel { get; }

    /// <summary>The server's blobs.</summary>
    public IBlobService Blobs => _blobs;

    /// <summary>The server's directories.</summary>
    public IDirectoryService Directories => _directories;

    /// <summary>The server's path infos.</summary>
    public IPathInfoService PathInfos => _pathInfos;

    /// <summary>Has the server find out the size and hash of NARs.</summary>
    public INarCalculationService NarCalculation => _pathInfos;

    /// <summary>Opens the store at an address; with <c>wait-connect=1</c>, once the server has answered.</summary>
    /// <param name="address">The address; see <see cref="GrpcStoreAddress"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The store, which the caller disposes.</returns>
    /// <exception cref="FormatException"><paramref name="address"/> is no address of a server.</exception>
    /// <exception cref="StorageException">The server should be there and is not, or a file that the address names cannot be
    /// read.</exception>
    public static ValueTask<GrpcStore> OpenAsync(string address, CancellationToken cancellationToken = default) =>
        OpenAsync(GrpcStoreAddress.Parse(address), null, null, cancellationToken);

    /// <summary>Opens the store at an address; with <c>wait-connect=1</c>, once the server has answered.</summary>
    /// <inheritdoc cref="OpenAsync(string, CancellationToken)" path="/returns|/exception"/>
    /// <param name="address">The address.</param>
    /// <param name="configureChannel">Further settings of the channel.</param>
    /// <param name="blobs">Settings for blobs; <see langword="null"/> for the defaults. Package and timeout are those of the
    /// address.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public static async ValueTask<GrpcStore> OpenAsync(
        GrpcStoreAddress address,
        Action<GrpcChannelOptions>? configureChannel = null,
        GrpcBlobServiceOptions? blobs = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(address);
        GrpcStore store = new(address, configureChannel, blobs);
        if (address.WaitConnect)
        {
            try
            {
                await store.ConnectAsync(cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                await store.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }

        return store;
    }

    /// <summary>Waits until the server has answered something, whatever it is.</summary>
    /// <exception cref="StorageException">It cannot be reached.</exception>
    public async ValueTask ConnectAsync(CancellationToken cancellationToken = default)
    {
        // A request that every server turns down at once, and that is not repeated.
        StoreMethods methods = StoreMethods.Of(_package);
        IGrpcCall<StatBlobRequest, StatBlobResponse> call = Channel.Start(methods.StatBlob, new GrpcCallOptions(Timeout: _connectTimeout), cancellationToken);
        await using (call.ConfigureAwait(false))
        {
            try
            {
                await call.WriteAsync(new StatBlobRequest(), cancellationToken).ConfigureAwait(false);
                await call.CompleteAsync(cancellationToken).ConfigureAwait(false);
                await call.MoveNextAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (GrpcException e) when (e.StatusCode is GrpcStatusCode.Unavailable or GrpcStatusCode.DeadlineExceeded)
            {
                throw StoreErrors.FromStatus(e, $"Connecting to {Channel.Address}");
            }
            catch (GrpcException)
            {
                // An answer.
            }
        }
    }

    /// <summary>The services as what an address stands for; they own this.</summary>
    public StoreServices ToServices() => new(Blobs, Directories, PathInfos) { NarCalculation = NarCalculation, Owner = this };

    /// <summary>Ends all calls and closes the connections.</summary>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends all calls and closes the connections.</summary>
    public void Dispose() => Channel.Dispose();

    internal static GrpcClientOptions OptionsFor(GrpcStoreAddress address) => new() { Package = address.Package, Timeout = address.Timeout };

    internal static GrpcBlobServiceOptions BlobOptionsFor(GrpcStoreAddress address, GrpcBlobServiceOptions? settings)
    {
        settings ??= new GrpcBlobServiceOptions();
        return new GrpcBlobServiceOptions
        {
            Package = address.Package,
            Timeout = address.Timeout,
            BufferBytes = settings.BufferBytes,
            MaxParallelCalls = settings.MaxParallelCalls,
            MaxBufferedBlob = settings.MaxBufferedBlob,
            MaxChunkBytes = settings.MaxChunkBytes,
            PieceBytes = settings.PieceBytes,
            WriteBuffer = settings.WriteBuffer,
        };
    }
}
