using Tvix.Store.Composition;

namespace Tvix.Store.Cli;

/// <summary>The addresses that the tool can open. Packages with schemes of their own are added here.</summary>
internal static class StoreSchemes
{
    public static StoreAddressResolver Resolver { get; } = StoreAddressResolver.Default.WithGrpc();
}
