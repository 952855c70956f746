using Google.Protobuf;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Node = Tvix.Castore.Model.Node;
using NodeMessage = Tvix.Store.Grpc.Protos.Tvix.Castore.V1.Node;

namespace Tvix.Store.Grpc.Wire;

/// <summary>Nodes without a name as messages of type <c>Node</c>.</summary>
internal static class NodeMessages
{
    /// <summary>Makes a message.</summary>
    public static NodeMessage Encode(Node node) => node switch
    {
        Node.Directory directory => new NodeMessage { Directory = new DirectoryNode { Digest = ByteString.CopyFrom(directory.Digest.ToByteArray()), Size = directory.Size } },
        Node.File file => new NodeMessage
        {
            File = new FileNode { Digest = ByteString.CopyFrom(file.Digest.ToByteArray()), Size = file.Size, Executable = file.Executable },
        },
        Node.Symlink symlink => new NodeMessage { Symlink = new SymlinkNode { Target = ByteString.CopyFrom(symlink.Target.Bytes) } },
        _ => throw new ArgumentException("Not a kind of node.", nameof(node)),
    };

    /// <summary>Reads a message.</summary>
    /// <exception cref="InvalidDirectoryException">There is no node, or one with a name, or one that is not valid.</exception>
    public static Node Decode(NodeMessage message)
    {
        switch (message.NodeCase)
        {
            case NodeMessage.NodeOneofCase.Directory:
                CheckName(message.Directory.Name);
                return new Node.Directory(Digest(message.Directory.Digest), message.Directory.Size);
            case NodeMessage.NodeOneofCase.File:
                CheckName(message.File.Name);
                return new Node.File(Digest(message.File.Digest), message.File.Size, message.File.Executable);
            case NodeMessage.NodeOneofCase.Symlink:
                CheckName(message.Symlink.Name);
                SymlinkTargetError error = SymlinkTarget.Validate(message.Symlink.Target.Span);
                return error == SymlinkTargetError.None
                    ? new Node.Symlink(new SymlinkTarget(message.Symlink.Target.Span))
                    : throw new InvalidDirectoryException(DirectoryError.InvalidNode, $"The target of the symlink is not valid: {error}.") { TargetError = error };
            default:
                throw new InvalidDirectoryException(DirectoryError.NoNodeSet, "The node is neither a directory nor a file nor a symlink.");
        }
    }

    private static void CheckName(ByteString name)
    {
        if (!name.IsEmpty)
        {
            throw new InvalidDirectoryException(DirectoryError.NameInAnonymousNode, "The node has a name, where none may be.", name.ToByteArray());
        }
    }

    private static B3Digest Digest(ByteString bytes) => bytes.Length == B3Digest.Size
        ? new B3Digest(bytes.Span)
        : throw new InvalidDirectoryException(DirectoryError.InvalidNode, $"The digest of the node has {bytes.Length} bytes instead of {B3Digest.Size}.")
        {
            DigestLength = bytes.Length,
        };
}
