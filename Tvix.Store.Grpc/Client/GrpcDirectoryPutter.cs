using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Store.Grpc.Client;

/// <summary>Sends directories as they are put. What breaks a rule is not sent, and the server then never hears the end of the
/// upload.</summary>
internal sealed class GrpcDirectoryPutter(Func<GrpcUpload<PutDirectoryResponse>> start) : DirectoryPutter
{
    private const string Doing = "Writing directories";

    private DirectoryUploadOrder? _order = new();
    private GrpcUpload<PutDirectoryResponse>? _upload;

    public override async ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        cancellationToken.ThrowIfCancellationRequested();
        DirectoryUploadOrder order = Take();
        if (order.Add(directory))
        {
            try
            {
                _upload ??= start();
                await _upload.SendAsync(directory.Encode(), cancellationToken).ConfigureAwait(false);
            }
            catch (GrpcException e)
            {
                throw StoreErrors.FromStatus(e, Doing);
            }
        }

        _order = order;
    }

    public override async ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        B3Digest root = Take().Complete();
        try
        {
            return await _upload!.FinishAsync(
                answer =>
                {
                    if (answer.RootDigest.Length != B3Digest.Size)
                    {
                        throw new StorageException($"{Doing}: the server answered with a digest of {answer.RootDigest.Length} bytes.");
                    }

                    B3Digest stored = new(answer.RootDigest.Span);
                    return stored == root ? root : throw new DigestMismatchException(root, stored, "as the server received the tree");
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (GrpcException e)
        {
            throw StoreErrors.FromStatus(e, Doing);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        _order = null;
        if (_upload is not null)
        {
            await _upload.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The rules, which are put back when all went well.</summary>
    private DirectoryUploadOrder Take()
    {
        DirectoryUploadOrder order = _order ?? throw new InvalidOperationException("The upload is complete, failed, or disposed.");
        _order = null;
        return order;
    }
}
