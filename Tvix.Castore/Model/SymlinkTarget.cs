using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tvix.Castore.Model;

/// <summary>
/// Where a symlink points: 1 to 4095 bytes without NUL, otherwise uninterpreted. It may be absolute, dangle, contain <c>..</c>, and need
/// not be valid UTF-8.
/// </summary>
/// <remarks><see langword="default"/> is the empty target, which is not valid anywhere; <see cref="IsDefault"/> tells.</remarks>
public readonly struct SymlinkTarget : IEquatable<SymlinkTarget>
{
    /// <summary>The greatest length of a target, in bytes.</summary>
    public const int MaxLength = 4095;

    private readonly byte[]? _bytes;

    private SymlinkTarget(byte[] validBytes) => _bytes = validBytes;

    /// <summary>Makes a target from its bytes, which are copied.</summary>
    /// <exception cref="ArgumentException"><paramref name="bytes"/> is no valid target; the message says why.</exception>
    public SymlinkTarget(ReadOnlySpan<byte> bytes)
    {
        SymlinkTargetError error = Validate(bytes);
        if (error != SymlinkTargetError.None)
        {
            throw new ArgumentException($"'{ByteText.Show(bytes)}' is not a valid symlink target: {Describe(error)}.", nameof(bytes));
        }

        _bytes = bytes.ToArray();
    }

    /// <summary>Makes a target from text, encoded as UTF-8.</summary>
    /// <exception cref="ArgumentException"><paramref name="text"/> is no valid target; the message says why.</exception>
    public SymlinkTarget(string text)
        : this(Encoding.UTF8.GetBytes(text ?? throw new ArgumentNullException(nameof(text))).AsSpan())
    {
    }

    /// <summary>Whether this is <see langword="default"/> and so no target at all.</summary>
    public bool IsDefault => _bytes is null;

    /// <summary>The bytes of the target.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The bytes of the target, for use across awaits.</summary>
    public ReadOnlyMemory<byte> Memory => _bytes;

    /// <summary>The length in bytes.</summary>
    public int Length => _bytes?.Length ?? 0;

    /// <summary>Says what, if anything, keeps <paramref name="bytes"/> from being a target.</summary>
    public static SymlinkTargetError Validate(ReadOnlySpan<byte> bytes) =>
        bytes.IsEmpty ? SymlinkTargetError.Empty
        : bytes.Length > MaxLength ? SymlinkTargetError.TooLong
        : bytes.Contains((byte)0) ? SymlinkTargetError.ContainsNull
        : SymlinkTargetError.None;

    /// <summary>Makes a target from its bytes; <see langword="false"/> when they are no valid target.</summary>
    public static bool TryCreate(ReadOnlySpan<byte> bytes, out SymlinkTarget target)
    {
        bool valid = Validate(bytes) == SymlinkTargetError.None;
        target = valid ? new SymlinkTarget(bytes.ToArray()) : default;
        return valid;
    }

    /// <summary>Takes over an array that the caller has validated and will not change.</summary>
    internal static SymlinkTarget FromValid(byte[] bytes) => new(bytes);

    internal static string Describe(SymlinkTargetError error) => error switch
    {
        SymlinkTargetError.Empty => "it is empty",
        SymlinkTargetError.TooLong => $"it is longer than {MaxLength} bytes",
        SymlinkTargetError.ContainsNull => "it contains a NUL byte",
        _ => "it is valid",
    };

    /// <summary>Whether the bytes are the same.</summary>
    public bool Equals(SymlinkTarget other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is SymlinkTarget other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.AddBytes(Bytes);
        return hash.ToHashCode();
    }

    /// <summary>The target for people: UTF-8, with escapes for what is not. Not a way to get the target back.</summary>
    public override string ToString() => ByteText.Show(Bytes);

    /// <summary>Whether two targets are the same bytes.</summary>
    public static bool operator ==(SymlinkTarget left, SymlinkTarget right) => left.Equals(right);

    /// <summary>Whether two targets differ.</summary>
    public static bool operator !=(SymlinkTarget left, SymlinkTarget right) => !left.Equals(right);
}
