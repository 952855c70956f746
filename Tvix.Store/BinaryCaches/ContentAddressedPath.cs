using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.BinaryCaches;

/// <summary>Whether store paths are addressed by their contents, as narinfos claim.</summary>
internal static class ContentAddressedPath
{
    /// <summary>Whether the content address of a narinfo makes its store path. Says nothing about the contents.</summary>
    public static bool IsOf(NarInfo narInfo, StoreDirectory storeDirectory)
    {
        if (narInfo.ContentAddress is not { } address)
        {
            return false;
        }

        try
        {
            return narInfo.StorePath == StorePathBuilder.FromContentAddress(
                narInfo.StorePath.Name,
                address,
                narInfo.References.Where(reference => reference != narInfo.StorePath),
                narInfo.References.Contains(narInfo.StorePath),
                storeDirectory);
        }
        catch (ArgumentException)
        {
            return false; // such an address cannot have references, or the name is one that nothing new may have
        }
    }
}
