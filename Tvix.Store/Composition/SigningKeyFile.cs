using Tvix.Store.NarInfos;

namespace Tvix.Store.Composition;

/// <summary>The file that a signing service takes its key from, as options of the service's name.</summary>
internal sealed class SigningKeyFile
{
    private readonly Lazy<SigningKey> _key;

    public SigningKeyFile() => _key = new Lazy<SigningKey>(() => SigningKey.Parse(File.ReadAllText(Path)));

    /// <summary>The path of the file.</summary>
    public string Path { get; set; } = "";

    /// <summary>The key, read when it is first asked for.</summary>
    public SigningKey Key => _key.Value;
}
