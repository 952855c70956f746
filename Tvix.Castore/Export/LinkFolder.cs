using System.Buffers;
using System.Text;
using Tvix.Castore.Blake3;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <summary>A folder that keeps each distinct file once, to make hard links to it or clones of it.</summary>
/// <remarks>
/// <para>A file is at <c>ab/cdef…</c>, the hexadecimal digits of its digest, with <c>-x</c> after them if it is executable. Nothing in the folder is ever written to: a file is written where it
/// is exported to, and linked to from here when it is complete. So there are no temporary names, and a process that is killed leaves nothing behind. With reflinks, it is a clone of that file
/// which is linked to: it has no other name, and no name at all until it is complete.</para>
/// <para>That nobody wrote to a file since is seen by its time, which is one that no clock shows, and which writing changes.</para>
/// </remarks>
internal sealed partial class LinkFolder : IDisposable
{
    private const uint FileMode = 0x124; // 0444
    private const uint ExecutableMode = 0x16d; // 0555
    private const uint ShardMode = 0x1c0; // 0700
    private const uint WritableByOthers = 0x12; // 0022
    private const long MarkSeconds = 1; // as in a Nix store
    private const int CheckBufferSize = 128 << 10;
    private const int ShardLength = 3; // with the slash
    private const int MaxEntryLength = (2 * B3Digest.Size) + 4; // with the slash, the suffix and the NUL

    private readonly int _folder;
    private readonly LinkKind _kind;
    private readonly bool _check;
    private readonly uint _user = LibC.GetEffectiveUserId();
    private string? _failure;

    private LinkFolder(int folder, LinkKind kind, bool check)
    {
        _folder = folder;
        _kind = kind;
        _check = check;
    }

    /// <summary>Why links turned out not to be possible; <see langword="null"/> as long as they are.</summary>
    public string? Failure => Volatile.Read(ref _failure);

    /// <summary>Opens the folder; makes it if it is not there.</summary>
    /// <exception cref="ExportException">That is not possible, or others may change what is in it.</exception>
    public static LinkFolder Open(string path, LinkKind kind, bool check)
    {
        byte[] name = [.. Encoding.UTF8.GetBytes(Path.GetFullPath(path)), 0];
        if (LibC.MakeDirectoryAt(LibC.CurrentFolder, name, ShardMode) != 0 && LibC.LastError != LibC.ErrorExists)
        {
            throw Error(path, "cannot be made");
        }

        int folder = LibC.OpenAt(LibC.CurrentFolder, name, LibC.ReadOnly | LibC.Directory);
        if (folder < 0)
        {
            throw Error(path, "cannot be opened");
        }

        LinkFolder links = new(folder, kind, check);
        if (LibC.Stat(folder, out LibC.FileStatus status) != 0 || status.UserId != links._user || (status.Permissions & WritableByOthers) != 0)
        {
            links.Dispose();
            throw new ExportException(default, $"the folder for links '{path}' belongs to another user, or others may write to it");
        }

        return links;
    }

    /// <summary>Makes a link to the file with these contents, or a clone of it; <see langword="false"/> when there is no such file that is as it should be, or links are not possible.</summary>
    /// <exception cref="ExportException">The file at hand cannot be taken back, although it is not as it should be; or a clone cannot be made where it goes.</exception>
    public bool TryLink(Node.File file, ExportFolder folder, PathComponent name)
    {
        if (Failure is not null)
        {
            return false;
        }

        Span<byte> entry = stackalloc byte[MaxEntryLength];
        WriteEntry(file, entry);
        return _kind == LinkKind.Reflink ? TryClone(file, entry, folder, name) : TryShare(file, entry, folder, name);
    }

    /// <summary>Adds a file that was just written. It becomes read-only if it is to be shared by hard links. When that is not possible, it stays what it is.</summary>
    /// <exception cref="ExportException">The modes or times of the file cannot be set.</exception>
    public void Add(Node.File file, ExportFolder folder, PathComponent name, int descriptor)
    {
        if (Failure is not null)
        {
            return;
        }

        Span<byte> entry = stackalloc byte[MaxEntryLength];
        WriteEntry(file, entry);
        if (_kind == LinkKind.Reflink)
        {
            AddClone(file, entry, descriptor);
        }
        else
        {
            AddShared(file, entry, folder, name, descriptor);
        }
    }

    public void Dispose() => _ = LibC.Close(_folder);

    // ---- hard links ----

