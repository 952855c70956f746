using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(SimpleDirectoryPutter))]
public sealed class SimpleDirectoryPutterTests
{
    [Test]
    public async Task CompleteAsync_Tree_PutsLeavesFirstAndEachOnce()
    {
        ScriptedService service = new();
        await using SimpleDirectoryPutter putter = new(service);
        foreach (CastoreDirectory directory in new[] { SampleTrees.Keep, SampleTrees.Keep, SampleTrees.Complicated })
        {
            await putter.PutAsync(directory);
        }

        Assert.That(service.Puts, Is.Empty);
        Assert.That(await putter.CompleteAsync(), Is.EqualTo(SampleTrees.Complicated.Digest));
        Assert.That(service.Puts, Is.EqualTo(new[] { SampleTrees.Keep, SampleTrees.Complicated }));
    }

    [Test]
    public async Task CompleteAsync_ServiceAnswersAnotherDigest_Throws()
    {
        await using SimpleDirectoryPutter putter = new(new ScriptedService { Answer = B3Digest.Empty });
        await putter.PutAsync(SampleTrees.Keep);
        Assert.That(async () => await putter.CompleteAsync(), Throws.InstanceOf<StorageException>());
        Assert.That(async () => await putter.CompleteAsync(), Throws.InvalidOperationException);
    }

    [Test]
    public async Task PutAsync_SizeCheck_IsThatOfThePutter()
    {
        await using SimpleDirectoryPutter putter = new(new ScriptedService(), DirectorySizeCheck.EntriesTwice);
        await putter.PutAsync(SampleTrees.Keep);
        Assert.That(async () => await putter.PutAsync(SampleTrees.ComplicatedBySingleSize), Throws.InstanceOf<InvalidDirectoryException>());
    }

    private sealed class ScriptedService : IDirectoryService
    {
        public List<CastoreDirectory> Puts { get; } = [];

        public B3Digest? Answer { get; init; }

        public ValueTask<CastoreDirectory?> GetAsync(B3Digest digest, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public ValueTask<B3Digest> PutAsync(CastoreDirectory directory, CancellationToken cancellationToken = default)
        {
            Puts.Add(directory);
            return new(Answer ?? directory.Digest);
        }
    }
}
