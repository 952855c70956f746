using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Nix;
using Tvix.Tests.Shared;

namespace Tvix.Store.Http.Tests;

[TestFixture]
public sealed class UploadJournalTests
{
    private readonly Time _time = new();
    private TempFolder _folder = null!;

    [SetUp]
    public void Make() => _folder = new TempFolder();

    [TearDown]
    public void Remove() => _folder.Dispose();

    [Test]
    public async Task Find_OfWhatWasAdded_IsTheSameForItselfAndForOthers()
    {
        Upload upload = MakeUpload(1, NarCompression.Xz);
        UploadJournal journal = Open();
        journal.Add(upload);
        foreach (UploadJournal other in (UploadJournal[])[journal, Open()])
        {
            Assert.That(await other.FindAsync(upload.FileHash, default), Is.EqualTo(upload));
            Assert.That(await other.FindAsync(upload.NarHash, default), Is.EqualTo(upload.OfNar));
            Assert.That(await other.FindAsync(Hash(99), default), Is.Null);
        }
    }

    [Test]
    public async Task Find_AfterItsTime_IsNothing([Values] bool anew)
    {
        Upload upload = MakeUpload(1);
        UploadJournal journal = Open();
        journal.Add(upload);
        _time.Now += TimeSpan.FromHours(23);
        Assert.That(await (anew ? Open() : journal).FindAsync(upload.FileHash, default), Is.Not.Null);
        _time.Now += TimeSpan.FromHours(2);
        Assert.That(await (anew ? Open() : journal).FindAsync(upload.FileHash, default), Is.Null);
    }

    [Test]
    public async Task Add_OfTooMany_ForgetsTheOldest()
    {
        for (int i = 0; i < 20; i++)
        {
            Open(max: 5).Add(MakeUpload(i)); // each looks what is there first
            _time.Now += TimeSpan.FromSeconds(1);
        }

        File.WriteAllText(_folder["keep-me"], "");
        Open(max: 5).Add(MakeUpload(20));
        Assert.That(Directory.GetFiles(_folder.Path), Has.Length.LessThanOrEqualTo(7));
        Assert.That(File.Exists(_folder["keep-me"]), Is.True, "what is not of the journal stays");
        Assert.That(await Open().FindAsync(MakeUpload(20).FileHash, default), Is.Not.Null);
        Assert.That(await Open().FindAsync(MakeUpload(0).FileHash, default), Is.Null);
    }

    [Test]
    public async Task Find_OfADamagedFile_IsNothing()
    {
        Upload upload = MakeUpload(1);
        Open().Add(upload);
        string path = Directory.GetFiles(_folder.Path).Single();
        byte[] whole = File.ReadAllBytes(path);
        for (int i = 0; i < whole.Length; i++)
        {
            File.WriteAllBytes(path, whole[..i]);
            File.SetLastWriteTimeUtc(path, _time.Now.UtcDateTime);
            Assert.That(await Open().FindAsync(upload.FileHash, default), Is.Null, $"cut at {i}");
        }

        File.WriteAllBytes(path, MakeUpload(2).ToBytes());
        Assert.That(await Open().FindAsync(upload.FileHash, default), Is.Null, "of another file");
        File.WriteAllBytes(path, new byte[1 << 20]);
        Assert.That(await Open().FindAsync(upload.FileHash, default), Is.Null, "too long");
    }

    [Test]
    public void Add_WhereNothingCanBeWritten_IsAFailureOfTheStore()
    {
        File.WriteAllText(_folder["file"], "");
        UploadJournal journal = new(new NixBinaryCacheOptions { UploadFolder = _folder["file"] });
        Assert.That(() => journal.Add(MakeUpload(1)), Throws.TypeOf<StorageException>());
    }

    private UploadJournal Open(int max = 100) =>
        new(new NixBinaryCacheOptions { UploadFolder = _folder.Path, MaxUploads = max, UploadLifetime = TimeSpan.FromDays(1), TimeProvider = _time });

    private static Upload MakeUpload(int i, string compression = NarCompression.None) => new(
        Hash(i), 136, compression, compression == NarCompression.None ? Hash(i) : Hash(i + 1000), 136, new Node.Symlink(new SymlinkTarget($"target {i}")));

    private static Sha256Digest Hash(int i) => Sha256Digest.Compute(BitConverter.GetBytes(i));

    private sealed class Time : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2024, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
