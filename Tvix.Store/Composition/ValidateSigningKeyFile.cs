using Microsoft.Extensions.Options;

namespace Tvix.Store.Composition;

/// <summary>Reads the key when the host starts.</summary>
internal sealed class ValidateSigningKeyFile : IValidateOptions<SigningKeyFile>
{
    public ValidateOptionsResult Validate(string? name, SigningKeyFile options)
    {
        try
        {
            _ = options.Key;
            return ValidateOptionsResult.Success;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or PlatformNotSupportedException)
        {
            return ValidateOptionsResult.Fail($"The path info service '{name}' cannot sign with the key file '{options.Path}': {e.Message}");
        }
    }
}
