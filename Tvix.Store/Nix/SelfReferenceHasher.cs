using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tvix.Store.Nix;

/// <summary>
/// Hashes a NAR whose contents refer to their own store path: modulo the path's hash, which is not part of what it is computed from.
/// </summary>
/// <remarks>
/// <para>Every occurrence of the path's 32 hash symbols counts as zero bytes, and after the NAR a bar and the decimal offset of each
/// occurrence are hashed. Without any occurrence the result is the plain SHA-256, so a checker may always use this.</para>
/// <para>Eight bytes of memory per occurrence, and a fixed buffer. Not safe for concurrent use.</para>
/// </remarks>
public sealed class SelfReferenceHasher : IDisposable
{
    private const int BufferSize = 16 * 1024;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _pattern;
    private readonly byte[] _buffer = new byte[BufferSize]; // begins with what may still be the start of an occurrence
    private readonly List<long> _offsets = [];
    private int _held;
    private long _hashed;

    /// <summary>Makes a hasher for the NAR of one path.</summary>
    /// <param name="digest">The hash part of the path that the contents refer to.</param>
    public SelfReferenceHasher(StorePathDigest digest) => _pattern = Encoding.ASCII.GetBytes(digest.ToString());

    /// <summary>The number of occurrences found so far.</summary>
    public int Occurrences => _offsets.Count;

    /// <summary>Takes the next bytes of the NAR. Pieces may be cut anywhere.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = Math.Min(bytes.Length, BufferSize - _held);
            bytes[..count].CopyTo(_buffer.AsSpan(_held));
            bytes = bytes[count..];
            Span<byte> window = _buffer.AsSpan(0, _held + count);
            int from = 0;
            for (int at; (at = window[from..].IndexOf(_pattern)) >= 0; from += at + _pattern.Length)
            {
                _offsets.Add(_hashed + from + at);
                window.Slice(from + at, _pattern.Length).Clear(); // zeros are no nixbase32, so they start no other occurrence
            }

            _held = Math.Min(window.Length, _pattern.Length - 1);
            int done = window.Length - _held;
            _hash.AppendData(window[..done]);
            _hashed += done;
            window[done..].CopyTo(_buffer);
        }
    }

    /// <summary>The digest of everything appended. The hasher then begins anew.</summary>
    public Sha256Digest GetDigestAndReset()
    {
        _hash.AppendData(_buffer.AsSpan(0, _held));
        foreach (long offset in _offsets)
        {
            _hash.AppendData(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"|{offset}")));
        }

        _offsets.Clear();
        _held = 0;
        _hashed = 0;
        return new Sha256Digest(_hash.GetHashAndReset());
    }

    /// <summary>Frees the hash state.</summary>
    public void Dispose() => _hash.Dispose();
}
