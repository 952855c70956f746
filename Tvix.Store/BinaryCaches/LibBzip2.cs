using System.Runtime.InteropServices;

namespace Tvix.Store.BinaryCaches;

/// <summary>Decoding with libbz2, version 1.0.</summary>
internal static unsafe partial class LibBzip2
{
    /// <summary>The results of calls.</summary>
    public enum Result
    {
        Ok = 0,
        StreamEnd = 4,
        SequenceError = -1,
        ParameterError = -2,
        MemoryError = -3,
        DataError = -4,
        MagicError = -5,
    }

    /// <summary>Whether the library is on this machine.</summary>
    public static bool IsAvailable { get; } = NativeLibraries.IsAvailable(NativeLibraries.Bzip2);

    public static Handle NewDecoder()
    {
        Handle handle = new();
        try
        {
            Start(handle);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Makes a decoder ready for another stream.</summary>
    public static void Restart(Handle handle)
    {
        _ = End(handle.Stream);
        *handle.Stream = default;
        Start(handle);
    }

    public static (Result Result, int Written) Decompress(Handle handle, ReadOnlySpan<byte> input, Span<byte> output, out int consumed)
    {
        ObjectDisposedException.ThrowIf(handle.IsClosed, handle);
        fixed (byte* source = input, destination = output)
        {
            StreamState* stream = handle.Stream;
            stream->NextIn = source;
            stream->AvailableIn = (uint)input.Length;
            stream->NextOut = destination;
            stream->AvailableOut = (uint)output.Length;
            Result result = Decompress(stream);
            consumed = input.Length - (int)stream->AvailableIn;
            int written = output.Length - (int)stream->AvailableOut;
            stream->NextIn = stream->NextOut = null;
            stream->AvailableIn = stream->AvailableOut = 0;
            return (result, written);
        }
    }

    private static void Start(Handle handle)
    {
        Result result = DecompressInit(handle.Stream, 0, 0);
        if (result != Result.Ok)
        {
            throw new InsufficientMemoryException($"libbz2 could not make a decoder ({result}).");
        }
    }

    [LibraryImport(NativeLibraries.Bzip2, EntryPoint = "BZ2_bzDecompressInit")]
    private static partial Result DecompressInit(StreamState* stream, int verbosity, int small);

    [LibraryImport(NativeLibraries.Bzip2, EntryPoint = "BZ2_bzDecompress")]
    private static partial Result Decompress(StreamState* stream);

    [LibraryImport(NativeLibraries.Bzip2, EntryPoint = "BZ2_bzDecompressEnd")]
    private static partial Result End(StreamState* stream);

    /// <summary><c>bz_stream</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct StreamState
    {
        public byte* NextIn;
        public uint AvailableIn;
        public uint TotalInLow;
        public uint TotalInHigh;
        public byte* NextOut;
        public uint AvailableOut;
        public uint TotalOutLow;
        public uint TotalOutHigh;
        public void* State;
        public void* Allocate;
        public void* Free;
        public void* Opaque;
    }

    /// <summary>A stream, which must not move.</summary>
    public sealed class Handle : SafeHandle
    {
        public Handle()
            : base(IntPtr.Zero, ownsHandle: true) => SetHandle((IntPtr)NativeMemory.AllocZeroed((nuint)sizeof(StreamState)));

        public override bool IsInvalid => handle == IntPtr.Zero;

        public StreamState* Stream => (StreamState*)handle;

        protected override bool ReleaseHandle()
        {
            _ = End(Stream);
            NativeMemory.Free(Stream);
            return true;
        }
    }
}
