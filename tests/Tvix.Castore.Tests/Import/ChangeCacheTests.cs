using System.IO.MemoryMappedFiles;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Interop;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Testing;
using Tvix.Tests.Shared;

namespace Tvix.Castore.Tests.Import;

/// <summary>Imports that read only what has changed.</summary>
[TestFixture]
[Platform("Linux")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class ChangeCacheTests
{
    private static readonly DateTime s_someTime = new(2020, 2, 20, 20, 20, 20, DateTimeKind.Utc);

    private TempFolder _folder = null!;
    private WatchedBlobs _blobs = null!;
    private MemoryDirectoryService _directories = null!;
    private ShiftedTime _time = null!;

    private string Source => _folder["source"];

    private string CacheFile => _folder["changes.db"];

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TempFolder();
        Directory.CreateDirectory(Source);
        _blobs = new WatchedBlobs();
        _directories = new MemoryDirectoryService();
        _time = new ShiftedTime { Shift = TimeSpan.FromSeconds(10) }; // what a test writes is old enough at once
    }

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private ChangeCache Open(long maxBytes = 64 << 20) => ChangeCache.Open(CacheFile, new ChangeCacheOptions { TimeProvider = _time, MaxBytes = maxBytes });

    /// <summary>Imports with a cache that is opened for it; what was read is in <see cref="_blobs"/>.</summary>
    private async Task<Node> ImportAsync(string? path = null, ITreeSink? sink = null, IBlobService? blobs = null)
    {
        using ChangeCache cache = Open();
        _blobs.Stored = 0;
        Node root = await new FileSystemImporter(blobs ?? _blobs, _directories, new FileSystemImportOptions { ChangeCache = cache, SkipUnsupported = true })
            .ImportAsync(path ?? Source, sink);
        Assert.That(cache.Failure, Is.Null);
        return root;
    }

    /// <summary>What an import without a cache gives.</summary>
    private async Task<Node> ReadAllAsync(string? path = null) =>
        await new FileSystemImporter(new MemoryBlobService(), new MemoryDirectoryService(), new FileSystemImportOptions { SkipUnsupported = true }).ImportAsync(path ?? Source);

    private string Write(string name, string content)
    {
        string path = Path.Combine(Source, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        return path;
    }

    /// <summary>Waits until the clock of the file system has moved on, so that what changes from now on gets another time.</summary>
    private void Tick()
    {
        string probe = _folder["probe"];
        File.WriteAllText(probe, "");
        DateTime first = File.GetLastWriteTimeUtc(probe);
        do
        {
            File.WriteAllText(probe, "");
        }
        while (File.GetLastWriteTimeUtc(probe) == first);
    }

    private void WriteTree()
    {
        Write("a", "1");
        File.SetLastWriteTimeUtc(Write("b", "22"), s_someTime); // .NET cannot put back every time that the file system gives
        Write("folder/c", "333");
        Write("folder/inner/d", "4444");
        Write("folder/inner/large", new string('x', TreeBatch.MaxWholeFile + 1));
        Write("only-folders/one/e", "55555");
        Directory.CreateDirectory(Path.Combine(Source, "empty"));
        File.CreateSymbolicLink(Path.Combine(Source, "link"), "a");
    }

    // ---- what does not change ----

    [Test]
    public async Task Import_OfAnUnchangedTree_ReadsNothing()
    {
        WriteTree();
        Node first = await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(6));
        Node second = await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
        Assert.That(second, Is.EqualTo(first));
        Assert.That(second, Is.EqualTo(await ReadAllAsync()));
    }

    [Test]
    public async Task Import_OfATreeThatWasMoved_ReadsNothing()
    {
        WriteTree();
        await ImportAsync();
        Directory.Move(Source, _folder["elsewhere"]);
        Assert.That(await ImportAsync(_folder["elsewhere"]), Is.EqualTo(await ReadAllAsync(_folder["elsewhere"])));
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [TestCase(5)]
    [TestCase(TreeBatch.MaxWholeFile + 1)]
    public async Task Import_OfASingleFile_ReadsItWhenItHasChanged(int size)
    {
        string file = Write("file", new string('x', size));
        Node first = await ImportAsync(file);
        Assert.That(await ImportAsync(file), Is.EqualTo(first));
        Assert.That(_blobs.Stored, Is.Zero);

        Tick();
        File.WriteAllText(file, new string('y', size));
        Assert.That(await ImportAsync(file), Is.EqualTo(await ReadAllAsync(file)).And.Not.EqualTo(first));
        Assert.That(_blobs.Stored, Is.EqualTo(1));
    }

    [Test]
    public async Task Import_WithWhatCannotBeImportedBetween_TakesTheRightDigests()
    {
        Write("a", "1");
        DiskTree.MakePipe(Path.Combine(Source, "b"));
        Write("c/d", "2");
        File.CreateSymbolicLink(Path.Combine(Source, "e"), "x");
        Write("f", "3");
        Node first = await ImportAsync();
        Assert.That(await ImportAsync(), Is.EqualTo(first));
        Assert.That(await ImportAsync(), Is.EqualTo(await ReadAllAsync()));
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [Test]
    public async Task Import_OfMoreFoldersThanAreOpen_ReadsNothing()
    {
        Write(string.Join('/', Enumerable.Repeat("d", 150)) + "/file", "1");
        Write("d/d/d/e", "2");
        await ImportAsync();
        Assert.That(await ImportAsync(), Is.EqualTo(await ReadAllAsync()));
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [Test]
    public async Task Import_WithASink_ReadsEverythingAndRemembersIt()
    {
        WriteTree();
        await ImportAsync(sink: new ScriptedSink());
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
        ScriptedSink sink = new();
        await ImportAsync(sink: sink);
        Assert.That(_blobs.Stored, Is.EqualTo(6));
        Assert.That(sink.Length, Is.EqualTo(15 + TreeBatch.MaxWholeFile + 1));
    }

    [Test]
    public async Task Walk_WithACache_RemembersNothing()
    {
        WriteTree();
        using ChangeCache cache = Open();
        await FileSystemImporter.WalkAsync(Source, new ScriptedSink(), new FileSystemImportOptions { ChangeCache = cache });
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(6));
    }

    // ---- what changes ----

    private static IEnumerable<TestCaseData> Edits
    {
        get
        {
            yield return Edit("Content", 1, root => File.WriteAllText(root("b"), "33"));
            yield return Edit("Append", 1, root => File.AppendAllText(root("folder/c"), "x"));
            yield return Edit("Touch", 1, root => File.SetLastWriteTimeUtc(root("a"), DateTime.UnixEpoch));
            yield return Edit("SameSizeAndTime", 1, root =>
            {
                File.WriteAllText(root("b"), "zz");
                File.SetLastWriteTimeUtc(root("b"), s_someTime);
            });
            yield return Edit("ReplacedByRename", 1, root =>
            {
                File.WriteAllText(root("new"), "zz");
                File.SetLastWriteTimeUtc(root("new"), s_someTime);
                File.Move(root("new"), root("b"), overwrite: true);
            });
            yield return Edit("Exchanged", 2, root =>
            {
                File.Move(root("a"), root("x"));
                File.Move(root("b"), root("a"));
                File.Move(root("x"), root("b"));
            });
            yield return Edit("Executable", 1, root => File.SetUnixFileMode(root("b"), UnixFileMode.UserRead | UnixFileMode.UserExecute));
            yield return Edit("FileToFolder", 1, root =>
            {
                File.Delete(root("b"));
                Directory.CreateDirectory(root("b"));
                File.WriteAllText(root("b/inner"), "22");
            });
            yield return Edit("FileToLink", 0, root =>
            {
                File.Delete(root("b"));
                File.CreateSymbolicLink(root("b"), "a");
            });
            yield return Edit("FolderToFile", 1, root =>
            {
                Directory.Delete(root("folder"), recursive: true);
                File.WriteAllText(root("folder"), "333");
            });
            yield return Edit("LinkToFile", 1, root =>
            {
                File.Delete(root("link"));
                File.WriteAllText(root("link"), "1");
            });
            yield return Edit("LinkTarget", 0, root =>
            {
                File.Delete(root("link"));
                File.CreateSymbolicLink(root("link"), "b");
            });
            yield return Edit("Removed", 0, root => File.Delete(root("a")));
            yield return Edit("Added", 1, root => File.WriteAllText(root("folder/bb"), "new"));
            yield return Edit("HardLink", 2, root =>
            {
                File.Delete(root("b"));
                DiskTree.MakeHardLink(root("a"), root("b"));
            });
            yield return Edit("FolderMoved", 0, root => Directory.Move(root("folder"), root("moved")));
            yield return Edit("FolderCopied", 3, root =>
            {
                Directory.CreateDirectory(root("copy/inner"));
                foreach (string file in (string[])["c", "inner/d", "inner/large"])
                {
                    File.Copy(root("folder/" + file), root("copy/" + file));
                }

                Directory.Delete(root("folder"), recursive: true);
                Directory.Move(root("copy"), root("folder"));
            });

            static TestCaseData Edit(string name, int filesRead, Action<Func<string, string>> edit) => new TestCaseData(edit, filesRead).SetArgDisplayNames(name);
        }
    }

    [TestCaseSource(nameof(Edits))]
    public async Task Import_AfterAnEdit_ReadsWhatHasChanged(Action<Func<string, string>> edit, int filesRead)
    {
        WriteTree();
        Node before = await ImportAsync();
        Tick();
        edit(name => Path.Combine(Source, name));
        Node after = await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(filesRead));
        Assert.That(after, Is.EqualTo(await ReadAllAsync()));
        Assert.That(await ImportAsync(), Is.EqualTo(after));
        Assert.That(_blobs.Stored, Is.Zero, "and only once");
        Assert.That(before, Is.Not.Null);
    }

    [FsCheck.NUnit.Property(MaxTest = 60, Replay = "(2026,11)")]
    public Property Import_AfterAnyEdits_GivesWhatAnImportOfEverythingGives()
    {
        Gen<(int Kind, int Which, int Content)> edit =
            from kind in Gen.Choose(0, 7)
            from which in Gen.Choose(0, 11)
            from content in Gen.Choose(0, 3)
            select (kind, which, content);
        return Prop.ForAll(edit.ListOf().ListOf().ToArbitrary(), rounds =>
        {
            string source = Directory.CreateDirectory(Path.Combine(_folder.Path, Guid.NewGuid().ToString("n"))).FullName;
            foreach (IEnumerable<(int Kind, int Which, int Content)> round in rounds)
            {
                Tick();
                foreach ((int kind, int which, int content) in round)
                {
                    Apply(source, kind, which, content);
                }

                Node found = ImportAsync(source).GetAwaiter().GetResult();
                if (found != ReadAllAsync(source).GetAwaiter().GetResult())
                {
                    return false;
                }
            }

            return true;
        });
    }

    private static void Apply(string source, int kind, int which, int content)
    {
        // Three names in each of four folders: f0 … f2, d0/f0 … d1/d0/f2.
        string folder = Path.Combine(source, (which / 3) switch { 0 => "", 1 => "d0", 2 => "d1", _ => "d1/d0" });
        string path = Path.Combine(folder, "f" + (which % 3));
        for (string above = folder; above.Length > source.Length; above = Path.GetDirectoryName(above)!)
        {
            if (File.Exists(above))
            {
                File.Delete(above);
            }
        }

        Directory.CreateDirectory(folder);
        switch (kind)
        {
            case 0 or 1 when !Directory.Exists(path):
                if (new FileInfo(path).LinkTarget is not null)
                {
                    File.Delete(path);
                }

                File.WriteAllText(path, content.ToString());
                if (kind == 1)
                {
                    File.SetLastWriteTimeUtc(path, s_someTime);
                }

                break;
            case 2:
                Remove(path);
                break;
            case 3:
                Remove(path);
                File.CreateSymbolicLink(path, "to-" + content);
                break;
            case 4:
                Remove(path);
                Directory.CreateDirectory(path);
                File.WriteAllText(Path.Combine(path, "in"), content.ToString());
                break;
            case 5 when File.Exists(path) && new FileInfo(path).LinkTarget is null:
                File.SetUnixFileMode(path, content % 2 == 0 ? (UnixFileMode)0x1a4 : (UnixFileMode)0x1ed);
                break;
            case 6:
                string other = Path.Combine(folder, "f" + ((which + 1) % 3));
                if (Path.Exists(path) && !Path.Exists(other))
                {
                    Directory.Move(path, other);
                }

                break;
            case 7:
                string written = Path.Combine(source, "written");
                File.WriteAllText(written, content.ToString());
                Remove(path);
                File.Move(written, path);
                break;
        }

        static void Remove(string path)
        {
            if (Directory.Exists(path) && new FileInfo(path).LinkTarget is null)
            {
                Directory.Delete(path, recursive: true);
            }
            else
            {
                File.Delete(path);
            }
        }
    }

    // ---- what is too young ----

    [Test]
    public async Task Import_OfFilesWrittenJustNow_DoesNotRememberThem()
    {
        WriteTree();
        _time.Shift = TimeSpan.Zero;
        await ImportAsync();
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(6));
        _time.Shift = TimeSpan.FromSeconds(10);
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(6), "it was not remembered, however old it is now");
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
    }

    /// <summary>The margin: between two and three seconds, since only whole ones are looked at.</summary>
    [TestCase(-5, 1)]
    [TestCase(0, 1)]
    [TestCase(2, 1)]
    [TestCase(3, 0)]
    public async Task Import_OfAFileOfSomeAge_RemembersItWhenItIsOldEnough(int seconds, int readAgain)
    {
        string file = Write("a", "1");
        DateTimeOffset changed = File.GetLastWriteTimeUtc(file);
        _time.Fixed = DateTimeOffset.FromUnixTimeSeconds(changed.ToUnixTimeSeconds() + seconds);
        await ImportAsync();
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(readAgain));
    }

    [Test]
    public async Task Import_OfAFileWithATimeToCome_DoesNotRememberIt()
    {
        string file = Write("a", "1");
        File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(1));
        Write("b", "2");
        await ImportAsync();
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(1));
    }

    // ---- the file system ----

    [TestCase(0xEF53u, 0x20u, true, TestName = "ext4")]
    [TestCase(0xEF53u, 0x1020u, true, TestName = "ext4 with more flags")]
    [TestCase(0xEF53u, 0x21u, false, TestName = "ext4, read-only")]
    [TestCase(0xEF53u, 0u, false, TestName = "ext4, and no flags")]
    [TestCase(0x6969u, 0x20u, false, TestName = "NFS")]
    [TestCase(0x65735546u, 0x20u, false, TestName = "FUSE")]
    [TestCase(0x73717368u, 0x21u, false, TestName = "squashfs")]
    [TestCase(0u, 0u, false, TestName = "unknown")]
    public void HasHonestTimes_OfFileSystems_KnowsThemAndHowTheyAreMounted(uint kind, uint flags, bool expected) =>
        Assert.That(RememberedFiles.HasHonestTimes(new LibC.FileSystem(kind, 7, flags)), Is.EqualTo(expected));

    [Test]
    public void FileSystemOf_AFolder_TellsWhatTheSystemTells()
    {
        (LibC.FileSystem FileSystem, LibC.FileStatus Status) source = At(Source);
        Assert.That(source.FileSystem.IsWritable, Is.True);
        Assert.That(At(_folder.Path).FileSystem, Is.EqualTo(source.FileSystem));
        Assert.That(At("/proc").FileSystem.Kind, Is.EqualTo(0x9FA0));
        Assert.That(LibC.FileSystemOf(-1), Is.EqualTo(default(LibC.FileSystem)));

        B3Digest key = RememberedFiles.KeyOf(in source.Status, source.FileSystem);
        LibC.FileSystem other = source.FileSystem with { Identifier = source.FileSystem.Identifier + 1 };
        Assert.That(RememberedFiles.KeyOf(in source.Status, other), Is.Not.EqualTo(key), "another image at the same device");
        Assert.That(RememberedFiles.KeyOf(in source.Status, source.FileSystem with { Flags = 0 }), Is.EqualTo(key));

        static (LibC.FileSystem FileSystem, LibC.FileStatus Status) At(string path)
        {
            int folder = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec);
            LibC.FileSystem fileSystem = LibC.FileSystemOf(folder);
            Assert.That(LibC.Stat(folder, out LibC.FileStatus status), Is.Zero);
            Assert.That(LibC.Close(folder), Is.Zero);
            return (fileSystem, status);
        }
    }

    // ---- what somebody is writing ----

    /// <summary>A write that has begun has changed the times already, and may change the bytes long after the file was read.</summary>
    [TestCase("b")]
    [TestCase("folder/inner/large")]
    public async Task Import_OfAFileThatIsOpenForWriting_DoesNotRememberIt(string name)
    {
        WriteTree();
        using (new FileStream(Path.Combine(Source, name), FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            await ImportAsync();
        }

        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(1), "the others are remembered");
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [Test]
    public async Task Import_OfAFileThatIsMappedForWriting_DoesNotRememberIt()
    {
        WriteTree();
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(Path.Combine(Source, "b"), FileMode.Open);
        using (file.CreateViewAccessor())
        {
            file.Dispose(); // the mapping stays
            await ImportAsync();
        }

        await ImportAsync();
        Assert.That(_blobs.Stored, Is.EqualTo(1));
    }

    [Test]
    public async Task Import_OfASingleFileThatIsOpenForWriting_DoesNotRememberIt()
    {
        string file = Write("file", "1");
        using (new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            await ImportAsync(file);
        }

        await ImportAsync(file);
        Assert.That(_blobs.Stored, Is.EqualTo(1));
        await ImportAsync(file);
        Assert.That(_blobs.Stored, Is.Zero);
    }

    /// <summary>Whoever opens a file for writing while it is asked for writers has the kernel tell the one that asks, with a signal.</summary>
    [Test]
    public async Task HasNoWriter_WhileTheFileIsOpenedForWriting_GoesOn()
    {
        string file = Write("file", "1");
        int reader = LibC.Open(file, LibC.ReadOnly | LibC.CloseOnExec);
        using CancellationTokenSource stop = new();
        Task writer = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                _ = LibC.Close(LibC.Open(file, LibC.WriteOnly | LibC.CloseOnExec));
            }
        });
        int without = 0;
        for (int i = 0; i < 20_000 || without == i; i++)
        {
            without += LibC.HasNoWriter(reader) ? 1 : 0;
        }

        await stop.CancelAsync();
        await writer;
        Assert.That(LibC.HasNoWriter(reader), Is.True);
        _ = LibC.Close(reader);
    }

    // ---- the store ----

    [Test]
    public async Task Import_WhenABlobIsLost_ReadsItsFilesAgain()
    {
        WriteTree();
        Write("folder/same-as-b", "22");
        await ImportAsync();
        B3Digest lost = Blake3Hasher.HashData("22"u8);
        _blobs.Lose(lost);
        Assert.That(await ImportAsync(), Is.EqualTo(await ReadAllAsync()));
        Assert.That(_blobs.Stored, Is.EqualTo(2), "the two files with these contents");
        Assert.That(await _blobs.HasAsync(lost), Is.True);
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [Test]
    public async Task Import_IntoAnotherStore_StoresEverything()
    {
        WriteTree();
        Node root = await ImportAsync();
        MemoryBlobService blobs = new();
        _directories = new MemoryDirectoryService();
        Assert.That(await ImportAsync(blobs: blobs), Is.EqualTo(root));
        Assert.That(await TreeText.ShowAsync(blobs, _directories, root), Has.Count.EqualTo(12));
    }

    [Test]
    public async Task Import_WhenDirectoriesAreLost_StoresThemAgain()
    {
        WriteTree();
        Node root = await ImportAsync();
        _directories = new MemoryDirectoryService();
        Assert.That(await ImportAsync(), Is.EqualTo(root));
        Assert.That(_blobs.Stored, Is.Zero);
        Assert.That(await TreeText.ShowAsync(_blobs, _directories, root), Has.Count.EqualTo(12));
    }

    [Test]
    public async Task Import_BlobOnlyInTheCacheOfTheStore_IsWrittenFar()
    {
        WriteTree();
        MemoryBlobService near = new();
        await ImportAsync(blobs: near);
        await ImportAsync(blobs: new CachingBlobService(near, _blobs, CacheWrites.Far));
        Assert.That(_blobs.Stored, Is.EqualTo(6));
    }

    [Test]
    public async Task Import_IntoAStoreElsewhere_SendsDirectoriesOnlyIfSomeAreMissing()
    {
        WriteTree();
        _blobs.IsElsewhere = true;
        Node root = await ImportAsync();
        UploadCounter counter = new(_directories);
        await ImportIntoAsync(counter);
        Assert.That(counter.Uploads, Is.Zero);

        // Without one that is deep below.
        MemoryDirectoryService others = new();
        await foreach (CastoreDirectory directory in ((IDirectoryService)_directories).GetClosureAsync(((Node.Directory)root).Digest))
        {
            if (directory.Entries.All(entry => entry.Node is not Node.File { Size: 4 }))
            {
                await others.PutAsync(directory);
            }
        }

        await ImportIntoAsync(counter = new UploadCounter(others));
        Assert.That(counter.Uploads, Is.EqualTo(1));
        Assert.That(await TreeText.ShowAsync(_blobs, others, root), Has.Count.EqualTo(12));
        await ImportIntoAsync(counter = new UploadCounter(new MemoryDirectoryService()));
        Assert.That(counter.Uploads, Is.EqualTo(1));

        async Task ImportIntoAsync(IDirectoryService directories)
        {
            using ChangeCache cache = Open();
            Assert.That(await new FileSystemImporter(_blobs, directories, new FileSystemImportOptions { ChangeCache = cache }).ImportAsync(Source), Is.EqualTo(root));
        }
    }

    [TestCase(0)]
    [TestCase(300)]
    [TestCase(1 << 20)]
    public async Task Put_DirectoriesOfAnySize_StoresThem(int maxBytes)
    {
        WriteTree();
        Node root = await ImportAsync();
        CastoreDirectory[] directories = [.. ((IDirectoryService)_directories).GetClosureAsync(((Node.Directory)root).Digest).ToBlockingEnumerable().Reverse()];
        MemoryDirectoryService others = new();
        await using AskingDirectoryPutter putter = new(others, maxBytes);
        foreach (CastoreDirectory directory in directories)
        {
            await putter.PutAsync(directory);
        }

        Assert.That(await others.GetAsync(directories[^1].Digest), Is.Null);
        Assert.That(await putter.CompleteAsync(), Is.EqualTo(directories[^1].Digest));
        Assert.That(await TreeText.ShowAsync(_blobs, others, root), Has.Count.EqualTo(12));
    }

    [Test]
    public async Task Import_IntoTheEmbeddedStore_ReadsNothingTwice()
    {
        WriteTree();
        using LocalStore store = new(_folder["store"]);
        await ImportAsync(blobs: store.Blobs);
        List<ImportProgress> progress = [];
        using ChangeCache cache = Open();
        FileSystemImporter importer = new(store.Blobs, store.Directories, new FileSystemImportOptions { ChangeCache = cache });
        Assert.That(await importer.ImportAsync(Source, progress: new Told(progress)), Is.EqualTo(await ReadAllAsync()));
        Assert.That(progress[^1], Is.EqualTo(new ImportProgress(Files: 6, Directories: 6, Symlinks: 1, Bytes: 0)));
    }

    [Test]
    public async Task Import_ThatFails_DoesNotSpoilTheCache()
    {
        WriteTree();
        using (ChangeCache cache = Open())
        {
            DiskTree.MakePipe(Path.Combine(Source, "z-pipe"));
            Assert.That(
                async () => await new FileSystemImporter(_blobs, _directories, new FileSystemImportOptions { ChangeCache = cache }).ImportAsync(Source),
                Throws.TypeOf<ImportException>());
        }

        File.Delete(Path.Combine(Source, "z-pipe"));
        Assert.That(await ImportAsync(), Is.EqualTo(await ReadAllAsync()));
        Assert.That(await ImportAsync(), Is.EqualTo(await ReadAllAsync()));
        Assert.That(_blobs.Stored, Is.Zero);
    }

    // ---- the file ----

    [Test]
    public void Open_WhereNothingIs_MakesAFileForThisUserOnly()
    {
        string file = _folder["new/folder/changes.db"];
        using (ChangeCache cache = ChangeCache.Open(file))
        {
            Assert.That(cache.Failure, Is.Null);
            Assert.That(cache.Path, Is.EqualTo(file));
        }

        Assert.That(File.GetUnixFileMode(file), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Assert.That(Directory.GetFiles(_folder["new/folder"]), Is.EqualTo((string[])[file]), "its log is gone when it is closed");
    }

    [Test]
    public void Open_WithNonsense_Throws()
    {
        Assert.That(() => ChangeCache.Open(""), Throws.ArgumentException);
        Assert.That(() => ChangeCache.Open(CacheFile, new ChangeCacheOptions { MaxBytes = (1 << 20) - 1 }), Throws.InstanceOf<ArgumentException>().With.Message.Contains("MaxBytes"));
        Assert.That(() => ChangeCache.Open(CacheFile, new ChangeCacheOptions { TimeProvider = null! }), Throws.ArgumentNullException);
        Assert.That(File.Exists(CacheFile), Is.False);
    }

    private static IEnumerable<TestCaseData> BrokenFiles
    {
        get
        {
            yield return Broken("Text", false, file => File.WriteAllText(file, string.Join('\n', Enumerable.Repeat("This is a letter to somebody.", 500))));
            yield return Broken("Short", false, file => File.WriteAllText(file, "x"));
            yield return Broken("OtherDatabase", false, file =>
            {
                File.Delete(file);
                using SqliteDatabase database = new(file, 1000);
                database.Execute("create table letters (text)");
            });
            yield return Broken("OtherFormat", false, file =>
            {
                using SqliteDatabase database = new(file, 1000);
                database.Execute("pragma user_version = 2");
            });
            yield return Broken("Folder", false, file =>
            {
                File.Delete(file);
                Directory.CreateDirectory(file);
            });
            yield return Broken("NoFolder", false, file =>
            {
                string folder = Path.GetDirectoryName(file)!;
                Directory.Delete(folder, recursive: true);
                File.WriteAllText(folder, "a file where the folder should be");
            });
            yield return Broken("Truncated", true, file => File.WriteAllBytes(file, File.ReadAllBytes(file)[..5000]));
            yield return Broken("Overwritten", true, file => File.WriteAllBytes(file, [.. File.ReadAllBytes(file)[..100], .. SampleData.Bytes(60_000)]));

            static TestCaseData Broken(string name, bool isOurs, Action<string> break_) => new TestCaseData(break_, isOurs).SetArgDisplayNames(name);
        }
    }

    /// <summary>A file that is no cache does no harm and comes to none; one that was a cache is begun anew.</summary>
    [TestCaseSource(nameof(BrokenFiles))]
    public async Task Import_WithABrokenFile_ReadsEverything(Action<string> breakFile, bool isOurs)
    {
        string file = _folder["caches/changes.db"];
        WriteTree();
        Node expected = await ReadAllAsync();
        await ImportAsync(file);
        breakFile(file);
        byte[]? broken = File.Exists(file) ? await File.ReadAllBytesAsync(file) : null;
        (Node root, StorageException? failure) = await ImportAsync(file);
        Assert.That(root, Is.EqualTo(expected));
        Assert.That(_blobs.Stored, Is.EqualTo(6));
        Assert.That(failure, Is.Not.Null);
        Assert.That(failure!.Message, Does.Contain(file).And.Not.Contain("pack files"));
        if (!isOurs)
        {
            Assert.That(broken, Is.EqualTo(File.Exists(file) ? await File.ReadAllBytesAsync(file) : null));
            return;
        }

        (_, failure) = await ImportAsync(file);
        Assert.That(failure, Is.Null);
        (root, _) = await ImportAsync(file);
        Assert.That(root, Is.EqualTo(expected));
        Assert.That(_blobs.Stored, Is.Zero);

        async Task<(Node Root, StorageException? Failure)> ImportAsync(string file)
        {
            using ChangeCache cache = ChangeCache.Open(file, new ChangeCacheOptions { TimeProvider = _time });
            _blobs.Stored = 0;
            Node root = await new FileSystemImporter(_blobs, _directories, new FileSystemImportOptions { ChangeCache = cache }).ImportAsync(Source);
            return (root, cache.Failure);
        }
    }

    /// <summary>Wherever a bit falls over, what the import gives is right.</summary>
    [Test]
    public async Task Import_WithWrongBitsInTheFile_GivesTheRightTree()
    {
        WriteTree();
        Node expected = await ImportAsync();
        byte[] good = await File.ReadAllBytesAsync(CacheFile);
        Random random = new(5);
        int[] places = [.. Enumerable.Range(0, good.Length).Where(i => good[i] != 0 && i >= 100)];
        for (int i = 0; i < 100; i++)
        {
            byte[] bad = [.. good];
            bad[places[random.Next(places.Length)]] ^= (byte)(1 << random.Next(8));
            await File.WriteAllBytesAsync(CacheFile, bad);
            using (ChangeCache cache = Open())
            {
                FileSystemImportOptions options = new() { ChangeCache = cache };
                Assert.That(await new FileSystemImporter(_blobs, _directories, options).ImportAsync(Source), Is.EqualTo(expected));
            }
        }
    }

    [Test]
    public async Task Import_SeveralAtATime_ShareTheFile()
    {
        for (int i = 0; i < 300; i++)
        {
            Write($"{i % 7}/{i % 31}/{i}", $"{i}");
        }

        Node expected = await ReadAllAsync();
        using ChangeCache one = Open();
        using ChangeCache other = Open();
        ChangeCache[] caches = [one, other, one, other];
        for (int round = 0; round < 3; round++)
        {
            Node[] roots = await Task.WhenAll(caches.Select(cache => Task.Run(async () =>
                await new FileSystemImporter(_blobs, new MemoryDirectoryService(), new FileSystemImportOptions { ChangeCache = cache }).ImportAsync(Source))));
            Assert.That(roots, Is.All.EqualTo(expected));
        }

        Assert.That(one.Failure ?? other.Failure, Is.Null);
        await ImportAsync();
        Assert.That(_blobs.Stored, Is.Zero);
    }

    [Test]
    public void Remember_MoreThanTheLimit_ForgetsWhatWasUsedLongestAgo()
    {
        const int Limit = 1 << 20;
        B3Digest[] keys = [.. Enumerable.Range(0, 3000).Select(i => Blake3Hasher.HashData(BitConverter.GetBytes(i)))];
        byte[] value = SampleData.Bytes(1000);
        foreach (B3Digest[] day in keys.Chunk(300))
        {
            using ChangeCache cache = Open(Limit);
            Assert.That(cache.Find(keys[0]), day[0] == keys[0] ? Is.Null : Is.EqualTo(value), "it is used every other day");
            foreach (B3Digest key in day)
            {
                cache.Remember(key, value);
            }

            cache.Flush();
            Assert.That(cache.Failure, Is.Null);
            _time.Shift += TimeSpan.FromDays(2);
        }

        using ChangeCache last = Open(Limit);
        Assert.That(keys[^300..].Select(last.Find), Is.All.EqualTo(value));
        Assert.That(keys[1..300].Select(last.Find), Is.All.Null);
        Assert.That(new FileInfo(CacheFile).Length, Is.LessThan(Limit * 1.5));
    }

    /// <summary>A walk through a tree that has not changed only finds, and may go on for long.</summary>
    [Test]
    public void Find_OfVeryMuch_WritesWhatWasUsedNowAndThen()
    {
        B3Digest[] keys = [.. Enumerable.Range(0, ChangeCache.MaxPendingUses + 1).Select(i => Blake3Hasher.HashData(BitConverter.GetBytes(i)))];
        using ChangeCache cache = Open();
        foreach (B3Digest key in keys)
        {
            cache.Remember(key, [7]);
        }

        cache.Flush();
        _time.Shift += TimeSpan.FromDays(2);
        long now = _time.GetUtcNow().ToUnixTimeSeconds();
        Assert.That(keys.Select(cache.Find), Is.All.EqualTo((byte[])[7]));
        Assert.That(CountUsed(), Is.EqualTo(ChangeCache.MaxPendingUses));
        cache.Flush();
        Assert.That(CountUsed(), Is.EqualTo(keys.Length));

        long CountUsed()
        {
            using SqliteDatabase database = new(CacheFile, 1000);
            using SqliteStatement count = database.PrepareOnce($"select count(*) from rows where used >= {now}");
            Assert.That(count.Step(), Is.True);
            return count.GetInt64(0);
        }
    }

    /// <summary>The hash of a NAR that is remembered wrong would be told to others.</summary>
    [Test]
    public void Find_OfWhatWasAltered_FindsNothing()
    {
        B3Digest key = Blake3Hasher.HashData([1]);
        B3Digest other = Blake3Hasher.HashData([2]);
        byte[] value = SampleData.Bytes(100);
        using ChangeCache cache = Open();
        cache.Remember(key, value);
        cache.Remember(other, SampleData.Bytes(5));
        cache.Flush();
        using SqliteDatabase database = new(CacheFile, 1000);
        using SqliteStatement find = database.PrepareOnce($"select id, content from rows where length(content) > {value.Length}");
        Assert.That(find.Step(), Is.True);
        long id = find.GetInt64(0);
        byte[] content = find.GetBlob(1).ToArray();
        find.Reset();
        using SqliteStatement set = database.PrepareOnce("update rows set content = ? where id = ?");
        foreach (int place in (int[])[0, 31, 32, 80, 131, 132, 147])
        {
            byte[] altered = [.. content];
            altered[place] ^= 4;
            Set(id, altered);
            Assert.That(cache.Find(key), Is.Null, $"{place}");
        }

        Set(id, content[..^1]);
        Assert.That(cache.Find(key), Is.Null);
        Set(id, content[..20]);
        Assert.That(cache.Find(key), Is.Null);
        Set(id, content);
        Assert.That(cache.Find(key), Is.EqualTo(value));
        database.Execute($"update rows set content = (select content from rows where id = {id})");
        Assert.That(cache.Find(other), Is.Null, "it is what belongs to another key");

        void Set(long id, byte[] content)
        {
            set.Bind(1, content);
            set.Bind(2, id);
            set.Run();
        }
    }

    [Test]
    public void Remember_SomethingHuge_DoesNot()
    {
        using ChangeCache cache = Open(1 << 20);
        B3Digest key = Blake3Hasher.HashData([1]);
        cache.Remember(key, new byte[(1 << 18) + 1]);
        Assert.That(cache.Find(key), Is.Null);
        cache.Remember(key, new byte[1 << 18]);
        Assert.That(cache.Find(key), Has.Length.EqualTo(1 << 18));
        cache.Remember(key, [7]);
        cache.Flush();
        Assert.That(cache.Find(key), Is.EqualTo((byte[])[7]));
    }

    [Test]
    public void Remember_WhileAnotherWritesForever_ForgetsInstead()
    {
        using ChangeCache cache = ChangeCache.Open(CacheFile, new ChangeCacheOptions { TimeProvider = _time, BusyTimeoutMilliseconds = 10 });
        using SqliteDatabase other = new(CacheFile, 1000);
        other.Execute("begin immediate");
        B3Digest key = Blake3Hasher.HashData([1]);
        cache.Remember(key, [7]);
        cache.Flush();
        other.Execute("rollback");
        Assert.That(cache.Find(key), Is.Null);
        Assert.That(cache.Failure, Is.Null);
        cache.Remember(key, [8]);
        cache.Flush();
        Assert.That(cache.Find(key), Is.EqualTo((byte[])[8]));
    }

    private sealed class UploadCounter(IDirectoryService inner) : IDirectoryService
    {
        public int Uploads { get; private set; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) => inner.GetAsync(digest, cancellationToken);

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => inner.PutAsync(directory, cancellationToken);

        public DirectoryPutter OpenPutter()
        {
            Uploads++;
            return inner.OpenPutter();
        }
    }

    private sealed class Told(List<ImportProgress> all) : IProgress<ImportProgress>
    {
        public void Report(ImportProgress value) => all.Add(value);
    }

    /// <summary>A clock that is ahead, or stands.</summary>
    private sealed class ShiftedTime : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public DateTimeOffset? Fixed { get; set; }

        public override DateTimeOffset GetUtcNow() => Fixed ?? base.GetUtcNow() + Shift;
    }

    /// <summary>Counts what is stored, and can lose blobs.</summary>
    private sealed class WatchedBlobs : IBlobService
    {
        private readonly MemoryBlobService _blobs = new();
        private readonly HashSet<B3Digest> _lost = [];
        private int _stored;

        public int Stored
        {
            get => _stored;
            set => _stored = value;
        }

        public bool IsElsewhere { get; set; }

        public IBlobService? AskedBeforeWriting => IsElsewhere ? this : null;

        public void Lose(B3Digest digest) => _lost.Add(digest);

        public async ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            !IsLost(digest) && await _blobs.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            IsLost(digest) ? new((Stream?)null) : _blobs.OpenReadAsync(digest, cancellationToken);

        public ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _stored);
            return _blobs.OpenWriteAsync(cancellationToken);
        }

        public async ValueTask<B3Digest> PutAsync(ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _stored);
            B3Digest digest = await _blobs.PutAsync(content, cancellationToken);
            lock (_lost)
            {
                _lost.Remove(digest);
            }

            return digest;
        }

        private bool IsLost(B3Digest digest)
        {
            lock (_lost)
            {
                return _lost.Contains(digest);
            }
        }
    }
}
