using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>Names as the system takes them.</summary>
internal static class ExportNames
{
    /// <summary>Copies a name with a NUL byte after it, and returns that part of the buffer.</summary>
    public static Span<byte> WriteTerminated(this PathComponent name, Span<byte> buffer)
    {
        name.Bytes.CopyTo(buffer);
        buffer[name.Length] = 0;
        return buffer[..(name.Length + 1)];
    }
}
