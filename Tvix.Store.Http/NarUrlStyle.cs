namespace Tvix.Store.Http;

/// <summary>How the narinfos of a cache say where the NARs are. All of them are served, whatever is said.</summary>
public enum NarUrlStyle
{
    /// <summary><c>nar/tvix-castore/NODE?narsize=N</c>: the root of the tree is in the URL, so that nothing needs to be looked up.</summary>
    TvixCastore,

    /// <summary><c>nar/snix-castore/NODE?narsize=N</c>: the same.</summary>
    SnixCastore,

    /// <summary><c>nar/HASH.nar?path=HASH</c>: the SHA-256 of the NAR, and the hash part of the store path, by which it is found.</summary>
    NarHash,
}
