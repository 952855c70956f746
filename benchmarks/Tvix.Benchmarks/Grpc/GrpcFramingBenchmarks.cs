using System.Buffers;
using BenchmarkDotNet.Attributes;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;

namespace Tvix.Benchmarks.Grpc;

/// <summary>Pieces of blobs into frames of a body, and out of them.</summary>
[MemoryDiagnoser]
public class GrpcFramingBenchmarks
{
    private const int MaxMessageSize = 4 << 20;

    private readonly PooledBuffer _frame = new();
    private ReadOnlySequence<byte> _piece;
    private MemoryStream _body = null!;
    private ReadOnlySequence<byte> _message;

    [Params(1 << 10, 256 << 10)]
    public int PieceBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        byte[] piece = new byte[PieceBytes];
        Random.Shared.NextBytes(piece);
        _piece = new ReadOnlySequence<byte>(piece);
        Write();
        _body = new MemoryStream(_frame.WrittenMemory.ToArray());
        _message = new ReadOnlySequence<byte>(_body.ToArray()).Slice(GrpcFrame.HeaderSize);
        if (!Unmarshal().Equals(PieceBytes))
        {
            throw new InvalidOperationException("A frame is not read as it was written.");
        }
    }

    /// <summary>With the message's own head; the bytes are copied once.</summary>
    [Benchmark]
    public int Write()
    {
        _frame.Clear();
        GrpcFrame.Write(BlobPieceMarshaller.Instance, _piece, _frame, compress: false, MaxMessageSize);
        return _frame.WrittenCount;
    }

    /// <summary>As a client reads a body that is all there.</summary>
    [Benchmark]
    public async Task<long> ReadAsync()
    {
        _body.Position = 0;
        using GrpcStreamFrameReader reader = new(_body, MaxMessageSize, isGzip: false);
        return (await reader.ReadAsync(CancellationToken.None))!.Value.Length;
    }

    /// <summary>The bytes of the piece, which are not copied.</summary>
    [Benchmark]
    public long Unmarshal() => BlobPieceMarshaller.Instance.Read(_message).Length;
}
