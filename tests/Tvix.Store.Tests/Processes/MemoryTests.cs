using System.Globalization;
using NUnit.Framework;

namespace Tvix.Store.Tests.Processes;

/// <summary>Importing and exporting take an amount of memory that does not depend on what is imported and exported.</summary>
[TestFixture]
[Platform("Linux")]
[Category("Memory")]
public sealed class MemoryTests
{
    private const long Mebibyte = 1 << 20;
    private const long Limit = 200 * Mebibyte;
    private const long Growth = 30 * Mebibyte;
    private DirectoryInfo _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("tvix-test-");

    [TearDown]
    public void RemoveFolder() => _folder.Delete(recursive: true);

    private string this[string name] => Path.Combine(_folder.FullName, name);

    private async Task<(long Import, long Export)> MeasureAsync(string source)
    {
        string store = this["store-" + Path.GetFileName(source)];
        string[] import = await CrashTestProcess.RunAsync("import", store, source);
        string[] export = await CrashTestProcess.RunAsync("export", store, import[0], this["target-" + Path.GetFileName(source)]);
        (long Import, long Export) peaks = (long.Parse(import[1], CultureInfo.InvariantCulture), long.Parse(export[0], CultureInfo.InvariantCulture));
        TestContext.Out.WriteLine($"{Path.GetFileName(source)}: import {peaks.Import / Mebibyte} MiB, export {peaks.Export / Mebibyte} MiB");
        Assert.That(peaks.Import, Is.LessThan(Limit), "import");
        Assert.That(peaks.Export, Is.LessThan(Limit), "export");
        return peaks;
    }

    private string MakeFile(string name, long size)
    {
        byte[] block = new byte[Mebibyte];
        Random random = new(1);
        using FileStream file = File.Create(this[name]);
        for (long written = 0; written < size; written += block.Length)
        {
            random.NextBytes(block.AsSpan(0, block.Length / 2)); // the rest can be compressed, as most things can
            file.Write(block);
        }

        return file.Name;
    }

    [Test]
    public async Task ImportAndExport_OfALargeFile_TakeNoMoreThanOfASmallerOne()
    {
        (long Import, long Export) small = await MeasureAsync(MakeFile("small", 64 * Mebibyte));
        (long Import, long Export) large = await MeasureAsync(MakeFile("large", 256 * Mebibyte));
        Assert.That(large.Import - small.Import, Is.LessThan(Growth), "import");
        Assert.That(large.Export - small.Export, Is.LessThan(Growth), "export");
    }

    [Test]
    public async Task ImportAndExport_OfAWideFolder_StayWithinTheLimit()
    {
        string folder = Directory.CreateDirectory(this["wide"]).FullName;
        for (int i = 0; i < 20_000; i++)
        {
            File.WriteAllText(Path.Combine(folder, $"file-{i}"), $"{i}");
        }

        await MeasureAsync(folder);
    }
}
