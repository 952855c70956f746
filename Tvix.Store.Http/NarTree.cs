using System.Buffers.Text;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Store.Http;

/// <summary>A tree whose NAR can be served.</summary>
/// <param name="Root">The root of the tree.</param>
/// <param name="NarSize">The length of its NAR in bytes.</param>
internal sealed record NarTree(Node Root, long NarSize)
{
    /// <summary>A tag for what is made of the tree, which is different for each kind of that.</summary>
    public static string Tag(string kind, Node root) =>
        $"\"{kind}-{Base64Url.EncodeToString(Blake3Hasher.HashData(DirectoryCodec.EncodeNode(default, root)).ToByteArray())}\"";
}
