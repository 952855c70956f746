using System.IO.Pipelines;

namespace Tvix.Store.Nar;

/// <summary>Where a <see cref="NarReader"/> gets its bytes: a contiguous window on the input that grows on demand.</summary>
/// <param name="tap">
/// Receives every byte that was consumed, in order, at the latest when the source is finished; <see langword="null"/> for none.
/// </param>
internal abstract class NarSource(PipeWriter? tap)
{
    /// <summary>The most bytes that <see cref="EnsureAsync"/> can be asked for.</summary>
    public const int MaxWindow = 8192;

    /// <summary>
    /// The bytes that come next, as far as they are here. Valid until the next call of a method other than <see cref="Consume"/>.
    /// </summary>
    public ReadOnlyMemory<byte> Window { get; protected set; }

    protected PipeWriter? Tap { get; } = tap;

    /// <summary>Steps over bytes of the window.</summary>
    public void Consume(int count) => Window = Window[count..];

    /// <summary>Makes the window at least <paramref name="count"/> bytes long.</summary>
    /// <param name="count">At most <see cref="MaxWindow"/>.</param>
    /// <param name="available">
    /// How many bytes may be taken from the input, those of the window included: what surely belongs to the archive.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns><see langword="false"/> when the input ends before that; the window then has all that is left.</returns>
    public abstract ValueTask<bool> EnsureAsync(int count, long available, CancellationToken cancellationToken);

    /// <summary>
    /// Consumes bytes straight into the caller's memory; the window must be empty. Gives -1 when this source has no way to do that better
    /// than through the window, 0 at the end of input.
    /// </summary>
    public virtual ValueTask<int> ReadDirectAsync(Memory<byte> destination, CancellationToken cancellationToken) => new(-1);

    /// <summary>Lets go of what was consumed. What was not consumed stays with the input where the input can take it.</summary>
    public abstract ValueTask FinishAsync(CancellationToken cancellationToken);

    /// <summary>Gives back memory, and completes the input unless it is to be left open.</summary>
    public abstract ValueTask DisposeAsync(bool leaveOpen);
}
