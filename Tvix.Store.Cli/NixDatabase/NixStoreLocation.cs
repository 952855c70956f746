using Tvix.Store.Nix;

namespace Tvix.Store.Cli.NixDatabase;

/// <summary>Where a store of Nix is on disk.</summary>
/// <param name="DatabaseFolder">The folder with its database, such as <c>/nix/var/nix/db</c>.</param>
/// <param name="StoreFolder">The folder that the contents of store paths are in, such as <c>/nix/store</c> or <c>/mnt/nix/store</c>.</param>
/// <param name="StoreDirectory">The store directory that store paths have; not always the folder that they are in.</param>
internal sealed record NixStoreLocation(string DatabaseFolder, string StoreFolder, StoreDirectory StoreDirectory)
{
    private const string DefaultState = "/nix/var/nix";

    /// <summary>The database.</summary>
    public string Database => Path.Combine(DatabaseFolder, "db.sqlite");

    /// <summary>The file that has the number of the database's schema.</summary>
    public string Schema => Path.Combine(DatabaseFolder, "schema");

    /// <summary>The store below a root folder, as <c>nix --store /mnt</c> has it; <c>/</c> for that of the machine.</summary>
    public static NixStoreLocation Below(string root, StoreDirectory directory) =>
        At(Under(root, DefaultState), Under(root, directory.Path), directory);

    /// <summary>The store with the folders that Nix calls the state directory and the store directory.</summary>
    public static NixStoreLocation At(string? state, string? store, StoreDirectory directory) =>
        new(Path.Combine(Path.GetFullPath(state ?? DefaultState), "db"), Path.GetFullPath(store ?? directory.Path), directory);

    /// <summary>Where the contents of a store path are.</summary>
    public string OnDisk(StorePath path) => Path.Combine(StoreFolder, path.ToString());

    private static string Under(string root, string absolute) => Path.Combine(Path.GetFullPath(root), absolute.TrimStart('/'));
}
