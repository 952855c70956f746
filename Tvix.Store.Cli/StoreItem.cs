using Tvix.Castore.Model;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli;

/// <summary>What an argument names.</summary>
/// <param name="Info">The store path.</param>
/// <param name="SubPath">The path inside it.</param>
/// <param name="Node">What is there.</param>
internal sealed record StoreItem(PathInfo Info, CastorePath SubPath, Node Node);
