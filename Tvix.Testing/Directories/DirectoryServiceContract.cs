using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;

namespace Tvix.Testing.Directories;

/// <summary>What every <see cref="IDirectoryService"/> must do. Inherit it, say how to make a service, and the suite runs.</summary>
/// <remarks>Where implementations may differ, a virtual member says which way this one goes, and the suite holds it to that.</remarks>
public abstract class DirectoryServiceContract
{
    private static readonly B3Digest Unknown = new("not the digest of a known dir..."u8);

    /// <summary>Trees that are stored.</summary>
    public static IEnumerable<SampleTree> Trees => SampleTrees.All;

    /// <summary>The service of the running test; made before it, disposed after it.</summary>
    protected IDirectoryService Service { get; private set; } = null!;

    /// <summary>Makes a service that is empty.</summary>
    protected abstract ValueTask<IDirectoryService> CreateAsync();

    /// <summary>Takes a service down. Unless overridden, disposes it if it can be disposed.</summary>
    protected virtual async ValueTask DestroyAsync(IDirectoryService service)
    {
        if (service is IAsyncDisposable asyncDisposable)
        {
            await asyncDisposable.DisposeAsync();
        }
        else
        {
            (service as IDisposable)?.Dispose();
        }
    }

    /// <summary>
    /// Whether a single directory can be put whose children are not there; where not, that must throw <see cref="NotSupportedException"/>.
    /// </summary>
    protected virtual bool StoresSingleDirectories => true;

    /// <summary>Whether a directory is found that was uploaded below a root; where not, only roots are.</summary>
    protected virtual bool FindsInnerDirectories => true;

    /// <summary>
    /// Whether sizes by <see cref="DirectorySizeRule.EntriesOnce"/> are accepted in an upload; where not, they must be rejected.
    /// </summary>
    protected virtual bool AcceptsSingleSizes => true;

    /// <summary>Makes the service of a test.</summary>
    [SetUp]
    public async Task CreateServiceAsync() => Service = await CreateAsync();

    /// <summary>Takes the service of a test down.</summary>
    [TearDown]
    public async Task DestroyServiceAsync()
    {
        if (Service is not null)
        {
            await DestroyAsync(Service);
        }
    }

    /// <summary>What was never stored is not there, neither alone nor as a closure.</summary>
    [Test]
    public async Task Anything_UnknownDigest_SaysThatItIsNotThere()
    {
        await UploadAsync([SampleTrees.Keep]);
        Assert.That(await Service.GetAsync(Unknown), Is.Null);
        Assert.That(await GetClosureAsync(Unknown), Is.Empty);
        Assert.That(await Service.GetAsync(SampleTrees.Empty.Digest), Is.Null);
        Assert.That(await GetClosureAsync(SampleTrees.Empty.Digest), Is.Empty);
    }

    /// <summary>A single directory without children can be put, again as well, and read alone and as a closure.</summary>
    [Test]
    public async Task Put_Leaf_CanBeRead()
    {
        for (int i = 0; i < 2; i++)
        {
            Assert.That(await Service.PutAsync(SampleTrees.Keep), Is.EqualTo(SampleTrees.Keep.Digest));
            Assert.That(await Service.PutAsync(SampleTrees.Empty), Is.EqualTo(SampleTrees.Empty.Digest));
        }

        await AssertHoldsAsync(SampleTrees.Keep);
        await AssertHoldsAsync(SampleTrees.Empty);
        Assert.That(await GetClosureAsync(SampleTrees.Keep.Digest), Is.EqualTo(new[] { SampleTrees.Keep }));
    }

