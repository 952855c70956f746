namespace Tvix.Castore.References;

/// <summary>Finds all of some distinct byte strings in contents that come in pieces.</summary>
internal abstract class ReferenceSearcher
{
    /// <summary>Makes what must be remembered between the pieces of one file.</summary>
    public abstract Progress Start();

    /// <summary>Searches one buffer on its own; sets the flags of what it holds and touches no others.</summary>
    public abstract void Scan(ReadOnlySpan<byte> buffer, bool[] found);

    /// <summary>What must be remembered between the pieces of one file.</summary>
    public abstract class Progress
    {
        /// <summary>Searches the next piece, and across the border to the one before.</summary>
        public abstract void Append(ReadOnlySpan<byte> piece, bool[] found);

        /// <summary>Forgets the piece before.</summary>
        public abstract void Reset();
    }
}
