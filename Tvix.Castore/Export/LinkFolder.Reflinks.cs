using System.Text.Unicode;
using Tvix.Castore.Interop;
using Tvix.Castore.Model;

namespace Tvix.Castore.Export;

/// <content>Clones, which have the contents of a file in the folder, in the same blocks of the disk, and are files by themselves.</content>
internal sealed partial class LinkFolder
{
    private const int MaxDescriptorPath = 32;

    private bool TryClone(Node.File file, ReadOnlySpan<byte> entry, ExportFolder folder, PathComponent name)
    {
        int source = LibC.OpenAt(_folder, entry, LibC.ReadOnly | LibC.NoFollow | LibC.NonBlocking);
        if (source < 0)
        {
            int error = LibC.LastError;
            if (error != LibC.ErrorNotFound)
            {
                bool asMade = LibC.StatAt(_folder, entry, out LibC.FileStatus status) == 0 && IsAsMade(file, status);
                Refuse(entry, asMade, error);
            }

            return false;
        }

        try
        {
            return TryClone(file, entry, source, folder, name);
        }
        finally
        {
            _ = LibC.Close(source);
        }
    }

    private bool TryClone(Node.File file, ReadOnlySpan<byte> entry, int source, ExportFolder folder, PathComponent name)
    {
        int clone = folder.CreateFile(name, file.Executable);
        try
        {
            int error = LibC.Clone(clone, source) == 0 ? 0 : LibC.LastError;

            // Looked at after it was cloned, so that what is cloned is what is looked at. The clone is what is read, as nobody else has it.
            bool asMade = LibC.Stat(source, out LibC.FileStatus status) == 0
                && IsAsMade(file, status)
                && (error != 0 || !_check || HasContents(file, clone));
            if (asMade && error == 0)
            {
                return true;
            }

            TakeBack(folder, name, name.WriteTerminated(stackalloc byte[PathComponent.MaxLength + 1]));
            Refuse(entry, asMade, error);
            return false;
        }
        finally
        {
            _ = LibC.Close(clone);
        }
    }

    /// <summary>Removes what is not as it should be. If it is, the system does not clone.</summary>
    private void Refuse(ReadOnlySpan<byte> entry, bool asMade, int error)
    {
        if (asMade)
        {
            Fail(error);
        }
        else
        {
            RemoveEntry(entry);
        }
    }

    private void AddClone(Node.File file, ReadOnlySpan<byte> entry, int descriptor)
    {
        int clone = LibC.OpenAt(_folder, ".\0"u8, LibC.WriteOnly | LibC.Nameless, ModeOf(file));
        if (clone < 0)
        {
            Fail(LibC.LastError);
            return;
        }

        try
        {
            Span<byte> path = stackalloc byte[MaxDescriptorPath];
            Utf8.TryWrite(path, $"/proc/self/fd/{clone}\0", out _);
            if (LibC.Clone(clone, descriptor) != 0 || !TryMark(file, clone) || !TryEnter(entry, LibC.CurrentFolder, path, LibC.FollowLink))
            {
                Fail(LibC.LastError);
            }
        }
        finally
        {
            _ = LibC.Close(clone);
        }
    }
}