    /// <summary>
    /// A directory whose children are not there is stored alone or rejected, as claimed. Its closure is broken, and that is said.
    /// </summary>
    [Test]
    public async Task Put_WithoutItsChildren_DoesAsClaimed()
    {
        CastoreDirectory parent = SampleTrees.Complicated;
        if (!StoresSingleDirectories)
        {
            Assert.That(async () => await Service.PutAsync(parent), Throws.InstanceOf<NotSupportedException>());
            Assert.That(await Service.GetAsync(parent.Digest), Is.Null);
            return;
        }

        Assert.That(await Service.PutAsync(parent), Is.EqualTo(parent.Digest));
        await AssertHoldsAsync(parent);
        Assert.That(async () => await GetClosureAsync(parent.Digest), Throws.InstanceOf<StorageException>());

        await Service.PutAsync(SampleTrees.Keep);
        Assert.That(await GetClosureAsync(parent.Digest), Is.EqualTo(new[] { parent, SampleTrees.Keep }));
    }

    /// <summary>A tree can be uploaded, and comes back whole: every directory once, the root first, none before a parent.</summary>
    [TestCaseSource(nameof(Trees))]
    public async Task Upload_Tree_CanBeRead(SampleTree tree)
    {
        ArgumentNullException.ThrowIfNull(tree);
        Assert.That(await UploadAsync(tree.LeavesToRoot), Is.EqualTo(tree.Root.Digest));
        await AssertHoldsClosureAsync(tree);
        await AssertHoldsAsync(tree.Root);
        if (tree.LeavesToRoot.Count > 1)
        {
            CastoreDirectory inner = tree.LeavesToRoot[0];
            Assert.That(await Service.GetAsync(inner.Digest), Is.EqualTo(FindsInnerDirectories ? inner : null));
        }
    }

    /// <summary>The closure of a directory below the root of an upload is there, if inner directories are.</summary>
    [Test]
    public async Task GetClosure_OfAnInnerDirectory_DoesAsClaimed()
    {
        SampleTree tree = SampleTrees.Chain(5);
        await UploadAsync(tree.LeavesToRoot);
        List<CastoreDirectory> closure = await GetClosureAsync(tree.LeavesToRoot[2].Digest);
        Assert.That(closure, Is.EqualTo(FindsInnerDirectories ? tree.LeavesToRoot.Take(3).Reverse() : []));
    }

    /// <summary>A directory may be put several times into one upload; it is stored and read once.</summary>
    [Test]
    public async Task Upload_WithRepetitions_StoresEachOnce()
    {
        CastoreDirectory child = SampleTrees.Empty;
        CastoreDirectory parent = SampleTrees.TwoEmptyChildren;
        Assert.That(await UploadAsync([child, child, parent, child, parent]), Is.EqualTo(parent.Digest));
        Assert.That(await GetClosureAsync(parent.Digest), Is.EqualTo(new[] { parent, child }));
    }

    /// <summary>A tree can be uploaded again.</summary>
    [Test]
    public async Task Upload_Again_GivesTheSameRoot()
    {
        SampleTree tree = SampleTrees.Diamond(4);
        Assert.That(await UploadAsync(tree.LeavesToRoot), Is.EqualTo(tree.Root.Digest));
        Assert.That(await UploadAsync(tree.LeavesToRoot), Is.EqualTo(tree.Root.Digest));
        await AssertHoldsClosureAsync(tree);
    }

    /// <summary>Many trees may be uploaded and read at once.</summary>
    [Test]
    public async Task Upload_Concurrently_StoresAll()
    {
        SampleTree[] trees = [.. Enumerable.Range(1, 12).Select(i => i % 2 == 0 ? SampleTrees.Chain(i * 3) : SampleTrees.Wide(i * 10))];
        await Task.WhenAll(trees.Select(tree => Task.Run(async () =>
        {
            await UploadAsync(tree.LeavesToRoot);
            await AssertHoldsClosureAsync(tree);
        })));
    }

    /// <summary>Nothing of an upload is there before it is complete.</summary>
    [Test]
    public async Task Upload_NotYetComplete_ShowsNothing()
    {
        await using DirectoryPutter putter = Service.OpenPutter();
        await putter.PutAsync(SampleTrees.Keep);
        await putter.PutAsync(SampleTrees.Complicated);
        Assert.That(await Service.GetAsync(SampleTrees.Keep.Digest), Is.Null);
        Assert.That(await Service.GetAsync(SampleTrees.Complicated.Digest), Is.Null);
        await putter.CompleteAsync();
        await AssertHoldsAsync(SampleTrees.Complicated);
    }

