using System.Buffers;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;
using PathInfo = Tvix.Store.PathInfos.PathInfo;

namespace Tvix.Store.Grpc.Client;

/// <summary>The path infos of a server, which also computes the size and hash of NARs: the client of its <c>PathInfoService</c>. Spec:
/// store-services §1.6.5, §2.</summary>
/// <remarks>Safe for concurrent use. It owns nothing; the invoker stays the caller's.</remarks>
public sealed class GrpcPathInfoService : IPathInfoService, INarCalculationService
{
    private readonly IGrpcInvoker _invoker;
    private readonly StoreMethods _methods;
    private readonly GrpcCallOptions _call;

    /// <summary>Makes a client.</summary>
    /// <param name="invoker">Makes the calls, as <see cref="GrpcChannel"/> does.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults. They are not looked at again.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public GrpcPathInfoService(IGrpcInvoker invoker, GrpcClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(invoker);
        options ??= new GrpcClientOptions();
        options.Validate();
        _invoker = invoker;
        _methods = StoreMethods.Of(options.Package);
        _call = new GrpcCallOptions(Timeout: options.Timeout);
    }

    /// <inheritdoc/>
    public async ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        PathInfo info;
        try
        {
            GetPathInfoRequest request = new() { ByOutputHash = ByteString.CopyFrom(digest.ToByteArray()) };
            info = await _invoker.UnaryAsync(_methods.GetPathInfo, request, Decode, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e) when (e.StatusCode == GrpcStatusCode.NotFound)
        {
            return null;
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, $"Asking for the path info of {digest}");
        }

        return info.StorePath.Digest == digest
            ? info
            : throw new StorageException($"Asked for the path info of {digest}, the server sent that of {info.StorePath}.");
    }

    /// <inheritdoc/>
    public async ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        cancellationToken.ThrowIfCancellationRequested();
        PathInfo stored;
        try
        {
            ReadOnlySequence<byte> message = new(pathInfo.Encode());
            stored = await _invoker.UnaryAsync(_methods.PutPathInfo, message, Decode, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, $"Writing the path info of {pathInfo.StorePath}");
        }

        return stored.StorePath == pathInfo.StorePath
            ? stored
            : throw new StorageException($"Given the path info of {pathInfo.StorePath}, the server answered with that of {stored.StorePath}.");
    }

    /// <inheritdoc/>
    /// <remarks>Each is checked when it comes; the first that breaks a rule ends the list with an exception.</remarks>
    public async IAsyncEnumerable<PathInfo> ListAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GrpcDownload download = new(
            token => _invoker.ServerStreamingAsync(_methods.ListPathInfos, new ListPathInfoRequest(), default, token),
            "Listing path infos",
            _call.Timeout,
            cancellationToken);
        await using (download.ConfigureAwait(false))
        {
            while (await download.MoveNextAsync().ConfigureAwait(false))
            {
                yield return Decode(download.Current);
            }

            if (download.IsNotFound)
            {
                throw new StorageException("Listing path infos: the server found nothing to list.");
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>The server does it; all that the tree consists of must be there.</remarks>
    public async ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(root);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            return await _invoker.UnaryAsync(_methods.CalculateNar, NodeMessages.Encode(root), ReadNarDigest, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, "Computing the hash of a NAR");
        }
    }

    private static NarDigest ReadNarDigest(CalculateNARResponse answer) => answer.NarSha256.Length == Sha256Digest.Size
        ? new NarDigest(answer.NarSize, new Sha256Digest(answer.NarSha256.Span))
        : throw new StorageException($"Computing the hash of a NAR: the server answered with a hash of {answer.NarSha256.Length} bytes.");

    private static PathInfo Decode(ReadOnlySequence<byte> message) => PathInfo.Decode(message.IsSingleSegment ? message.FirstSpan : message.ToArray());
}
