using System.Buffers;
using System.Runtime.CompilerServices;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;
using Node = Tvix.Castore.Model.Node;

namespace Tvix.Store.Grpc.Client;

/// <summary>The directories of a server: the client of its <c>DirectoryService</c>. Spec: castore §2.8.</summary>
/// <remarks>
/// <para>The server is not trusted: every directory is held to its digest and to the rules of the format, and closures to their order, the
/// recorded sizes and completeness.</para>
/// <para>Safe for concurrent use. It owns nothing; the invoker stays the caller's.</para>
/// </remarks>
public sealed class GrpcDirectoryService : IDirectoryService
{
    private readonly IGrpcInvoker _invoker;
    private readonly StoreMethods _methods;
    private readonly TimeSpan? _timeout;
    private readonly StepLimit _stepLimit;

    /// <summary>Makes a client.</summary>
    /// <param name="invoker">Makes the calls, as <see cref="GrpcChannel"/> does.</param>
    /// <param name="options">Settings; <see langword="null"/> for the defaults. They are not looked at again.</param>
    /// <exception cref="ArgumentException">A setting is out of its range.</exception>
    public GrpcDirectoryService(IGrpcInvoker invoker, GrpcClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(invoker);
        options ??= new GrpcClientOptions();
        options.Validate();
        _invoker = invoker;
        _methods = StoreMethods.Of(options.Package);
        _timeout = options.Timeout;
        _stepLimit = new StepLimit(options.Timeout);
    }

    /// <inheritdoc/>
    public async ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GrpcDownload download = Download(digest, recursive: false, cancellationToken);
        await using (download.ConfigureAwait(false))
        {
            if (!await download.MoveNextAsync().ConfigureAwait(false))
            {
                return null;
            }

            CastoreDirectory directory = Decode(download.Current);
            if (directory.Digest != digest)
            {
                throw new DigestMismatchException(digest, directory.Digest, "as the server sent it");
            }

            // To the end, so that the call need not be cancelled. More than one message is not what was asked for, and does no harm.
            await download.MoveNextAsync().ConfigureAwait(false);
            return directory;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The directory has child directories: a server takes only whole closures.</exception>
    public async ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        foreach (DirectoryEntry entry in directory.Entries)
        {
            if (entry.Node is Node.Directory)
            {
                throw new NotSupportedException("A directory with child directories can be sent only together with them; use OpenPutter.");
            }
        }

        DirectoryPutter putter = OpenPutter();
        await using (putter.ConfigureAwait(false))
        {
            await putter.PutAsync(directory, cancellationToken).ConfigureAwait(false);
            return await putter.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    /// <remarks>One call. Memory grows with the number of distinct directories: a digest and two sizes for each.</remarks>
    /// <exception cref="StorageException"> A directory that is referred to is missing, or the server sends one that was not referred to
    /// before, or twice.
    /// </exception>
    /// <exception cref="InvalidDirectoryException">The server sends something that is no valid directory, or has another size than was
    /// recorded for it.</exception>
    public async IAsyncEnumerable<CastoreDirectory> GetClosureAsync(B3Digest root, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        DownloadOrder order = new(root);
        GrpcDownload download = Download(root, recursive: true, cancellationToken);
        await using (download.ConfigureAwait(false))
        {
            while (await download.MoveNextAsync().ConfigureAwait(false))
            {
                CastoreDirectory directory = Decode(download.Current);
                order.Add(directory);
                yield return directory;
            }

            order.Complete();
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Directories are sent as they are put, after the rules of an upload were checked; those put twice are sent once. Memory grows with
    /// the number of distinct directories: a digest and two sizes for each.
    /// </remarks>
    public DirectoryPutter OpenPutter() => new GrpcDirectoryPutter(() => new GrpcUpload<PutDirectoryResponse>(_invoker, _methods.PutDirectory, _stepLimit));

    private GrpcDownload Download(B3Digest digest, bool recursive, CancellationToken cancellationToken)
    {
        GetDirectoryRequest request = new() { Digest = GrpcBlobService.DigestBytes(digest), Recursive = recursive };
        return new GrpcDownload(
            token => _invoker.ServerStreamingAsync(_methods.GetDirectory, request, default, token),
            $"Reading the {(recursive ? "tree" : "directory")} {digest}",
            _timeout,
            cancellationToken);
    }

    private static CastoreDirectory Decode(ReadOnlySequence<byte> message) =>
        CastoreDirectory.Decode(message.IsSingleSegment ? message.FirstSpan : message.ToArray());
}
