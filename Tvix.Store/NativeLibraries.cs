using System.Reflection;
using System.Runtime.InteropServices;

namespace Tvix.Store;

/// <summary>
/// Finds the native libraries that this assembly imports from. An assembly can have only one resolver, so all of them are listed here.
/// </summary>
internal static class NativeLibraries
{
    /// <summary>OpenSSL's cryptography.</summary>
    public const string Crypto = "libcrypto";

    /// <summary>xz.</summary>
    public const string Lzma = "liblzma";

    /// <summary>bzip2.</summary>
    public const string Bzip2 = "libbz2";

    private static readonly Dictionary<string, string[]> FileNames = new()
    {
        [Crypto] =
        [
            "libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.3.dylib", "libcrypto.1.1.dylib",
            // where Homebrew puts it, which the loader does not search
            "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib", "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
            "libcrypto-3-x64.dll", "libcrypto-3-arm64.dll", "libcrypto-1_1-x64.dll",
        ],
        [Lzma] = ["liblzma.so.5", "liblzma.5.dylib", "/opt/homebrew/opt/xz/lib/liblzma.5.dylib", "/usr/local/opt/xz/lib/liblzma.5.dylib", "liblzma.dll"],
        [Bzip2] = ["libbz2.so.1.0", "libbz2.so.1", "libbz2.1.0.dylib", "libbz2.dylib", "libbz2.dll", "bz2.dll"],
    };

    private static readonly Lazy<bool> Registered = new(() =>
    {
        NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
        return true;
    });

    /// <summary>Whether the library is on this machine. To be called before the first import from it.</summary>
    public static bool IsAvailable(string library) => Registered.Value && TryLoad(library, out _);

    private static IntPtr Resolve(string library, Assembly assembly, DllImportSearchPath? searchPath) =>
        TryLoad(library, out IntPtr handle) ? handle : IntPtr.Zero; // zero: the runtime looks by its own rules

    private static bool TryLoad(string library, out IntPtr handle)
    {
        handle = IntPtr.Zero;
        if (FileNames.TryGetValue(library, out string[]? names))
        {
            foreach (string name in names)
            {
                if (NativeLibrary.TryLoad(name, typeof(NativeLibraries).Assembly, DllImportSearchPath.SafeDirectories, out handle))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
