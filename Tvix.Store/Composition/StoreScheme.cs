using Tvix.Castore.Composition;

namespace Tvix.Store.Composition;

/// <summary>What a scheme of addresses means.</summary>
/// <param name="Open">Opens the store at an address.</param>
/// <param name="Check">Checks an address without any I/O.</param>
/// <param name="AddTo">
/// Adds the store at an address that was checked to a container under a name, for a scheme whose store consists of services that the builder knows;
/// <see langword="null"/> for one whose store is opened as a whole.
/// </param>
internal sealed record StoreScheme(
    Func<StoreAddress, StoreAddressResolver, StoreServices> Open,
    Action<StoreAddress, StoreAddressResolver>? Check,
    Action<TvixStoreBuilder, StoreAddress, string, StoreAddressResolver>? AddTo);
