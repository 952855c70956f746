using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Tvix.Store.Cli.Daemon;

/// <summary>The files of Unix sockets.</summary>
internal static partial class SocketFile
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int NoFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    private const uint TypeWanted = 1; // STATX_TYPE
    private const int ModeOffset = 28; // stx_mode
    private const int TypeMask = 0xf000; // S_IFMT
    private const int SocketType = 0xc000; // S_IFSOCK

    /// <summary>Makes a socket that is bound to a path but does not listen yet.</summary>
    /// <param name="address">Where.</param>
    /// <param name="mode">Who may connect, as the permissions of the file.</param>
    /// <param name="replace">Whether a socket that is there is removed first.</param>
    public static Socket Bind(ListenAddress.Unix address, UnixFileMode mode, bool replace)
    {
        if (replace && IsSocket(address.Path))
        {
            File.Delete(address.Path);
        }

        Socket socket = new(AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(address.EndPoint);

            // Until the socket listens, connecting is refused to everybody: nobody slips in before the mode is set.
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(address.Path, mode);
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool IsSocket(string path)
    {
        Span<byte> status = stackalloc byte[256];
        return OperatingSystem.IsLinux()
            && Statx(CurrentFolder, path, NoFollow, TypeWanted, ref MemoryMarshal.GetReference(status)) == 0
            && (MemoryMarshal.Read<ushort>(status[ModeOffset..]) & TypeMask) == SocketType;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, string path, int flags, uint mask, ref byte status);
}
