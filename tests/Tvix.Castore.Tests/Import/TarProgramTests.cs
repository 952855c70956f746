using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Import;

/// <summary>Archives made by the tar program of the system, which are ignored where there is none.</summary>
[TestFixture]
[Platform("Linux,MacOsX")]
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
public sealed class TarProgramTests
{
    private string _folder = null!;

    [SetUp]
    public void SetUp() => _folder = Directory.CreateTempSubdirectory("tvix-tar-").FullName;

    [TearDown]
    public void TearDown() => Directory.Delete(_folder, recursive: true);

    [TestCase("v7")]
    [TestCase("ustar")]
    [TestCase("gnu")]
    [TestCase("pax")]
    [TestCase("gnu", "--gzip")]
    [TestCase("gnu", "--zstd")]
    [TestCase("pax", "--sparse")]
    [TestCase("gnu", "--sparse")]
    [TestCase("pax", "--sparse", "--sparse-version=0.0")]
    [TestCase("pax", "--sparse", "--sparse-version=0.1")]
    public async Task Import_FormatOfTheProgram_GivesTheTree(string format, params string[] options)
    {
        string root = Directory.CreateDirectory(Path.Combine(_folder, "root")).FullName;
        File.WriteAllText(Path.Combine(root, "plain"), "contents");
        File.WriteAllText(Path.Combine(root, "run"), "#!");
        File.SetUnixFileMode(Path.Combine(root, "run"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.WriteAllText(Path.Combine(root, "empty"), "");
        Directory.CreateDirectory(Path.Combine(root, "sub", "empty"));
        File.CreateSymbolicLink(Path.Combine(root, "sub", "link"), "../../nowhere");
        List<string> expected = ["empty=", "plain=contents", "run*=#!"];
        if (format != "v7")
        {
            // Needs both name fields of ustar.
            string deep = Path.Combine(new string('d', 80), new string('e', 50));
            Directory.CreateDirectory(Path.Combine(root, deep));
            File.WriteAllText(Path.Combine(root, deep, "f"), "deep");
            expected.InsertRange(0, [new string('d', 80) + "/", deep + "/", deep + "/f=deep"]);
        }

        expected.AddRange(["sub/", "sub/empty/", "sub/link->../../nowhere"]);
        if (format is "gnu" or "pax")
        {
            string longName = new('n', 250);
            File.CreateSymbolicLink(Path.Combine(root, longName), new string('t', 300));
            expected.Insert(expected.IndexOf("plain=contents"), $"{longName}->{new string('t', 300)}");
        }

        if (options.Contains("--sparse"))
        {
            // More segments than the four that a header holds.
            byte[] content = new byte[600_000];
            using FileStream sparse = File.Create(Path.Combine(root, "sparse"));
            for (int i = 0; i < 9; i++)
            {
                sparse.Position = i * 65_536;
                sparse.WriteByte((byte)('0' + i));
                content[i * 65_536] = (byte)('0' + i);
            }

            sparse.SetLength(content.Length);
            expected.Insert(expected.IndexOf("sub/"), "sparse=" + Encoding.Latin1.GetString(content));
        }

        string archive = Path.Combine(_folder, "archive");
        RunTar(["--create", "--file", archive, "--format", format, "--directory", _folder, .. options, "root"]);
        MemoryBlobService blobs = new();
        MemoryDirectoryService directories = new();
        await using FileStream stream = File.OpenRead(archive);
        Node node = await new TarImporter(blobs, directories).ImportAsync(stream);
        List<string> actual = await TreeText.ShowAsync(blobs, directories, node);
        Assert.That(actual, Is.EqualTo(expected));
    }

    private static void RunTar(string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("tar", arguments) { RedirectStandardError = true })!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (errors.Contains("unrecognized option", StringComparison.Ordinal))
            {
                Assert.Ignore("This tar program is not GNU's.");
            }

            Assert.That(process.ExitCode, Is.Zero, errors);
        }
        catch (Win32Exception)
        {
            Assert.Ignore("The tar program is not installed.");
        }
    }
}
