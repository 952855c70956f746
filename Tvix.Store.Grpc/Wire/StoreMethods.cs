using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Protos.Tvix.Castore.V1;
using Tvix.Store.Grpc.Protos.Tvix.Store.V1;
using SnixBlobs = Tvix.Store.Grpc.Protos.Snix.Castore.V1.RpcBlobstoreReflection;
using SnixDirectories = Tvix.Store.Grpc.Protos.Snix.Castore.V1.RpcDirectoryReflection;
using SnixPathInfos = Tvix.Store.Grpc.Protos.Snix.Store.V1.RpcPathinfoReflection;

namespace Tvix.Store.Grpc.Wire;

/// <summary>
/// The methods of a store's three services under the names of one package. Both packages use the messages of one, since the bytes are the same; blobs' pieces, directories and path infos
/// travel as bytes.
/// </summary>
internal sealed class StoreMethods
{
    private StoreMethods(ServiceDescriptor blobs, ServiceDescriptor directories, ServiceDescriptor pathInfos)
    {
        Blobs = blobs;
        Directories = directories;
        PathInfos = pathInfos;
        StatBlob = GrpcMethod<StatBlobRequest, StatBlobResponse>.FromDescriptor(blobs, "Stat", Of(StatBlobRequest.Parser), Of(StatBlobResponse.Parser));
        ReadBlob = GrpcMethod<ReadBlobRequest, ReadOnlySequence<byte>>.FromDescriptor(blobs, "Read", Of(ReadBlobRequest.Parser), BlobPieceMarshaller.Instance);
        PutBlob = GrpcMethod<ReadOnlySequence<byte>, PutBlobResponse>.FromDescriptor(blobs, "Put", BlobPieceMarshaller.Instance, Of(PutBlobResponse.Parser));
        GetDirectory = GrpcMethod<GetDirectoryRequest, ReadOnlySequence<byte>>.FromDescriptor(directories, "Get", Of(GetDirectoryRequest.Parser), RawMarshaller.Instance);
        PutDirectory = GrpcMethod<ReadOnlySequence<byte>, PutDirectoryResponse>.FromDescriptor(directories, "Put", RawMarshaller.Instance, Of(PutDirectoryResponse.Parser));
        GetPathInfo = GrpcMethod<GetPathInfoRequest, ReadOnlySequence<byte>>.FromDescriptor(pathInfos, "Get", Of(GetPathInfoRequest.Parser), RawMarshaller.Instance);
        PutPathInfo = GrpcMethod<ReadOnlySequence<byte>, ReadOnlySequence<byte>>.FromDescriptor(pathInfos, "Put", RawMarshaller.Instance, RawMarshaller.Instance);
        CalculateNar = GrpcMethod<Node, CalculateNARResponse>.FromDescriptor(pathInfos, "CalculateNAR", Of(Node.Parser), Of(CalculateNARResponse.Parser));
        ListPathInfos = GrpcMethod<ListPathInfoRequest, ReadOnlySequence<byte>>.FromDescriptor(pathInfos, "List", Of(ListPathInfoRequest.Parser), RawMarshaller.Instance);
    }

    public static StoreMethods Tvix { get; } = new(
        Service(RpcBlobstoreReflection.Descriptor), Service(RpcDirectoryReflection.Descriptor), Service(RpcPathinfoReflection.Descriptor));

    public static StoreMethods Snix { get; } = new(Service(SnixBlobs.Descriptor), Service(SnixDirectories.Descriptor), Service(SnixPathInfos.Descriptor));

    public ServiceDescriptor Blobs { get; }

    public ServiceDescriptor Directories { get; }

    public ServiceDescriptor PathInfos { get; }

    public GrpcMethod<StatBlobRequest, StatBlobResponse> StatBlob { get; }

    public GrpcMethod<ReadBlobRequest, ReadOnlySequence<byte>> ReadBlob { get; }

    public GrpcMethod<ReadOnlySequence<byte>, PutBlobResponse> PutBlob { get; }

    /// <summary>The answers are messages of type <c>Directory</c>.</summary>
    public GrpcMethod<GetDirectoryRequest, ReadOnlySequence<byte>> GetDirectory { get; }

    /// <summary>The requests are messages of type <c>Directory</c>.</summary>
    public GrpcMethod<ReadOnlySequence<byte>, PutDirectoryResponse> PutDirectory { get; }

    /// <summary>The answer is a message of type <c>PathInfo</c>.</summary>
    public GrpcMethod<GetPathInfoRequest, ReadOnlySequence<byte>> GetPathInfo { get; }

    /// <summary>Both are messages of type <c>PathInfo</c>.</summary>
    public GrpcMethod<ReadOnlySequence<byte>, ReadOnlySequence<byte>> PutPathInfo { get; }

    public GrpcMethod<Node, CalculateNARResponse> CalculateNar { get; }

    /// <summary>The answers are messages of type <c>PathInfo</c>.</summary>
    public GrpcMethod<ListPathInfoRequest, ReadOnlySequence<byte>> ListPathInfos { get; }

    public static StoreMethods Of(GrpcPackage package) => package == GrpcPackage.Tvix ? Tvix : Snix;

    private static ServiceDescriptor Service(FileDescriptor file) => file.Services[0];

    private static ProtobufMarshaller<T> Of<T>(MessageParser<T> parser)
        where T : IMessage<T> => new(parser);
}
