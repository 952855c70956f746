using System.Runtime.InteropServices;

namespace Tvix.Store.BinaryCaches;

/// <summary>Decoding and encoding with liblzma, version 5.</summary>
internal static unsafe partial class LibLzma
{
    private const uint Concatenated = 0x08;
    private const int Crc64 = 4;
    private const int Run = 0;
    private const int Finish = 3;

    /// <summary>The values of <c>lzma_ret</c>.</summary>
    public enum Result
    {
        Ok = 0,
        StreamEnd = 1,
        NoCheck = 2,
        UnsupportedCheck = 3,
        GetCheck = 4,
        MemoryError = 5,
        MemoryLimit = 6,
        FormatError = 7,
        OptionsError = 8,
        DataError = 9,
        BufferError = 10,
        ProgramError = 11,
    }

    /// <summary>Whether the library is on this machine.</summary>
    public static bool IsAvailable { get; } = NativeLibraries.IsAvailable(NativeLibraries.Lzma);

    public static Handle NewStreamDecoder(ulong memoryLimit)
    {
        Handle handle = new();
        Result result = StreamDecoder(handle.Stream, memoryLimit, Concatenated);
        if (result == Result.Ok)
        {
            return handle;
        }

        handle.Dispose();
        throw new InsufficientMemoryException($"liblzma could not make a decoder ({result}).");
    }

    public static Handle NewEncoder(uint level)
    {
        Handle handle = new();
        Result result = EasyEncoder(handle.Stream, level, Crc64);
        if (result == Result.Ok)
        {
            return handle;
        }

        handle.Dispose();
        throw new InsufficientMemoryException($"liblzma could not make an encoder ({result}).");
    }

    public static (Result Result, int Written) Code(Handle handle, ReadOnlySpan<byte> input, bool isLast, Span<byte> output, out int consumed)
    {
        ObjectDisposedException.ThrowIf(handle.IsClosed, handle);
        fixed (byte* source = input, destination = output)
        {
            StreamState* stream = handle.Stream;
            stream->NextIn = source;
            stream->AvailableIn = (nuint)input.Length;
            stream->NextOut = destination;
            stream->AvailableOut = (nuint)output.Length;
            Result result = Code(stream, isLast ? Finish : Run);
            consumed = input.Length - (int)stream->AvailableIn;
            int written = output.Length - (int)stream->AvailableOut;
            stream->NextIn = stream->NextOut = null;
            stream->AvailableIn = stream->AvailableOut = 0;
            return (result, written);
        }
    }

    [LibraryImport(NativeLibraries.Lzma, EntryPoint = "lzma_stream_decoder")]
    private static partial Result StreamDecoder(StreamState* stream, ulong memoryLimit, uint flags);

    [LibraryImport(NativeLibraries.Lzma, EntryPoint = "lzma_easy_encoder")]
    private static partial Result EasyEncoder(StreamState* stream, uint level, int check);

    [LibraryImport(NativeLibraries.Lzma, EntryPoint = "lzma_code")]
    private static partial Result Code(StreamState* stream, int action);

    [LibraryImport(NativeLibraries.Lzma, EntryPoint = "lzma_end")]
    private static partial void End(StreamState* stream);

    /// <summary><c>lzma_stream</c>. All zero is its initial state.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct StreamState
    {
        public byte* NextIn;
        public nuint AvailableIn;
        public ulong TotalIn;
        public byte* NextOut;
        public nuint AvailableOut;
        public ulong TotalOut;
        public void* Allocator;
        public void* Internal;
        public void* ReservedPointer1;
        public void* ReservedPointer2;
        public void* ReservedPointer3;
        public void* ReservedPointer4;
        public ulong SeekPosition;
        public ulong ReservedInteger2;
        public nuint ReservedInteger3;
        public nuint ReservedInteger4;
        public int ReservedEnum1;
        public int ReservedEnum2;
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
            End(Stream);
            NativeMemory.Free(Stream);
            return true;
        }
    }
}
