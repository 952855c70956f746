using Tvix.Castore.Composition;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.PathInfos;

/// <summary>Signs every path info that is stored through it. What is there already stays as it is.</summary>
/// <remarks>
/// The signature is put after those that are there, unless the very same is among them. It vouches for the NAR hash that the uploader
/// claims; whoever cannot trust uploaders verifies the contents before.
/// </remarks>
/// <param name="inner">Where the path infos go.</param>
/// <param name="key">The key to sign with.</param>
/// <param name="storeDirectory">The store directory, which is part of what is signed.</param>
public sealed class SigningPathInfoService(IPathInfoService inner, SigningKey key, StoreDirectory storeDirectory = default)
    : IPathInfoService, IServiceDecorator, IWrittenElsewhere<IPathInfoService>
{
    private readonly IPathInfoService _inner = inner ?? throw new ArgumentNullException(nameof(inner));
    private readonly SigningKey _key = key ?? throw new ArgumentNullException(nameof(key));

    object IServiceDecorator.Inner => _inner;

    // To look up is to look up beneath; what is written still has to come through here.
    IPathInfoService IWrittenElsewhere<IPathInfoService>.WrittenTo => ServiceCapabilities.WrittenTo(_inner);

    /// <inheritdoc/>
    public ValueTask<PathInfo?> GetAsync(StorePathDigest digest, CancellationToken cancellationToken = default) =>
        _inner.GetAsync(digest, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<PathInfo> PutAsync(PathInfo pathInfo, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pathInfo);
        NarSignature signature = _key.Sign(pathInfo.GetFingerprint(storeDirectory));
        return _inner.PutAsync(pathInfo.Signatures.Contains(signature) ? pathInfo : pathInfo.WithSignature(signature), cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<PathInfo> ListAsync(CancellationToken cancellationToken = default) => _inner.ListAsync(cancellationToken);
}