    /// <summary>An upload that is abandoned, or never used, stores nothing.</summary>
    [Test]
    public async Task Upload_Abandoned_StoresNothing()
    {
        await using (DirectoryPutter putter = Service.OpenPutter())
        {
            await putter.PutAsync(SampleTrees.Keep);
            await putter.PutAsync(SampleTrees.Complicated);
        }

        DirectoryPutter unused = Service.OpenPutter();
        await unused.DisposeAsync();
        await unused.DisposeAsync();
        Assert.That(async () => await unused.PutAsync(SampleTrees.Keep), Throws.InstanceOf<InvalidOperationException>());
        Assert.That(async () => await unused.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());

        Assert.That(await Service.GetAsync(SampleTrees.Keep.Digest), Is.Null);
        Assert.That(await GetClosureAsync(SampleTrees.Complicated.Digest), Is.Empty);
    }

    /// <summary>An upload of nothing is an error.</summary>
    [Test]
    public async Task Upload_Nothing_Throws()
    {
        await using DirectoryPutter putter = Service.OpenPutter();
        Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidDirectoryException>());
        Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());
    }

    /// <summary>A directory cannot come before its child, even if the service has the child already.</summary>
    [Test]
    public async Task Upload_ChildMissing_Throws([Values] bool childIsStored)
    {
        if (childIsStored)
        {
            await UploadAsync([SampleTrees.Keep]);
        }

        await AssertUploadFailsAsync([SampleTrees.Complicated], SampleTrees.Complicated);
        await AssertUploadFailsAsync([SampleTrees.Complicated, SampleTrees.Keep], SampleTrees.Complicated);
    }

    /// <summary>A directory that records a wrong size for its child is turned down.</summary>
    [Test]
    public async Task Upload_WrongSize_Throws()
    {
        CastoreDirectory wrong = SampleTrees.Make(("foo", new Node.Directory(SampleTrees.Empty.Digest, 42)));
        await AssertUploadFailsAsync([SampleTrees.Empty, wrong], wrong);
    }

    /// <summary>Sizes by the older rule are accepted or turned down, as claimed.</summary>
    [Test]
    public async Task Upload_SingleSizes_DoesAsClaimed()
    {
        CastoreDirectory root = SampleTrees.ComplicatedBySingleSize;
        if (!AcceptsSingleSizes)
        {
            await AssertUploadFailsAsync([SampleTrees.Keep, root], root);
            return;
        }

        Assert.That(await UploadAsync([SampleTrees.Keep, root]), Is.EqualTo(root.Digest));
        await AssertHoldsClosureAsync(new("single sizes", [SampleTrees.Keep, root]));
    }

    /// <summary>What is uploaded together must be one tree.</summary>
    [Test]
    public async Task Upload_TwoRoots_Throws() =>
        await AssertUploadFailsAsync(
            [SampleTrees.Empty, SampleTrees.TwoEmptyChildren, SampleTrees.OneEmptyChild],
            SampleTrees.TwoEmptyChildren,
            SampleTrees.OneEmptyChild);

    /// <summary>A complete upload takes nothing more.</summary>
    [Test]
    public async Task Putter_AfterCompletion_Throws()
    {
        await using DirectoryPutter putter = Service.OpenPutter();
        await putter.PutAsync(SampleTrees.Keep);
        await putter.CompleteAsync();
        Assert.That(async () => await putter.PutAsync(SampleTrees.Keep), Throws.InstanceOf<InvalidOperationException>());
        Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());
        await AssertHoldsAsync(SampleTrees.Keep);
    }

    /// <summary>Nothing can be put that is nothing.</summary>
    [Test]
    public async Task Put_Null_Throws()
    {
        Assert.That(async () => await Service.PutAsync(null!), Throws.InstanceOf<ArgumentNullException>());
        await using DirectoryPutter putter = Service.OpenPutter();
        Assert.That(async () => await putter.PutAsync(null!), Throws.InstanceOf<ArgumentNullException>());
    }

    /// <summary>A closure need not be read to its end.</summary>
    [Test]
    public async Task GetClosure_StoppedEarly_DoesNoHarm()
    {
        SampleTree tree = SampleTrees.Wide(50);
        await UploadAsync(tree.LeavesToRoot);
        await foreach (CastoreDirectory directory in Service.GetClosureAsync(tree.Root.Digest))
        {
            Assert.That(directory, Is.EqualTo(tree.Root));
            break;
        }

        await AssertHoldsClosureAsync(tree);
    }

    /// <summary>Every member looks at its token.</summary>
    [Test]
    public async Task Anything_Cancelled_Throws()
    {
        await UploadAsync([SampleTrees.Keep]);
        CancellationToken cancelled = new(canceled: true);
        Assert.That(
            async () => await Service.GetAsync(SampleTrees.Keep.Digest, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(async () => await Service.PutAsync(SampleTrees.Empty, cancelled), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(
            async () =>
            {
                await foreach (CastoreDirectory _ in Service.GetClosureAsync(SampleTrees.Keep.Digest, cancelled))
                {
                }
            },
            Throws.InstanceOf<OperationCanceledException>());

        await using (DirectoryPutter putter = Service.OpenPutter())
        {
            Assert.That(async () => await putter.PutAsync(SampleTrees.Empty, cancelled), Throws.InstanceOf<OperationCanceledException>());
        }

        await using (DirectoryPutter putter = Service.OpenPutter())
        {
            await putter.PutAsync(SampleTrees.Empty);
            Assert.That(async () => await putter.CompleteAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
        }

        Assert.That(await Service.GetAsync(SampleTrees.Empty.Digest), Is.Null);
    }

    private async Task<B3Digest> UploadAsync(IEnumerable<CastoreDirectory> directories)
    {
        await using DirectoryPutter putter = Service.OpenPutter();
        foreach (CastoreDirectory directory in directories)
        {
            await putter.PutAsync(directory);
        }

        return await putter.CompleteAsync();
    }

    /// <summary>The upload throws where the fault is or later, cannot be completed after that, and stores nothing.</summary>
    private async Task AssertUploadFailsAsync(IEnumerable<CastoreDirectory> directories, params CastoreDirectory[] notStored)
    {
        await using (DirectoryPutter putter = Service.OpenPutter())
        {
            Assert.That(
                async () =>
                {
                    foreach (CastoreDirectory directory in directories)
                    {
                        await putter.PutAsync(directory);
                    }

                    await putter.CompleteAsync();
                },
                Throws.InstanceOf<InvalidDirectoryException>());
            Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<InvalidOperationException>());
        }

        foreach (CastoreDirectory directory in notStored)
        {
            Assert.That(await Service.GetAsync(directory.Digest), Is.Null);
        }
    }

    private async Task AssertHoldsAsync(CastoreDirectory directory)
    {
        CastoreDirectory? found = await Service.GetAsync(directory.Digest);
        Assert.That(found, Is.Not.Null);
        Assert.That(found!.Digest, Is.EqualTo(directory.Digest));
        Assert.That(found.Entries, Is.EqualTo(directory.Entries));
    }

    private async Task AssertHoldsClosureAsync(SampleTree tree)
    {
        List<CastoreDirectory> found = await GetClosureAsync(tree.Root.Digest);
        Assert.That(found.Select(directory => directory.Digest), Is.EquivalentTo(tree.LeavesToRoot.Select(directory => directory.Digest)));
        DirectoryClosure closure = DirectoryClosure.RootToLeaves(tree.Root.Digest);
        foreach (CastoreDirectory directory in found)
        {
            closure.Add(directory);
        }

        Assert.That(closure.Validate(), Is.EqualTo(tree.Root));
    }

    private async Task<List<CastoreDirectory>> GetClosureAsync(B3Digest root)
    {
        List<CastoreDirectory> directories = [];
        await foreach (CastoreDirectory directory in Service.GetClosureAsync(root))
        {
            directories.Add(directory);
        }

        return directories;
    }
}
