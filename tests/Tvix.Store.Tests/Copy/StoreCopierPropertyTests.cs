using NUnit.Framework;
using Tvix.Castore.Model;
using Tvix.Store.Copy;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Tests.Copy;

/// <summary>Closures of any shape, into targets that have any part of them already.</summary>
[TestFixture]
public sealed class StoreCopierPropertyTests
{
    [FsCheck.NUnit.Property(MaxTest = 150, Replay = "11,13")]
    public async Task Copy_AnyClosure_IsCompleteAndNothingMovesTwice(int seed)
    {
        Random random = new(seed);
        TvixStore source = SampleClosure.NewStore();
        string[] names = [.. Enumerable.Range(0, random.Next(1, 12)).Select(i => $"p{i}")];
        List<Node> nodes = [await source.PutFileAsync("")];
        foreach (string name in names)
        {
            // Trees share parts, and references may go anywhere: back, forth, to themselves.
            Node root = await MakeTreeAsync(source, random, nodes, random.Next(4));
            await source.PutPathAsync(name, root, [.. names.Where(_ => random.Next(names.Length) < 2)]);
        }

        WatchedStore watchedSource = new(source);
        WatchedStore target = new(SampleClosure.NewStore());
        await FillPartlyAsync(source, target.Inner, random, names);
        CopyOptions options = new()
        {
            SmallBlobBytes = random.Next(3) * 40,
            ConcurrentPaths = random.Next(1, 4),
            ConcurrentLookups = random.Next(1, 20),
            ConcurrentReads = random.Next(1, 4),
            ConcurrentWrites = random.Next(1, 4),
        };
        StorePath[] roots = [.. names.Where(_ => random.Next(3) == 0).Select(SampleClosure.PathOf)];
        StoreCopier copier = new(watchedSource.Store, target.Store, options);

        CopyResult first = await copier.CopyAsync(roots);

        HashSet<StorePath> closure = await ClosureAsync(source, roots);
        Assert.That(first.CopiedPaths.Count + first.PathsAlreadyThere, Is.EqualTo(closure.Count));
        foreach (StorePath path in closure)
        {
            Assert.That(await target.Inner.PathInfos.GetAsync(path.Digest), Is.EqualTo(await source.PathInfos.GetAsync(path.Digest)));
        }

        await foreach (StoreFinding finding in target.Inner.VerifyAsync())
        {
            Assert.Fail(finding.Message);
        }

        Assert.That(watchedSource.Count("read") + watchedSource.Count("open"), Is.EqualTo(first.Blobs), "each blob is read once");
        watchedSource.Counts.Clear();
        target.Counts.Clear();
        CopyResult second = await copier.CopyAsync(roots);
        Assert.That(second.CopiedPaths, Is.Empty);
        Assert.That(watchedSource.Counts.Keys, Is.SubsetOf(new[] { "info" }));
        Assert.That(target.Counts.Keys, Is.SubsetOf(new[] { "info" }));
    }

    private static async Task<Node> MakeTreeAsync(TvixStore store, Random random, List<Node> nodes, int depth)
    {
        Node node = (random.Next(5), depth) switch
        {
            (0, _) => nodes[random.Next(nodes.Count)],
            (1, _) => new Node.Symlink(new SymlinkTarget($"t{random.Next(9)}")),
            (_, 0) => await store.PutFileAsync(SampleClosure.Bytes(random.Next(30), random.Next(100))),
            _ => await MakeDirectoryAsync(),
        };
        nodes.Add(node);
        return node;

        async Task<Node> MakeDirectoryAsync()
        {
            (string, Node)[] entries = new (string, Node)[random.Next(5)];
            for (int i = 0; i < entries.Length; i++)
            {
                entries[i] = ($"e{i}", await MakeTreeAsync(store, random, nodes, depth - 1));
            }

            return await store.PutTreeAsync(entries);
        }
    }

    /// <summary>Gives the target some paths with their contents, and some directories and blobs without anything.</summary>
    private static async Task FillPartlyAsync(TvixStore source, TvixStore target, Random random, string[] names)
    {
        foreach (string name in names)
        {
            PathInfo info = (await source.PathInfos.GetAsync(SampleClosure.PathOf(name).Digest))!;
            bool whole = random.Next(4) == 0;
            int share = whole ? 1 : random.Next(1, 4);
            if (info.Node is Node.Directory root)
            {
                await foreach (CastoreDirectory directory in source.Directories.GetClosureAsync(root.Digest))
                {
                    if (random.Next(share) == 0)
                    {
                        await target.Directories.PutAsync(directory);
                    }

                    foreach (Node.File file in directory.Select(entry => entry.Node).OfType<Node.File>().Where(_ => random.Next(share) == 0))
                    {
                        await PutAsync(file);
                    }
                }
            }
            else if (info.Node is Node.File file && whole)
            {
                await PutAsync(file);
            }

            if (whole)
            {
                await target.PathInfos.PutAsync(info);
            }
        }

        async Task PutAsync(Node.File file)
        {
            using Castore.Blobs.BlobContent content = (await source.Blobs.ReadAsync(file.Digest, 1000))!;
            await target.Blobs.PutAsync(content.Memory);
        }
    }

    private static async Task<HashSet<StorePath>> ClosureAsync(TvixStore store, StorePath[] roots)
    {
        HashSet<StorePath> closure = [];
        Stack<StorePath> left = new(roots);
        while (left.TryPop(out StorePath? path))
        {
            if (closure.Add(path))
            {
                foreach (StorePath reference in (await store.PathInfos.GetAsync(path.Digest))!.References)
                {
                    left.Push(reference);
                }
            }
        }

        return closure;
    }
}
