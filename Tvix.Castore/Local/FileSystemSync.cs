using System.Runtime.InteropServices;
using Tvix.Castore.Interop;

namespace Tvix.Castore.Local;

/// <summary>Makes new names in a folder durable, which on Unix takes a flush of the folder itself.</summary>
internal static class FileSystemSync
{
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // there a file's name is written with the file
        }

        int descriptor = LibC.Open(folder, LibC.ReadOnly);
        if (descriptor < 0)
        {
            throw new IOException($"Opening the folder '{folder}' failed: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        try
        {
            if (LibC.Fsync(descriptor) != 0)
            {
                throw new IOException($"Flushing the folder '{folder}' failed: {Marshal.GetLastPInvokeErrorMessage()}.");
            }
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }
}
