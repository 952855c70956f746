using Tvix.Castore.Model;

namespace Tvix.Castore.Import;

/// <summary>The contents of a file whose digest is known once its batch is stored. Hard links share it.</summary>
internal sealed class FileContent(ulong size)
{
    public ulong Size { get; } = size;

    public B3Digest Digest { get; set; }
}
