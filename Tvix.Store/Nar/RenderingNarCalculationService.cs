using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Store.Nar;

/// <summary>Renders the NAR, and hashes it meanwhile.</summary>
/// <param name="blobs">Where the blobs are.</param>
/// <param name="directories">Where the directories are.</param>
/// <param name="options">How far to read ahead; <see langword="null"/> for the defaults.</param>
public sealed class RenderingNarCalculationService(IBlobService blobs, IDirectoryService directories, NarRenderOptions? options = null)
    : INarCalculationService
{
    private readonly NarRenderer _renderer = new(blobs, directories, options);

    /// <inheritdoc/>
    public async ValueTask<NarDigest> CalculateAsync(Node root, CancellationToken cancellationToken = default)
    {
        NarHasher hasher = new();
        await using (hasher.ConfigureAwait(false))
        {
            await _renderer.RenderAsync(root, hasher, cancellationToken).ConfigureAwait(false);
            return await hasher.FinishAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
