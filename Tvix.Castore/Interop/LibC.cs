using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tvix.Castore.Interop;

/// <summary>
/// The calls of the C library that .NET does not offer: those relative to an open folder, and with names that need not be UTF-8. Linux only, except where noted.
/// </summary>
/// <remarks>Every method returns what the call returns; <see cref="LastError"/> tells why it failed.</remarks>
internal static unsafe partial class LibC
{
    public const int CurrentFolder = -100; // AT_FDCWD
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000; // O_PATH: opens nothing but the name, for which no permission on the file is needed
    public const int RemoveFolder = 0x200; // AT_REMOVEDIR
    public const int FollowLink = 0x400; // AT_SYMLINK_FOLLOW

    public const int ErrorNotFound = 2;
    public const int ErrorInterrupted = 4;
    public const int ErrorExists = 17;
    public const int ErrorTooManyNames = 31; // EMLINK: a file that has as many names as the file system allows
    public const int ErrorTooManyLinks = 40; // ELOOP: a link where O_NOFOLLOW forbids one

    private const int SetSignal = 10; // F_SETSIG
    private const int SetLease = 1024; // F_SETLEASE
    private const int ReadLease = 0; // F_RDLCK
    private const int NoLease = 2; // F_UNLCK
    private const int UrgentSignal = 23; // SIGURG, which is ignored unless a process asks for it

    private const int SymlinkNoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const int CurrentTime = (1 << 30) - 1; // UTIME_NOW
    private const int OmitTime = (1 << 30) - 2; // UTIME_OMIT
    private const uint BasicStats = 0x7ff;
    private const nuint CloneRequest = 0x40049409; // FICLONE
    private const int StatusOfFileSystemSize = 256; // struct statfs has 120 at most

    // Two flags of open(2) are numbered differently on ARM.
    private static readonly bool s_arm = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64;

    public static int Directory => s_arm ? 0x4000 : 0x10000;

    public static int NoFollow => s_arm ? 0x8000 : 0x20000;

    /// <summary>O_TMPFILE: a new file that has no name, in the file system of the folder that is opened.</summary>
    public static int Nameless => 0x400000 | Directory;

    public static int LastError => Marshal.GetLastPInvokeError();

    public static IOException ErrorOf(int code) => new(Marshal.GetPInvokeErrorMessage(code), code);

