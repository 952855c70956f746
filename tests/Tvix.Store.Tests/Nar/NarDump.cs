using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Tvix.Store.Nar;

namespace Tvix.Store.Tests.Nar;

/// <summary>What a reader reports, as text.</summary>
internal static class NarDump
{
    /// <summary>Reads an archive to its end.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="how">0 skips contents, 1 takes slices, 2 copies, 3 uses the stream.</param>
    public static async Task<string> ReadAsync(NarReader reader, int how = 1)
    {
        StringBuilder text = new();
        while (await reader.ReadAsync())
        {
            string name = Encoding.Latin1.GetString(reader.NameBytes);
            text.Append(new string(' ', reader.Depth)).Append(name);
            switch (reader.TokenType)
            {
                case NarTokenType.File:
                    long offset = reader.ContentsOffset;
                    text.Append(reader.IsExecutable ? " x " : " f ").Append(reader.Size).Append('@').Append(offset);
                    byte[]? contents = how switch
                    {
                        1 => await ReadSlicesAsync(reader),
                        2 => await ReadCopiesAsync(reader),
                        3 => await ReadStreamAsync(reader),
                        _ => null,
                    };
                    text.Append(contents is null ? "" : ' ' + Convert.ToHexString(contents));
                    break;
                case NarTokenType.Symlink:
                    text.Append(" -> ").Append(Encoding.Latin1.GetString(reader.Target.Bytes));
                    break;
                default:
                    text.Append(' ').Append(reader.TokenType);
                    break;
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    public static async Task<string> ReadAsync(byte[] nar, int how = 1)
    {
        await using NarReader reader = new(new MemoryStream(nar));
        return await ReadAsync(reader, how);
    }

    /// <summary>A pipe that gives out bytes in segments of random length.</summary>
    public static PipeReader Pipe(byte[] bytes, int seed, int maxPiece)
    {
        Random random = new(seed);
        Segment first = new(ReadOnlyMemory<byte>.Empty, null);
        Segment last = first;
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(random.Next(0, maxPiece + 1), bytes.Length - at);
            last = new Segment(bytes.AsMemory(at, length), last);
            at += length;
        }

        return PipeReader.Create(new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length));
    }

    private static async Task<byte[]> ReadSlicesAsync(NarReader reader)
    {
        ArrayBufferWriter<byte> all = new();
        while (await reader.ReadContentsAsync() is { IsEmpty: false } slice)
        {
            all.Write(slice.Span);
        }

        return all.WrittenSpan.ToArray();
    }

    private static async Task<byte[]> ReadCopiesAsync(NarReader reader)
    {
        ArrayBufferWriter<byte> all = new();
        Random random = new((int)reader.ContentsOffset);
        for (int read; (read = await reader.ReadContentsAsync(all.GetMemory(40_000)[..random.Next(1, 40_000)])) > 0;)
        {
            all.Advance(read);
        }

        return all.WrittenSpan.ToArray();
    }

    private static async Task<byte[]> ReadStreamAsync(NarReader reader)
    {
        MemoryStream all = new();
        await reader.OpenContents().CopyToAsync(all);
        return all.ToArray();
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is not null)
            {
                RunningIndex = before.RunningIndex + before.Memory.Length;
                before.Next = this;
            }
        }
    }
}
