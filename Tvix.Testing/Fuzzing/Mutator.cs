using System.Buffers.Binary;

namespace Tvix.Testing.Fuzzing;

/// <summary>
/// Makes damaged inputs out of good ones, for tests that feed a parser with what nobody meant to write: flipped bits, bytes put in, taken
/// out or repeated, pieces of one input set into another, and numbers at the edges of their types.
/// </summary>
/// <remarks>
/// The same seed and the same calls give the same inputs on every machine, so a failure can be repeated from its seed and number. An
/// instance serves one thread.
/// </remarks>
public sealed class Mutator
{
    /// <summary>The greatest length of an input made here, in bytes, unless the constructor was told otherwise.</summary>
    public const int DefaultMaxLength = 1 << 16;

    private static readonly ulong[] InterestingNumbers =
    [
        0, 1, 7, 8, 0x10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff,
        0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_fff8, 0xffff_ffff_ffff_ffff,
    ];

    private readonly Random _random;
    private readonly byte[][] _corpus;
    private readonly byte[][] _tokens;
    private readonly int _maxLength;

    /// <summary>Makes a source of damaged inputs.</summary>
    /// <param name="seed">Decides everything that is random here.</param>
    /// <param name="corpus">Good inputs to start from; at least one. They are not changed.</param>
    /// <param name="tokens">Pieces that mean something to the parser (keywords, separators) and are worth putting in anywhere.</param>
    /// <param name="maxLength">The greatest length of an input, in bytes.</param>
    /// <exception cref="ArgumentException"><paramref name="corpus"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxLength"/> is not positive.</exception>
    public Mutator(int seed, IEnumerable<byte[]> corpus, IEnumerable<byte[]>? tokens = null, int maxLength = DefaultMaxLength)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxLength);
        _random = new Random(seed); // a seeded Random keeps its sequence across versions of .NET
        _corpus = [.. corpus];
        _tokens = [.. tokens ?? []];
        _maxLength = maxLength;
        if (_corpus.Length == 0)
        {
            throw new ArgumentException("There must be at least one input to start from.", nameof(corpus));
        }
    }

    /// <summary>The next input: one of the corpus with one to eight changes.</summary>
    /// <returns>A new array that the caller may keep.</returns>
    public byte[] Next()
    {
        List<byte> bytes = [.. Pick(_corpus)];
        int changes = 1 + _random.Next(_random.Next(1, 9)); // few changes more often than many
        for (int i = 0; i < changes; i++)
        {
            ChangeOnce(bytes);
        }

        if (bytes.Count > _maxLength)
        {
            bytes.RemoveRange(_maxLength, bytes.Count - _maxLength);
        }

        return [.. bytes];
    }

    private void ChangeOnce(List<byte> bytes)
    {
        switch (_random.Next(11))
        {
            case 0 when bytes.Count > 0: // flip a bit
                bytes[_random.Next(bytes.Count)] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when bytes.Count > 0: // another byte
                bytes[_random.Next(bytes.Count)] = (byte)_random.Next(256);
                break;
            case 2 when bytes.Count > 0: // a byte of the neighbourhood: off by one in a number, the next letter
                bytes[_random.Next(bytes.Count)] += (byte)(_random.Next(2) == 0 ? 1 : 255);
                break;
            case 3: // put bytes in
                byte[] fresh = new byte[1 + _random.Next(16)];
                _random.NextBytes(fresh);
                Insert(bytes, fresh);
                break;
            case 4 when bytes.Count > 0: // take bytes out
                (int from, int count) = Range(bytes.Count, 64);
                bytes.RemoveRange(from, count);
                break;
            case 5 when bytes.Count > 0: // repeat a piece somewhere
                (from, count) = Range(bytes.Count, 256);
                Insert(bytes, bytes.GetRange(from, count));
                break;
            case 6: // a piece of another input
                byte[] other = Pick(_corpus);
                if (other.Length > 0)
                {
                    (from, count) = Range(other.Length, other.Length);
                    Insert(bytes, other.AsSpan(from, count).ToArray());
                }

                break;
            case 7: // the head of this one, the tail of another
                other = Pick(_corpus);
                int head = _random.Next(bytes.Count + 1);
                bytes.RemoveRange(head, bytes.Count - head);
                bytes.AddRange(other.AsSpan(Math.Min(head, other.Length)).ToArray());
                break;
            case 8: // cut off
                head = _random.Next(bytes.Count + 1);
                bytes.RemoveRange(head, bytes.Count - head);
                break;
            case 9 when bytes.Count > 0: // an interesting number, in one of the sizes and byte orders
                WriteNumber(bytes);
                break;
            case 10 when _tokens.Length > 0: // something that means something
                Insert(bytes, Pick(_tokens));
                break;
            default:
                break; // not possible here; one change fewer
        }
    }

    private void WriteNumber(List<byte> bytes)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        ulong value = InterestingNumbers[_random.Next(InterestingNumbers.Length)];
        int size = 1 << _random.Next(4);
        BinaryPrimitives.WriteUInt64LittleEndian(number, value);
        number = number[..size];
        if (_random.Next(4) == 0)
        {
            number.Reverse();
        }

        int at = _random.Next(bytes.Count);
        for (int i = 0; i < size && at + i < bytes.Count; i++)
        {
            bytes[at + i] = number[i];
        }
    }

    private void Insert(List<byte> bytes, IReadOnlyCollection<byte> piece)
    {
        if (bytes.Count + piece.Count <= _maxLength)
        {
            bytes.InsertRange(_random.Next(bytes.Count + 1), piece);
        }
    }

    private (int From, int Count) Range(int length, int most)
    {
        int from = _random.Next(length);
        return (from, 1 + _random.Next(Math.Min(most, length - from)));
    }

    private byte[] Pick(byte[][] choices) => choices[_random.Next(choices.Length)];
}
