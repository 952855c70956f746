using System.Buffers;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Cli.Tests.Daemon;

/// <summary>Calls to a daemon, with messages as bytes.</summary>
internal static class StoreCalls
{
    public static GrpcMethod<byte[], byte[]> PutBlob { get; } =
        new("tvix.castore.v1.BlobService", "Put", Bytes.Instance, Bytes.Instance) { IsClientStreaming = true };

    public static GrpcMethod<byte[], byte[]> StatBlob { get; } = new("tvix.castore.v1.BlobService", "Stat", Bytes.Instance, Bytes.Instance);

    public static GrpcMethod<byte[], byte[]> Check { get; } = new("grpc.health.v1.Health", "Check", Bytes.Instance, Bytes.Instance);

    public static GrpcMethod<byte[], byte[]> Watch { get; } = new("grpc.health.v1.Health", "Watch", Bytes.Instance, Bytes.Instance) { IsServerStreaming = true };

    /// <summary>Stores a blob of some bytes.</summary>
    /// <returns>Its digest.</returns>
    public static async Task<byte[]> PutAsync(GrpcChannel channel, byte[] contents)
    {
        await using IGrpcCall<byte[], byte[]> call = channel.Start(PutBlob);
        await call.WriteAsync(Field(contents));
        return await FinishAsync(call);
    }

    /// <summary>Starts to store a blob, and waits until the daemon takes it.</summary>
    public static async Task<IGrpcCall<byte[], byte[]>> StartPutAsync(GrpcChannel channel)
    {
        IGrpcCall<byte[], byte[]> call = channel.Start(PutBlob);

        // More than is sent ahead: when all of it has been written, somebody reads it.
        for (int i = 0; i < 8; i++)
        {
            await call.WriteAsync([10, 0x80, 0x80, 0x40, .. new byte[1 << 20]]);
        }

        return call;
    }

    /// <summary>Ends the upload.</summary>
    /// <returns>The digest.</returns>
    public static async Task<byte[]> FinishAsync(IGrpcCall<byte[], byte[]> call)
    {
        await call.CompleteAsync();
        await call.MoveNextAsync();
        byte[] digest = call.Current[2..];
        await call.MoveNextAsync(); // to the end, or else disposing the call would cancel it
        return digest;
    }

    public static Task<GrpcStatusCode> StatAsync(GrpcChannel channel, byte[] digest) => StatusAsync(channel, StatBlob, Field(digest));

    /// <summary>How a call ends.</summary>
    public static async Task<GrpcStatusCode> StatusAsync(GrpcChannel channel, GrpcMethod<byte[], byte[]> method, byte[] request, GrpcMetadata? headers = null)
    {
        try
        {
            await channel.UnaryAsync(method, request, answer => answer, new GrpcCallOptions(headers));
            return GrpcStatusCode.Ok;
        }
        catch (GrpcException e)
        {
            return e.StatusCode;
        }
    }

    /// <summary>A message whose first field has these bytes, fewer than 128.</summary>
    public static byte[] Field(byte[] bytes) => [10, checked((byte)bytes.Length), .. bytes];

    private sealed class Bytes : GrpcMarshaller<byte[]>
    {
        public static readonly Bytes Instance = new();

        public override int GetSize(byte[] message) => message.Length;

        public override void Write(byte[] message, IBufferWriter<byte> destination) => destination.Write(message);

        public override byte[] Read(in ReadOnlySequence<byte> bytes) => bytes.ToArray();
    }
}
