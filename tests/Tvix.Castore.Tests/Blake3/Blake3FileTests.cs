using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Model;

namespace Tvix.Castore.Tests.Blake3;

[TestFixture]
public sealed class Blake3FileTests
{
    private string _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("tvix-blake3-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task HashFileAsync_AnyLengthAndParallelism_EqualsHashData(
        [Values(0, 1, 1024, 524_287, 524_288, 524_289, 3_000_001)] int length, [Values(0, 1, 2, 5)] int maxParallelism)
    {
        (string path, byte[] content) = CreateFile(length);
        Assert.That(await Blake3Hasher.HashFileAsync(path, maxParallelism), Is.EqualTo(Blake3Hasher.HashData(content)));
    }

    [Test]
    public async Task HashFileAsync_OpenHandle_HashesFromTheBeginningAndLeavesItOpen()
    {
        (string path, byte[] content) = CreateFile(100_000);
        using FileStream stream = File.OpenRead(path);
        stream.Position = 500;
        SafeFileHandle handle = stream.SafeFileHandle;
        Assert.That(await Blake3Hasher.HashFileAsync(handle), Is.EqualTo(Blake3Hasher.HashData(content)));
        Assert.That(handle.IsClosed, Is.False);
        Assert.That(stream.Position, Is.EqualTo(500));
    }

    /// <summary>More blocks than are joined at once. Holes need no room on disk.</summary>
    [Test]
    public async Task HashFileAsync_MoreThanOneBatch_EqualsTheTreeOfZeros()
    {
        const int PieceSize = 64 << 20;
        string path = Path.Combine(_folder, "sparse");
        await using (FileStream stream = File.Create(path))
        {
            stream.SetLength((9L * PieceSize) + 1);
        }

        byte[] zeros = new byte[PieceSize];
        byte[] cvs = new byte[10 * 32];
        for (int i = 0; i < 10; i++)
        {
            Blake3Tree.SubtreeChainingValue(
                zeros.AsSpan(0, i == 9 ? 1 : PieceSize), (ulong)i * (PieceSize / 1024), cvs.AsSpan(32 * i));
        }

        Assert.That(await Blake3Hasher.HashFileAsync(path), Is.EqualTo(Blake3Tree.RootDigest(cvs)));
    }

    [Test]
    public async Task HashFileAsync_FileWithoutTrueLength_ReadsToItsEnd()
    {
        if (!File.Exists("/proc/version"))
        {
            Assert.Ignore("There is no /proc here.");
        }

        using SafeFileHandle handle = File.OpenHandle("/proc/version");
        Assert.That(RandomAccess.GetLength(handle), Is.Zero);
        Assert.That(
            await Blake3Hasher.HashFileAsync(handle), Is.EqualTo(Blake3Hasher.HashData(await File.ReadAllBytesAsync("/proc/version"))));
    }

    [Test]
    public void HashFileAsync_NoSuchFile_Throws() =>
        Assert.That(async () => await Blake3Hasher.HashFileAsync(Path.Combine(_folder, "none")), Throws.InstanceOf<IOException>());

    [Test]
    public void HashFileAsync_NegativeParallelism_Throws() =>
        Assert.That(
            async () => await Blake3Hasher.HashFileAsync(Path.Combine(_folder, "none"), -1), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void HashFileAsync_Cancelled_Throws()
    {
        (string path, _) = CreateFile(3_000_000);
        Assert.That(
            async () => await Blake3Hasher.HashFileAsync(path, 2, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    /// <summary>An independent implementation as the judge, on this machine and these bytes.</summary>
    [Test]
    public async Task HashData_AnyLength_EqualsTheProgramB3sum()
    {
        Random random = new(42);
        List<string> paths = [];
        Dictionary<string, B3Digest> digests = [];
        foreach (int length in (int[])[0, 1, 63, 64, 65, 1023, 1024, 1025, .. Enumerable.Range(0, 60).Select(i => random.Next(1 << (i / 3)))])
        {
            (string path, byte[] content) = CreateFile(length, $"f{paths.Count}");
            paths.Add(path);
            digests[path] = Blake3Hasher.HashData(content);
            Blake3Hasher hasher = new();
            hasher.AppendData(content.AsSpan(0, length / 3));
            hasher.AppendData(content.AsSpan(length / 3));
            Assert.That(hasher.GetCurrentDigest(), Is.EqualTo(digests[path]));
        }

        string output = await RunB3sumAsync(paths);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines, Has.Length.EqualTo(paths.Count));
        foreach (string line in lines)
        {
            string[] parts = line.Split("  ");
            Assert.That(digests[parts[1]].ToHexString(), Is.EqualTo(parts[0]), $"{new FileInfo(parts[1]).Length} bytes");
        }
    }

    private static async Task<string> RunB3sumAsync(IEnumerable<string> paths)
    {
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo("b3sum", paths) { RedirectStandardOutput = true });
        }
        catch (Win32Exception)
        {
            Assert.Ignore("The program b3sum is not installed; without it nothing independent judges these bytes.");
        }

        using (process)
        {
            string output = await process!.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.That(process.ExitCode, Is.Zero, "b3sum failed.");
            return output;
        }
    }

    private (string Path, byte[] Content) CreateFile(int length, string name = "file")
    {
        byte[] content = new byte[length];
        new Random(length).NextBytes(content);
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return (path, content);
    }
}