    private bool TryShare(Node.File file, ReadOnlySpan<byte> entry, ExportFolder folder, PathComponent name)
    {
        Span<byte> target = name.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]);
        if (LibC.LinkAt(_folder, entry, folder.Descriptor, target) != 0)
        {
            switch (LibC.LastError)
            {
                case LibC.ErrorNotFound:
                case LibC.ErrorExists: // at the target, which whoever writes there will tell
                    break;
                case LibC.ErrorTooManyNames:
                    RemoveEntry(entry); // another takes its place, with room for more names
                    break;
                default:
                    Fail(LibC.LastError);
                    break;
            }

            return false;
        }

        // What was linked is looked at, and not what was there before.
        if (LibC.StatAt(folder.Descriptor, target, out LibC.FileStatus status) == 0
            && IsAsMade(file, status)
            && (!_check || HasContents(file, folder, target)))
        {
            return true;
        }

        TakeBack(folder, name, target);
        RemoveEntry(entry);
        return false;
    }

    private void AddShared(Node.File file, ReadOnlySpan<byte> entry, ExportFolder folder, PathComponent name, int descriptor)
    {
        if (LibC.Stat(descriptor, out LibC.FileStatus before) != 0 || !TryMark(file, descriptor))
        {
            throw folder.Error(name, "the file cannot be made read-only");
        }

        Span<byte> target = name.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]);
        if (TryEnter(entry, folder.Descriptor, target))
        {
            return; // if another was faster, this is a file by itself
        }

        Fail(LibC.LastError);
        if (LibC.ChangeMode(descriptor, before.Permissions) != 0 || LibC.SetModifyTime(descriptor, null) != 0)
        {
            throw folder.Error(name, "the file cannot be made writable");
        }
    }

    private static bool HasContents(Node.File file, ExportFolder folder, ReadOnlySpan<byte> target)
    {
        int descriptor = LibC.OpenAt(folder.Descriptor, target, LibC.ReadOnly | LibC.NoFollow);
        if (descriptor < 0)
        {
            return false;
        }

        try
        {
            return HasContents(file, descriptor);
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }

    // ---- what files in the folder are ----

    /// <summary>Makes a file one as the folder has them.</summary>
    private static bool TryMark(Node.File file, int descriptor) =>
        LibC.ChangeMode(descriptor, ModeOf(file)) == 0 && LibC.SetModifyTime(descriptor, MarkSeconds) == 0;

    private bool IsAsMade(Node.File file, in LibC.FileStatus status) =>
        status.Type == LibC.FileType.Regular
        && status.Permissions == ModeOf(file)
        && status.Length == file.Size
        && status.UserId == _user
        && status.IsModifiedAt(MarkSeconds);

    private static uint ModeOf(Node.File file) => file.Executable ? ExecutableMode : FileMode;

    private static bool HasContents(Node.File file, int descriptor)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(CheckBufferSize);
        try
        {
            Blake3Hasher hasher = new();
            nint read;
            while ((read = LibC.Read(descriptor, buffer)) > 0)
            {
                hasher.AppendData(buffer.AsSpan(0, (int)read));
            }

            return read == 0 && hasher.GetCurrentDigest() == file.Digest;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // ---- names ----

    /// <summary>Gives a file that is as it should be its name in the folder, unless another has it already.</summary>
    private bool TryEnter(ReadOnlySpan<byte> entry, int folder, ReadOnlySpan<byte> name, int flags = 0)
    {
        if (LibC.LinkAt(folder, name, _folder, entry, flags) == 0 || LibC.LastError == LibC.ErrorExists)
        {
            return true;
        }

        if (LibC.LastError != LibC.ErrorNotFound)
        {
            return false;
        }

        Span<byte> shard = stackalloc byte[ShardLength];
        entry[..(ShardLength - 1)].CopyTo(shard);
        shard[^1] = 0;
        return (LibC.MakeDirectoryAt(_folder, shard, ShardMode) == 0 || LibC.LastError == LibC.ErrorExists)
            && (LibC.LinkAt(folder, name, _folder, entry, flags) == 0 || LibC.LastError == LibC.ErrorExists);
    }

    private void RemoveEntry(ReadOnlySpan<byte> entry) => _ = LibC.UnlinkAt(_folder, entry, 0);

    private static void TakeBack(ExportFolder folder, PathComponent name, ReadOnlySpan<byte> target)
    {
        if (LibC.UnlinkAt(folder.Descriptor, target, 0) != 0)
        {
            throw folder.Error(name, "what was made of a changed file cannot be removed");
        }
    }

    private static void WriteEntry(Node.File file, Span<byte> entry)
    {
        Span<byte> digest = stackalloc byte[B3Digest.Size];
        file.Digest.CopyTo(digest);
        int at = 0;
        foreach (byte value in digest)
        {
            entry[at++] = "0123456789abcdef"u8[value >> 4];
            entry[at++] = "0123456789abcdef"u8[value & 0xf];
            if (at == ShardLength - 1)
            {
                entry[at++] = (byte)'/';
            }
        }

        if (file.Executable)
        {
            "-x"u8.CopyTo(entry[at..]);
            at += 2;
        }

        entry[at] = 0;
    }

    private void Fail(int error)
    {
        string message = LibC.ErrorOf(error).Message;
        Interlocked.CompareExchange(ref _failure, _kind == LinkKind.Reflink ? "a reflink cannot be made: " + message : message, null);
    }

    private static ExportException Error(string path, string reason)
    {
        IOException cause = LibC.ErrorOf(LibC.LastError);
        return new ExportException(default, $"the folder for links '{path}' {reason}: {cause.Message}", cause);
    }
}
