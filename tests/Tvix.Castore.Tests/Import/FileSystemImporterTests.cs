using System.Net.Sockets;
using System.Text;
using NUnit.Framework;
using Tvix.Castore.Blake3;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Import;
using Tvix.Castore.Local;
using Tvix.Castore.Model;
using Tvix.Tests.Shared;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Import;

[TestFixture]
[Platform("Linux")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class FileSystemImporterTests
{
    private const int Mebibyte = 1 << 20;
    private TempFolder _folder = null!;
    private MemoryBlobService _blobs = null!;
    private MemoryDirectoryService _directories = null!;

    private string Source => _folder["source"];

    [SetUp]
    public void MakeFolder()
    {
        _folder = new TempFolder();
        Directory.CreateDirectory(Source);
        _blobs = new MemoryBlobService();
        _directories = new MemoryDirectoryService();
    }

    [TearDown]
    public void RemoveFolder()
    {
        DiskTree.RemoveFrom(_folder.Path); // .NET cannot remove what has a name that is no text, or a path that is too long
        _folder.Dispose();
    }

    private ValueTask<Node> ImportAsync(ITreeSink? sink = null, FileSystemImportOptions? options = null, string? path = null) =>
        new FileSystemImporter(_blobs, _directories, options).ImportAsync(path ?? Source, sink);

    private Task<List<string>> ShowAsync(Node root) => TreeText.ShowAsync(_blobs, _directories, root);

    private string Write(string name, ReadOnlySpan<byte> content)
    {
        string path = Path.Combine(Source, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    [Test]
    [CancelAfter(60_000)]
    public async Task Import_WithTheFewestBuffersAndManyProcessors_Ends(CancellationToken cancellationToken)
    {
        byte[] content = new byte[500 << 10];
        for (int i = 0; i < 60; i++)
        {
            content[0] = (byte)i;
            Write($"file{i}", content);
        }

        FileSystemImportOptions options = new() { BufferBytes = 16 * Mebibyte, MaxInFlight = 8 };
        Node root = await new FileSystemImporter(_blobs, _directories, options).ImportAsync(Source, cancellationToken: cancellationToken);
        Assert.That(await ShowAsync(root), Has.Count.EqualTo(60));
    }

    // ---- what there is ----

    [Test]
    public async Task Import_OfAllKinds_KeepsThem()
    {
        File.SetUnixFileMode(Write("run", "#!"u8), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        File.SetUnixFileMode(Write("only-group", "x"u8), UnixFileMode.UserRead | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        Write("empty-file", ""u8);
        Write("folder/inner", "1"u8);
        Directory.CreateDirectory(Path.Combine(Source, "empty-folder"));
        File.CreateSymbolicLink(Path.Combine(Source, "dangling"), "nowhere");
        File.CreateSymbolicLink(Path.Combine(Source, "absolute"), "/etc/passwd");
        File.CreateSymbolicLink(Path.Combine(Source, "up"), "../../x");
        File.CreateSymbolicLink(Path.Combine(Source, "to-folder"), "folder");

        Assert.That(await ShowAsync(await ImportAsync()), Is.EqualTo((string[])
        [
            "absolute->/etc/passwd", "dangling->nowhere", "empty-file=", "empty-folder/", "folder/", "folder/inner=1", "only-group=x", "run*=#!",
            "to-folder->folder", "up->../../x",
        ]));
    }

    [Test]
    public async Task Import_OfNamesThatAreNotText_KeepsTheBytes()
    {
        byte[] longest = [.. Enumerable.Repeat((byte)'n', 255)];
        DiskTree.WriteFile(Source, [0xff, 0xfe], "1"u8);
        DiskTree.WriteFile(Source, "new\nline"u8.ToArray(), "2"u8);
        DiskTree.WriteFile(Source, longest, "3"u8);
        DiskTree.WriteFile(Source, "Z"u8.ToArray(), "4"u8);
        DiskTree.MakeLink(Source, [0xc3], [0x80, (byte)'/', 0xff]);

        Assert.That(await ShowAsync(await ImportAsync()), Is.EqualTo((string[])
        [
            "Z=4", "new\nline=2", Encoding.ASCII.GetString(longest) + "=3", "\u00c3->\u0080/\u00ff", "\u00ff\u00fe=1",
        ]), "in the order of the bytes");
    }

    private static IEnumerable<int> Sizes =>
        [0, 1, TreeBatch.MaxWholeFile - 1, TreeBatch.MaxWholeFile, TreeBatch.MaxWholeFile + 1, Mebibyte - 1, Mebibyte, Mebibyte + 1, (5 * Mebibyte) + 17];

    [Test]
    public async Task Import_OfFilesOfEverySize_HasTheirDigests([Values(null, 16 * Mebibyte)] int? bufferBytes)
    {
        foreach (int size in Sizes)
        {
            Write($"{size:d8}", SampleData.Bytes(size, size + 1));
        }

        FileSystemImportOptions options = new();
        options.BufferBytes = bufferBytes ?? options.BufferBytes;
        ScriptedSink sink = new();
        Node root = await ImportAsync(sink, options);
        CastoreDirectory directory = (await _directories.GetAsync(((Node.Directory)root).Digest))!;
        Assert.That(
            directory.Entries.Select(entry => entry.Node),
            Is.EqualTo(Sizes.Select(size => new Node.File(Blake3Hasher.HashData(SampleData.Bytes(size, size + 1)), (ulong)size, Executable: false))));
        foreach (DirectoryEntry entry in directory)
        {
            Assert.That(await _blobs.HasAsync(((Node.File)entry.Node).Digest), Is.True);
        }

        Assert.That(sink.Length, Is.EqualTo(Sizes.Sum()));
        Assert.That(sink.Calls, Is.EqualTo((string[])["(", .. Sizes.SelectMany(size => (string[])[$"{size:d8}", $"{size}", "."]), ")"]));
    }

    [Test]
    public async Task Import_OfARootThatIsNoFolder_IsThatNode()
    {
        string file = Write("file", "abc"u8);
        Assert.That(await ImportAsync(path: file), Is.EqualTo(new Node.File(Blake3Hasher.HashData("abc"u8), 3, Executable: false)));

        string link = Path.Combine(Source, "link");
        File.CreateSymbolicLink(link, "file");
        Assert.That(await ImportAsync(path: link), Is.EqualTo(new Node.Symlink(new SymlinkTarget("file"))));
        Assert.That(await ImportAsync(path: Directory.CreateDirectory(Path.Combine(Source, "empty")).FullName), Is.EqualTo(CastoreDirectory.Empty.ToNode()));
    }

    [Test]
    public async Task Import_OfADeepTree_Works()
    {
        const int Depth = 700;
        DiskTree.MakeDeep(Source, Depth, "leaf");
        int open = DiskTree.CountOpen(_folder.Path);
        Node node = await ImportAsync();
        Assert.That(DiskTree.CountOpen(_folder.Path), Is.EqualTo(open));
        for (int i = 0; i < Depth; i++)
        {
            CastoreDirectory level = (await _directories.GetAsync(((Node.Directory)node).Digest))!;
            Assert.That(level.Count, Is.EqualTo(1));
            node = level[0].Node;
        }

        CastoreDirectory last = (await _directories.GetAsync(((Node.Directory)node).Digest))!;
        Assert.That(last[0].Name.ToString(), Is.EqualTo("leaf"));
    }

    [Test]
    public async Task Import_OfAWideFolder_Works()
    {
        for (int i = 0; i < 20_000; i++)
        {
            File.WriteAllBytes(Path.Combine(Source, $"file-{i}"), [(byte)i]);
        }

        Node root = await ImportAsync();
        CastoreDirectory directory = (await _directories.GetAsync(((Node.Directory)root).Digest))!;
        Assert.That(directory.Count, Is.EqualTo(20_000));
        Assert.That(directory.Entries.Select(entry => entry.Name), Is.Ordered);
    }

    [Test]
    public async Task Import_WithProgress_ReportsTheWholeAtTheEnd()
    {
        Write("a/b", SampleData.Bytes(2 * Mebibyte));
        Write("c", "xyz"u8);
        File.CreateSymbolicLink(Path.Combine(Source, "d"), "c");
        Recorder progress = new();
        await new FileSystemImporter(_blobs, _directories).ImportAsync(Source, progress: progress);
        Assert.That(progress.Last, Is.EqualTo(new ImportProgress(2, 2, 1, (2 * Mebibyte) + 3)));
    }

    // ---- what cannot be imported ----

    [Test]
    public async Task Import_OfAPipeOrASocket_NamesItOrSkipsIt([Values] bool socket)
    {
        Write("a/file", "1"u8);
        string special = Path.Combine(Source, "a", "special");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        if (socket)
        {
            listener.Bind(new UnixDomainSocketEndPoint(special));
        }
        else
        {
            DiskTree.MakePipe(special);
        }

        ImportException e = Assert.ThrowsAsync<ImportException>(async () => await ImportAsync())!;
        Assert.That(e.Error, Is.EqualTo(ImportError.UnsupportedFileType));
        Assert.That(Encoding.UTF8.GetString(e.Path.Span), Is.EqualTo("a/special"));

        Assert.That(await ShowAsync(await ImportAsync(options: new FileSystemImportOptions { SkipUnsupported = true })), Is.EqualTo((string[])["a/", "a/file=1"]));
        Assert.That(
            async () => await ImportAsync(path: special, options: new FileSystemImportOptions { SkipUnsupported = true }),
            Throws.TypeOf<ImportException>().With.Property("Error").EqualTo(ImportError.UnsupportedFileType), "nothing would be left");
    }

    [Test]
    public void Import_OfWhatIsNotThere_Throws()
    {
        ImportException e = Assert.ThrowsAsync<ImportException>(async () => await ImportAsync(path: _folder["missing"]))!;
        Assert.That(e.Error, Is.EqualTo(ImportError.Read));
        Assert.That(e.InnerException, Is.InstanceOf<IOException>());
        Assert.That(async () => await ImportAsync(path: Source + "\0x"), Throws.ArgumentException);
        Assert.That(async () => await ImportAsync(path: ""), Throws.ArgumentException);
    }

    [Test]
    public void Import_OfAFileThatMayNotBeRead_NamesIt()
    {
        string path = Write("b/secret", "1"u8);
        File.SetUnixFileMode(path, UnixFileMode.None);
        if (Environment.IsPrivilegedProcess)
        {
            Assert.That(async () => await ImportAsync(), Throws.Nothing, "modes do not hold for root");
        }
        else
        {
            ImportException e = Assert.ThrowsAsync<ImportException>(async () => await ImportAsync())!;
            Assert.That((e.Error, Encoding.UTF8.GetString(e.Path.Span)), Is.EqualTo((ImportError.Read, "b/secret")));
        }
    }

    [Test]
    public void New_WithTooSmallABuffer_Throws() =>
        Assert.That(
            () => new FileSystemImporter(_blobs, _directories, new FileSystemImportOptions { BufferBytes = (16 * Mebibyte) - 1 }),
            Throws.InstanceOf<ArgumentException>());

    // ---- what changes meanwhile ----

    /// <summary>
    /// The sink holds the import up when it is told of the first file, while the walk is in the middle of that: it is larger than all buffers together. So what is done
    /// there happens during the reading of that file, and before anything else is opened.
    /// </summary>
    private Task ImportWhileAsync(Action<string> change)
    {
        string first = Write("a-first", "");
        using (FileStream file = File.OpenWrite(first))
        {
            file.SetLength(40 * Mebibyte);
        }

        Write("b-second", "second"u8);
        Write("c-third/inner", "third"u8);
        WaitForTheClockOf(first);
        ScriptedSink sink = new(40 * Mebibyte, () => change(first));
        return ImportAsync(sink, new FileSystemImportOptions { BufferBytes = 16 * Mebibyte }).AsTask();
    }

    private string Write(string name, string content) => Write(name, Encoding.UTF8.GetBytes(content));

    /// <summary>The times of files have the grain of the kernel's clock: a change within one tick would not show.</summary>
    private void WaitForTheClockOf(string path)
    {
        DateTime before = File.GetLastWriteTimeUtc(path);
        string probe = _folder["probe"];
        do
        {
            File.WriteAllText(probe, "x");
        }
        while (File.GetLastWriteTimeUtc(probe) <= before);
    }

    private static void AssertChanged(Task import, string path, ImportError error = ImportError.FileChanged)
    {
        ImportException e = Assert.ThrowsAsync<ImportException>(async () => await import)!;
        Assert.That((e.Error, Encoding.UTF8.GetString(e.Path.Span)), Is.EqualTo((error, path)));
    }

    [Test]
    public void Import_OfAFileThatIsOverwritten_Fails() => AssertChanged(
        ImportWhileAsync(path =>
        {
            using FileStream file = File.OpenWrite(path);
            file.WriteByte(1);
        }),
        "a-first");

    [Test]
    public void Import_OfAFileThatGrows_Fails() => AssertChanged(ImportWhileAsync(path => File.AppendAllText(path, "more")), "a-first");

    [Test]
    public void Import_OfAFileThatShrinks_Fails() => AssertChanged(
        ImportWhileAsync(path =>
        {
            using FileStream file = File.OpenWrite(path);
            file.SetLength(5);
        }),
        "a-first");

    [Test]
    public void Import_OfAFileWhoseModeChanges_Fails() =>
        AssertChanged(ImportWhileAsync(path => File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute)), "a-first");

    [Test]
    public void Import_OfAFileThatIsReplacedByAPipe_Fails() => AssertChanged(
        ImportWhileAsync(path =>
        {
            string second = Path.Combine(Path.GetDirectoryName(path)!, "b-second");
            File.Delete(second);
            DiskTree.MakePipe(second);
        }),
        "b-second");

    [Test]
    public void Import_OfAFileThatIsReplacedByALink_Fails() => AssertChanged(
        ImportWhileAsync(path =>
        {
            string second = Path.Combine(Path.GetDirectoryName(path)!, "b-second");
            File.Delete(second);
            File.CreateSymbolicLink(second, "/etc/passwd");
        }),
        "b-second", ImportError.Read);

    [Test]
    public void Import_OfAFolderThatGoes_Fails() =>
        AssertChanged(ImportWhileAsync(path => Directory.Delete(Path.Combine(Path.GetDirectoryName(path)!, "c-third"), recursive: true)), "c-third", ImportError.Read);

    [Test]
    public async Task Import_OfAFileThatIsReplacedBeforeItIsRead_TakesTheNewOne()
    {
        await ImportWhileAsync(path => File.WriteAllText(Path.Combine(Path.GetDirectoryName(path)!, "b-second"), "fresh"));
        Assert.That(await _blobs.HasAsync(Blake3Hasher.HashData("fresh"u8)), Is.True);
    }

    // ---- what ends it ----

    [Test]
    public async Task Import_ThatIsCancelled_LeavesNoDirectoryAndNoDescriptor([Values] bool bySink)
    {
        await using LocalStore store = new(_folder["store"]);
        store.Open();
        for (int i = 0; i < 300; i++)
        {
            Write($"folder-{i:d3}/file", SampleData.Bytes(100_000, i));
        }

        int open = DiskTree.CountOpen(Source);
        using CancellationTokenSource cancel = new();
        FileSystemImporter importer = new(store.Blobs, store.Directories, new FileSystemImportOptions { BufferBytes = 16 * Mebibyte });
        ScriptedSink sink = new(100_000, bySink ? cancel.Cancel : null);
        Recorder progress = new(bySink ? null : cancel.Cancel);
        Assert.That(
            async () => await importer.ImportAsync(Source, bySink ? sink : null, progress, cancel.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(DiskTree.CountOpen(Source), Is.EqualTo(open));
        Assert.That((await store.GetStatisticsAsync()).Directories, Is.Zero);
        Assert.That(await importer.ImportAsync(Source), Is.InstanceOf<Node.Directory>(), "the store is as good as before");
    }

    [Test]
    public void Import_ThatIsCancelledBefore_DoesNothing()
    {
        ScriptedSink sink = new();
        Assert.That(
            async () => await new FileSystemImporter(_blobs, _directories).ImportAsync(Source, sink, cancellationToken: new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(sink.Calls, Is.Empty);
    }

    [Test]
    public async Task Import_WhoseSinkThrows_FailsWithThat()
    {
        Write("a", "123"u8);
        DirectoryCounter counter = new();
        ScriptedSink sink = new(3, () =>
        {
            counter.FirstPut.Wait(); // the storing is far ahead
            throw new InvalidTimeZoneException("mine");
        });
        Assert.That(
            async () => await new FileSystemImporter(_blobs, counter).ImportAsync(Source, sink),
            Throws.TypeOf<InvalidTimeZoneException>());
        Assert.That(counter.Completed, Is.Zero, "no directory is visible before the sink is through");
        await ImportAsync();
    }

    [Test]
    public void Import_WhenTheBlobServiceFails_FailsOnceAndEnds([Values("PutMany", "OpenWrite", "Write", "Complete")] string where)
    {
        for (int i = 0; i < 60; i++)
        {
            Write($"small-{i:d3}", SampleData.Bytes(400_000, i));
            Write($"large-{i:d3}", SampleData.Bytes(700_000, i));
        }

        int open = DiskTree.CountOpen(Source);
        FailingBlobs blobs = new(where, after: 7);
        StorageException e = Assert.ThrowsAsync<StorageException>(
            async () => await new FileSystemImporter(blobs, _directories, new FileSystemImportOptions { BufferBytes = 16 * Mebibyte }).ImportAsync(Source, new ScriptedSink()))!;
        Assert.That(e.Message, Is.EqualTo("scripted"));
        Assert.That(DiskTree.CountOpen(Source), Is.EqualTo(open));
        Assert.That(blobs.OpenWriters, Is.Zero);
    }

    [Test]
    public void Import_WhenTheDirectoryServiceFails_FailsWithThat()
    {
        Write("a/b/c", "1"u8);
        DirectoryCounter counter = new() { FailAt = 2 };
        Assert.That(
            async () => await new FileSystemImporter(_blobs, counter).ImportAsync(Source), Throws.TypeOf<StorageException>().With.Message.EqualTo("scripted"));
        Assert.That(counter.Disposed, Is.EqualTo(1));
    }

    private sealed class Recorder(Action? action = null) : IProgress<ImportProgress>
    {
        public ImportProgress Last { get; private set; }

        public void Report(ImportProgress value)
        {
            Last = value;
            action?.Invoke();
        }
    }

    /// <summary>Counts what becomes of uploads.</summary>
    private sealed class DirectoryCounter : IDirectoryService
    {
        private readonly MemoryDirectoryService _inner = new();

        public int FailAt { get; init; } = int.MaxValue;

        public ManualResetEventSlim FirstPut { get; } = new();

        public int Completed { get; private set; }

        public int Disposed { get; private set; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.GetAsync(digest, cancellationToken);

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default) => _inner.PutAsync(directory, cancellationToken);

        public DirectoryPutter OpenPutter() => new Putter(this, ((IDirectoryService)_inner).OpenPutter());

        private sealed class Putter(DirectoryCounter owner, DirectoryPutter inner) : DirectoryPutter
        {
            private int _count;

            public override ValueTask PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
            {
                owner.FirstPut.Set();
                return ++_count == owner.FailAt ? throw new StorageException("scripted") : inner.PutAsync(directory, cancellationToken);
            }

            public override ValueTask<B3Digest> CompleteAsync(CancellationToken cancellationToken = default)
            {
                owner.Completed++;
                return inner.CompleteAsync(cancellationToken);
            }

            public override ValueTask DisposeAsync()
            {
                owner.Disposed++;
                return inner.DisposeAsync();
            }
        }
    }

    /// <summary>Fails at one kind of call, after some that succeeded.</summary>
    private sealed class FailingBlobs(string where, int after) : IBlobService
    {
        private readonly MemoryBlobService _inner = new();
        private int _calls;
        private int _openWriters;

        public int OpenWriters => _openWriters;

        public ValueTask<bool> HasAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.HasAsync(digest, cancellationToken);

        public ValueTask<Stream?> OpenReadAsync(B3Digest digest, CancellationToken cancellationToken = default) => _inner.OpenReadAsync(digest, cancellationToken);

        public async ValueTask<BlobWriter> OpenWriteAsync(CancellationToken cancellationToken = default)
        {
            FailAt("OpenWrite");
            Interlocked.Increment(ref _openWriters);
            return new Writer(this, await _inner.OpenWriteAsync(cancellationToken));
        }

        public async ValueTask PutManyAsync(
            IReadOnlyList<ReadOnlyMemory<byte>> contents, Memory<B3Digest> digests, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            FailAt("PutMany");
            await _inner.PutManyAsync(contents, digests, cancellationToken);
        }

        private void FailAt(string call)
        {
            if (call == where && Interlocked.Increment(ref _calls) > after)
            {
                throw new StorageException("scripted");
            }
        }

        private sealed class Writer(FailingBlobs owner, BlobWriter inner) : BlobWriter
        {
            protected override async ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
            {
                owner.FailAt("Write");
                await inner.WriteAsync(buffer, cancellationToken);
            }

            protected override async ValueTask<B3Digest> CompleteCoreAsync(CancellationToken cancellationToken)
            {
                await Task.Yield();
                owner.FailAt("Complete");
                return await inner.CompleteAsync(cancellationToken);
            }

            protected override ValueTask DisposeCoreAsync()
            {
                Interlocked.Decrement(ref owner._openWriters);
                return inner.DisposeAsync();
            }
        }
    }
}
