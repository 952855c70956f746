using Tvix.Castore.Import;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Import;

/// <summary>Writes down what it is told, and does something at a file of a certain size.</summary>
internal sealed class ScriptedSink(ulong size = ulong.MaxValue, Action? action = null) : ITreeSink
{
    public List<string> Calls { get; } = [];

    public void BeginDirectory() => Calls.Add("(");

    public void Name(PathComponent name) => Calls.Add(name.ToString());

    public void EndDirectory() => Calls.Add(")");

    public void BeginFile(ulong length, bool executable)
    {
        Calls.Add($"{length}{(executable ? "*" : "")}");
        if (length == size)
        {
            action?.Invoke();
        }
    }

    public void Contents(ReadOnlySpan<byte> bytes) => Length += bytes.Length;

    public long Length { get; private set; }

    public void EndFile() => Calls.Add(".");

    public void Symlink(SymlinkTarget target) => Calls.Add($"->{target}");
}
