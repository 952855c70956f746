using System.Diagnostics;
using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Store.Tests.Processes;

/// <summary>The embedded store among processes, of which some die.</summary>
[TestFixture]
[Platform("Linux")]
public sealed class CrashTests
{
    private DirectoryInfo _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("tvix-test-");

    [TearDown]
    public void RemoveFolder() => _folder.Delete(recursive: true);

    /// <summary>A few rounds; scripts/crash-test.sh makes as many as one likes.</summary>
    [Test]
    [Category("Crash")]
    public async Task Kill_AtRandomMoments_LosesNothingThatWasAcknowledged()
    {
        string[] lines = await CrashTestProcess.RunAsync("drive", _folder.FullName, "25", "1");
        Assert.That(lines[^1], Does.StartWith("25 rounds").And.Contain("nothing lost"));
    }

    [Test]
    public async Task Store_UsedByTwoProcesses_ShowsEachWhatTheOtherStored()
    {
        string path = Path.Combine(_folder.FullName, "store");
        await using LocalStore here = new(new LocalStoreOptions { Path = path, PackSize = 1 << 20, AverageChunkSize = 16 * 1024 });
        using Process there = CrashTestProcess.Start("serve", path);
        Assert.That(await there.StandardOutput.ReadLineAsync(), Is.EqualTo("ready"));
        for (int i = 0; i < 40; i++)
        {
            // Both at the same time, and both through some packs.
            await there.StandardInput.WriteLineAsync($"put {i} 70000");
            B3Digest ours = await here.Blobs.PutAsync(SampleData.Bytes(80_000, 1000 + i));
            B3Digest theirs = B3Digest.Parse((await there.StandardOutput.ReadLineAsync())!);
            using (Castore.Blobs.BlobContent? content = await here.Blobs.ReadAsync(theirs, 1 << 20))
            {
                Assert.That(content!.Memory.ToArray(), Is.EqualTo(SampleData.Bytes(70_000, i)));
            }

            await there.StandardInput.WriteLineAsync($"get {ours}");
            Assert.That(await there.StandardOutput.ReadLineAsync(), Is.EqualTo("80000"));
        }

        there.StandardInput.Close();
        await there.WaitForExitAsync();
        Assert.That(there.ExitCode, Is.Zero);
        await foreach (StoreDamage damage in here.VerifyAsync())
        {
            Assert.Fail(damage.Message);
        }
    }

    [Test]
    public async Task Store_WhoseWriterWasKilled_IsAtOnceUsableByAnother()
    {
        string path = Path.Combine(_folder.FullName, "store");
        B3Digest digest;
        using (Process there = CrashTestProcess.Start("serve", path))
        {
            Assert.That(await there.StandardOutput.ReadLineAsync(), Is.EqualTo("ready"));
            await there.StandardInput.WriteLineAsync("put 5 1000");
            digest = B3Digest.Parse((await there.StandardOutput.ReadLineAsync())!);
            there.Kill();
            await there.WaitForExitAsync();
        }

        await using LocalStore here = new(path);
        Assert.That(await here.Blobs.HasAsync(digest), Is.True);
        await here.Blobs.PutAsync(SampleData.Bytes(1000, 6));
        Assert.That(Directory.EnumerateFiles(Path.Combine(path, "packs"), "*.pack").Count(), Is.EqualTo(1), "the dead writer's pack goes on");
    }
}
