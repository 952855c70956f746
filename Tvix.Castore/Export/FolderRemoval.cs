using Tvix.Castore.Import;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>Removes a tree without following links, however deep it is.</summary>
internal static class FolderRemoval
{
    private const int MaxOpenFolders = 64;

    private sealed record Level(byte[] Name, FolderListing Listing)
    {
        public int Folder { get; set; }

        public int Next { get; set; }
    }

    /// <summary>Removes a name and everything below it, as far as the system lets it.</summary>
    public static void TryRemove(int folder, PathComponent name)
    {
        byte[] buffer = new byte[16 << 10];
        List<Level> levels = [];
        Descend(folder, [.. name.Bytes, 0]);
        while (levels.Count > 0)
        {
            Level level = levels[^1];
            if (level.Folder >= 0 && level.Next < level.Listing.Count)
            {
                Descend(level.Folder, level.Listing.NameWithNull(level.Next++).ToArray());
            }
            else
            {
                Leave(level);
            }
        }

        void Descend(int parent, byte[] terminated)
        {
            int opened = LibC.OpenAt(parent, terminated, LibC.ReadOnly | LibC.Directory | LibC.NoFollow);
            if (opened >= 0 && FolderListing.TryRead(opened, buffer, CancellationToken.None, out FolderListing listing) == 0)
            {
                levels.Add(new Level(terminated, listing) { Folder = opened });
                if (levels.Count > MaxOpenFolders)
                {
                    Close(levels[levels.Count - 1 - MaxOpenFolders]); // opened again through '..' on the way back
                }

                return;
            }

            if (opened >= 0)
            {
                _ = LibC.Close(opened);
            }

            _ = LibC.UnlinkAt(parent, terminated, 0);
        }

        void Leave(Level level)
        {
            levels.RemoveAt(levels.Count - 1);
            level.Listing.Dispose();
            if (levels.Count > 0 && levels[^1].Folder < 0 && level.Folder >= 0)
            {
                levels[^1].Folder = LibC.OpenAt(level.Folder, "..\0"u8, LibC.ReadOnly | LibC.Directory);
            }

            Close(level);
            _ = LibC.UnlinkAt(levels.Count > 0 ? levels[^1].Folder : folder, level.Name, LibC.RemoveFolder);
        }

        static void Close(Level level)
        {
            if (level.Folder >= 0)
            {
                _ = LibC.Close(level.Folder);
                level.Folder = -1;
            }
        }
    }
}