    public static void ThrowIfNotLinux()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Importing and exporting trees on disk with their exact names and modes is implemented for Linux.");
        }
    }

    /// <summary>Opens a name relative to a folder. The name ends with a NUL byte.</summary>
    public static int OpenAt(int folder, ReadOnlySpan<byte> name, int flags, uint mode = 0)
    {
        fixed (byte* p = name)
        {
            return OpenAt(folder, p, flags | CloseOnExec, mode);
        }
    }

    public static nint Read(int file, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint count;
            do
            {
                count = Read(file, p, (nuint)buffer.Length);
            }
            while (count < 0 && LastError == ErrorInterrupted);
            return count;
        }
    }

    public static nint Write(int file, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint count;
            do
            {
                count = Write(file, p, (nuint)buffer.Length);
            }
            while (count < 0 && LastError == ErrorInterrupted);
            return count;
        }
    }

    /// <summary>Writes at an offset, wherever the file's own position is.</summary>
    public static nint WriteAt(int file, ReadOnlySpan<byte> buffer, long offset)
    {
        fixed (byte* p = buffer)
        {
            nint count;
            do
            {
                count = WriteAt(file, p, (nuint)buffer.Length, offset);
            }
            while (count < 0 && LastError == ErrorInterrupted);
            return count;
        }
    }

    /// <summary>Reads entries of an open folder, as <c>struct linux_dirent64</c>.</summary>
    public static nint ReadEntries(int folder, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            return GetDirectoryEntries(folder, p, (nuint)buffer.Length);
        }
    }

    /// <summary>What a name relative to a folder stands for; links are not followed. The name ends with a NUL byte.</summary>
    public static int StatAt(int folder, ReadOnlySpan<byte> name, out FileStatus status)
    {
        fixed (byte* p = name)
        {
            return Statx(folder, p, SymlinkNoFollow, BasicStats, out status);
        }
    }

    /// <summary>What an open file is.</summary>
    public static int Stat(int file, out FileStatus status)
    {
        fixed (byte* empty = "\0"u8)
        {
            return Statx(file, empty, EmptyPath, BasicStats, out status);
        }
    }

    /// <summary>
    /// Whether nobody can write to an open file at this moment: nobody has it open for writing, or mapped. Also <see langword="false"/> where that cannot be known: on a file of
    /// another user, without the capability <c>CAP_LEASE</c>, and on file systems without leases.
    /// </summary>
    /// <param name="file">The file, open for reading only.</param>
    public static bool HasNoWriter(int file)
    {
        // A lease for reading is refused as long as there is a writer. Who opens the file for writing while there is a lease waits until it is given back, which is right away, and
        // its holder gets a signal. That would be SIGIO, which ends a process.
        return Control(file, SetSignal, UrgentSignal) == 0 && Control(file, SetLease, ReadLease) == 0 && Control(file, SetLease, NoLease) == 0;
    }

    /// <summary>What file system an open file is on; one of kind 0 when the system does not tell.</summary>
    public static FileSystem FileSystemOf(int file)
    {
        byte* status = stackalloc byte[StatusOfFileSystemSize];
        if (StatFileSystem(file, status) != 0)
        {
            return default;
        }

        // struct statfs: the kind, six more words, the 8 bytes of the identifier, two words, the flags.
        byte* identifier = status + (7 * sizeof(nuint));
        byte* flags = identifier + sizeof(ulong) + (2 * sizeof(nuint));
        return new FileSystem((uint)*(nuint*)status, Unsafe.ReadUnaligned<ulong>(identifier), *(nuint*)flags);
    }

    public static nint ReadLinkAt(int folder, ReadOnlySpan<byte> name, Span<byte> buffer)
    {
        fixed (byte* n = name)
        fixed (byte* b = buffer)
        {
            return ReadLinkAt(folder, n, b, (nuint)buffer.Length);
        }
    }

    public static int MakeDirectoryAt(int folder, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* p = name)
        {
            return MakeDirectoryAt(folder, p, mode);
        }
    }

    public static int SymlinkAt(ReadOnlySpan<byte> target, int folder, ReadOnlySpan<byte> name)
    {
        fixed (byte* t = target)
        fixed (byte* n = name)
        {
            return SymlinkAt(t, folder, n);
        }
    }

    public static int UnlinkAt(int folder, ReadOnlySpan<byte> name, int flags)
    {
        fixed (byte* p = name)
        {
            return UnlinkAt(folder, p, flags);
        }
    }

    /// <summary>Gives a file another name. A link is not followed, unless the flags say so. Both names end with a NUL byte.</summary>
    public static int LinkAt(int folder, ReadOnlySpan<byte> name, int newFolder, ReadOnlySpan<byte> newName, int flags = 0)
    {
        fixed (byte* o = name)
        fixed (byte* n = newName)
        {
            return LinkAt(folder, o, newFolder, n, flags);
        }
    }

    /// <summary>Lets an empty file have the contents of another, in the same blocks of the disk until one of them is written to. Both are open, for writing and for reading.</summary>
    public static int Clone(int file, int from) => Control(file, CloneRequest, from);

    /// <summary>Sets when the contents of an open file were changed, in whole seconds since 1970; <see langword="null"/> is now.</summary>
    public static int SetModifyTime(int file, long? seconds)
    {
        TimeSpec* times = stackalloc TimeSpec[]
        {
            new TimeSpec { Nanoseconds = OmitTime },
            seconds is { } s ? new TimeSpec { Seconds = (nint)s } : new TimeSpec { Nanoseconds = CurrentTime },
        };
        return SetTimes(file, times);
    }

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int ChangeMode(int file, uint mode);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial uint GetEffectiveUserId();

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Close(int file);

    /// <summary>Also on macOS.</summary>
    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Fsync(int file);

    /// <summary>Also on macOS.</summary>
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenAt(int folder, byte* name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Read(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Write(int file, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "pwrite64", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint WriteAt(int file, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int LinkAt(int folder, byte* name, int newFolder, byte* newName, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int file, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetTimes(int file, TimeSpec* times);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint GetDirectoryEntries(int folder, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, byte* name, int flags, uint mask, out FileStatus status);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int StatFileSystem(int file, byte* status);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Control(int file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint ReadLinkAt(int folder, byte* name, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MakeDirectoryAt(int folder, byte* name, uint mode);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SymlinkAt(byte* target, int folder, byte* name);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int UnlinkAt(int folder, byte* name, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    /// <summary><c>struct statx</c>, which has the same layout on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        [FieldOffset(20)]
        public readonly uint UserId;

        [FieldOffset(28)]
        private readonly ushort _mode;

        [FieldOffset(32)]
        public readonly ulong Inode;

        [FieldOffset(40)]
        public readonly ulong Length;

        [FieldOffset(96)]
        private readonly long _changeSeconds;

        [FieldOffset(104)]
        private readonly uint _changeNanoseconds;

        [FieldOffset(112)]
        private readonly long _modifySeconds;

        [FieldOffset(120)]
        private readonly uint _modifyNanoseconds;

        [FieldOffset(136)]
        private readonly uint _deviceMajor;

        [FieldOffset(140)]
        private readonly uint _deviceMinor;

        /// <summary>The device, as one number.</summary>
        public readonly ulong Device => ((ulong)_deviceMajor << 32) | _deviceMinor;

        public readonly FileTime Modified => new(_modifySeconds, _modifyNanoseconds);

        public readonly FileTime Changed => new(_changeSeconds, _changeNanoseconds);

        public readonly FileType Type => (FileType)(_mode >> 12);

        /// <summary>The twelve bits below the type.</summary>
        public readonly uint Permissions => _mode & 0xfffu;

        /// <summary>Whether the contents were changed last at a second since 1970, exactly.</summary>
        public readonly bool IsModifiedAt(long seconds) => _modifySeconds == seconds && _modifyNanoseconds == 0;

        /// <summary>Whether the owner may execute it.</summary>
        public readonly bool IsExecutable => (_mode & 0x40) != 0;

        public readonly bool IsSameFile(in FileStatus other) =>
            Inode == other.Inode && _deviceMajor == other._deviceMajor && _deviceMinor == other._deviceMinor;

        /// <summary>Whether nothing was done to the contents or the inode in between.</summary>
        public readonly bool IsUnchanged(in FileStatus later) =>
            Length == later.Length && _mode == later._mode
            && _modifySeconds == later._modifySeconds && _modifyNanoseconds == later._modifyNanoseconds
            && _changeSeconds == later._changeSeconds && _changeNanoseconds == later._changeNanoseconds;
    }

    /// <summary>A file system, as <c>struct statfs</c> tells of it.</summary>
    /// <param name="Kind">The number of its kind.</param>
    /// <param name="Identifier">What tells it from others; not every kind of file system has more to say than the number of the device.</param>
    /// <param name="Flags">How it is mounted.</param>
    public readonly record struct FileSystem(uint Kind, ulong Identifier, nuint Flags)
    {
        private const uint ReadOnlyFlag = 0x1; // ST_RDONLY
        private const uint ValidFlag = 0x20; // ST_VALID: there are flags at all

        /// <summary>Whether it is certain that it is not mounted read-only.</summary>
        public bool IsWritable => (Flags & (ValidFlag | ReadOnlyFlag)) == ValidFlag;
    }

    /// <summary>A time of a file: seconds since 1970, and nanoseconds.</summary>
    public readonly record struct FileTime(long Seconds, uint Nanoseconds);

    /// <summary>The type bits of a mode, which are also those of a folder's entry.</summary>
    public enum FileType
    {
        Unknown = 0,
        Folder = 4,
        Regular = 8,
        Symlink = 10,
    }
}
