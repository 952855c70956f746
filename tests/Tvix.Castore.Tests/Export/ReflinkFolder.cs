using System.Text;
using NUnit.Framework;
using Tvix.Castore.Interop;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Export;

/// <summary>Where files can be cloned. <c>scripts/with-reflinks.sh</c> makes such a place for tests.</summary>
internal static class ReflinkFolder
{
    private const string Variable = "TVIX_TEST_REFLINK_FOLDER";

    /// <summary>Makes a folder in the one that the environment names, or where temporary files go. Ignores the test if files cannot be cloned there.</summary>
    public static TempFolder Make()
    {
        string? parent = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : null;
        TempFolder folder = new(parent);
        if (CanClone(folder.Path))
        {
            return folder;
        }

        folder.Dispose();
        if (parent is not null)
        {
            Assert.Fail($"Files cannot be cloned in {parent}, which {Variable} names.");
        }

        Assert.Ignore($"Files cannot be cloned where temporary files go, and {Variable} names no other folder.");
        return null!;
    }

    public static bool CanClone(string folder)
    {
        int from = Create(Path.Combine(folder, "from"));
        int to = Create(Path.Combine(folder, "to"));
        Assert.That((int)LibC.Write(from, "something"u8), Is.EqualTo(9));
        bool cloned = LibC.Clone(to, from) == 0;
        _ = LibC.Close(from);
        _ = LibC.Close(to);
        File.Delete(Path.Combine(folder, "from"));
        File.Delete(Path.Combine(folder, "to"));
        return cloned;
    }

    private static int Create(string path)
    {
        int file = LibC.OpenAt(LibC.CurrentFolder, [.. Encoding.UTF8.GetBytes(path), 0], LibC.ReadWrite | LibC.Create, 0x180);
        Assert.That(file, Is.Not.Negative);
        return file;
    }
}
