using NUnit.Framework;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Testing.PathInfos;

/// <summary>
/// What every <see cref="IPathInfoService"/> must do. Inherit it in a test fixture, make a service, and say what it cannot do.
/// </summary>
public abstract class PathInfoServiceContract
{
    /// <summary>An empty service. It is disposed after the test if it is disposable.</summary>
    protected abstract ValueTask<IPathInfoService> CreateAsync();

    /// <summary>Whether path infos can be stored.</summary>
    protected virtual bool CanPut => true;

    /// <summary>Whether path infos can be listed.</summary>
    protected virtual bool CanList => true;

    /// <summary>Whether storing adds signatures.</summary>
    protected virtual bool AddsSignatures => false;

    /// <summary>The path infos that are stored and read back.</summary>
    public static IEnumerable<TestCaseData> Samples =>
        SamplePathInfos.All.Select((sample, i) => new TestCaseData(sample).SetArgDisplayNames($"sample {i}"));

    /// <summary>What is stored is what is found.</summary>
    [TestCaseSource(nameof(Samples))]
    public async Task Put_ThenGet_GivesWhatPutReturned(PathInfo sample)
    {
        await WithServiceAsync(async service =>
        {
            if (!CanPut)
            {
                Assert.That(async () => await service.PutAsync(sample), Throws.TypeOf<NotSupportedException>());
                return;
            }

            PathInfo stored = await service.PutAsync(sample);

            Assert.That(await service.GetAsync(sample.StorePath.Digest), Is.EqualTo(stored));
            Assert.That(stored with { Signatures = sample.Signatures }, Is.EqualTo(sample));
            Assert.That(stored.Signatures.Take(sample.Signatures.Count), Is.EqualTo(sample.Signatures));
            Assert.That(
                stored.Signatures,
                AddsSignatures ? Has.Count.GreaterThan(sample.Signatures.Count) : Has.Count.EqualTo(sample.Signatures.Count));
        });
    }

    /// <summary>Absence is an answer.</summary>
    [Test]
    public async Task Get_UnknownDigest_GivesNull()
    {
        await WithServiceAsync(async service =>
        {
            if (CanPut)
            {
                await service.PutAsync(SamplePathInfos.Numbered(1));
            }

            Assert.That(await service.GetAsync(SamplePathInfos.Numbered(2).StorePath.Digest), Is.Null);
        });
    }

    /// <summary>The digest alone is the key, and what was stored last counts.</summary>
    [Test]
    public async Task Put_SameDigestAgain_Replaces()
    {
        RequirePut();
        await WithServiceAsync(async service =>
        {
            PathInfo first = SamplePathInfos.Numbered(1);
            PathInfo second = first with { StorePath = new StorePath(first.StorePath.Digest, "another-name"), NarSize = 4711 };
            await service.PutAsync(first);

            PathInfo stored = await service.PutAsync(second);

            Assert.That(await service.GetAsync(first.StorePath.Digest), Is.EqualTo(stored));
            Assert.That(stored with { Signatures = [] }, Is.EqualTo(second));
            if (CanList)
            {
                Assert.That(await ToListAsync(service.ListAsync()), Is.EqualTo(new[] { stored }));
            }
        });
    }

    /// <summary>A record may gain signatures over time.</summary>
    [Test]
    public async Task Put_WithMoreSignatures_KeepsThemInOrder()
    {
        RequirePut();
        await WithServiceAsync(async service =>
        {
            PathInfo unsigned = SamplePathInfos.Full with { Signatures = [] };
            await service.PutAsync(unsigned);
            await service.PutAsync(SamplePathInfos.Full);

            PathInfo? found = await service.GetAsync(unsigned.StorePath.Digest);

            Assert.That(found!.Signatures.Take(2), Is.EqualTo(SamplePathInfos.Full.Signatures));
        });
    }

    /// <summary>Everything is listed, once.</summary>
    [TestCase(0)]
    [TestCase(1)]
    [TestCase(100)]
    public async Task List_OfSeveral_GivesEachOnce(int count)
    {
        await WithServiceAsync(async service =>
        {
            if (!CanList)
            {
                Assert.That(() => service.ListAsync(), Throws.TypeOf<NotSupportedException>());
                return;
            }

            List<PathInfo> stored = [];
            for (int i = 0; CanPut && i < count; i++)
            {
                stored.Add(await service.PutAsync(SamplePathInfos.Numbered(i)));
            }

            Assert.That(await ToListAsync(service.ListAsync()), Is.EquivalentTo(stored));
        });
    }

    /// <summary>A slow reader of the list must not stop others.</summary>
    [Test]
    public async Task List_WhileOthersPutAndGet_DoesNotBlockThem()
    {
        if (!CanList || !CanPut)
        {
            Assert.Pass("Asserted by the other tests to be unsupported.");
        }

        await WithServiceAsync(async service =>
        {
            for (int i = 0; i < 3; i++)
            {
                await service.PutAsync(SamplePathInfos.Numbered(i));
            }

            int listed = 0;
            await foreach (PathInfo _ in service.ListAsync())
            {
                await service.PutAsync(SamplePathInfos.Numbered(listed));
                Assert.That(await service.GetAsync(SamplePathInfos.Numbered(listed).StorePath.Digest), Is.Not.Null);
                listed++;
            }

            Assert.That(listed, Is.EqualTo(3));
        });
    }

    /// <summary>Many at once lose nothing.</summary>
    [Test]
    public async Task PutAndGet_FromManyTasks_LoseNothing()
    {
        RequirePut();
        await WithServiceAsync(async service =>
        {
            await Parallel.ForAsync(0, 64, async (i, cancellationToken) =>
            {
                await service.PutAsync(SamplePathInfos.Numbered(i), cancellationToken);
                PathInfo? found = await service.GetAsync(SamplePathInfos.Numbered(i).StorePath.Digest, cancellationToken);
                Assert.That(found?.StorePath, Is.EqualTo(SamplePathInfos.Numbered(i).StorePath));
            });

            for (int i = 0; i < 64; i++)
            {
                Assert.That(await service.GetAsync(SamplePathInfos.Numbered(i).StorePath.Digest), Is.Not.Null);
            }
        });
    }

    /// <summary>A key name that no narinfo could hold is nobody's business here.</summary>
    [Test]
    public async Task Put_SignatureWithOddName_IsKept()
    {
        RequirePut();
        await WithServiceAsync(async service =>
        {
            PathInfo odd = SamplePathInfos.Numbered(1) with { Signatures = [OddSignature()] };

            await service.PutAsync(odd);

            PathInfo? found = await service.GetAsync(odd.StorePath.Digest);
            Assert.That(found!.Signatures[0], Is.EqualTo(odd.Signatures[0]));
        });
    }

    /// <summary>Cancelled before it began.</summary>
    [Test]
    public async Task Any_WithCancelledToken_IsCancelled()
    {
        await WithServiceAsync(async service =>
        {
            CancellationToken cancelled = new(canceled: true);

            Assert.That(async () => await service.GetAsync(default, cancelled), Throws.InstanceOf<OperationCanceledException>());
            if (CanPut)
            {
                Assert.That(
                    async () => await service.PutAsync(SamplePathInfos.Minimal, cancelled),
                    Throws.InstanceOf<OperationCanceledException>());
                await service.PutAsync(SamplePathInfos.Minimal);
            }

            if (CanList && CanPut)
            {
                Assert.That(async () => await ToListAsync(service.ListAsync(cancelled)), Throws.InstanceOf<OperationCanceledException>());
            }
        });
    }

    /// <summary>Nonsense is refused.</summary>
    [Test]
    public async Task Put_Null_Throws()
    {
        RequirePut();
        await WithServiceAsync(service =>
        {
            Assert.That(async () => await service.PutAsync(null!), Throws.ArgumentNullException);
            return Task.CompletedTask;
        });
    }

    private static NarSignature OddSignature()
    {
        // Such a signature can only come in a message: a name of one blank, and 64 zero bytes.
        byte[] signature = [0x0a, 1, (byte)' ', 0x12, 64, .. new byte[64]];
        byte[] narInfo = [0x12, 32, .. new byte[32], 0x1a, (byte)signature.Length, .. signature];
        byte[] message = [.. SamplePathInfos.Zeros.Encode().AsSpan(0, 2 + 0x4c), 0x1a, (byte)narInfo.Length, .. narInfo];
        return PathInfo.Decode(message).Signatures[0];
    }

    private static async Task<List<PathInfo>> ToListAsync(IAsyncEnumerable<PathInfo> pathInfos)
    {
        List<PathInfo> list = [];
        await foreach (PathInfo pathInfo in pathInfos)
        {
            list.Add(pathInfo);
        }

        return list;
    }

    private void RequirePut()
    {
        if (!CanPut)
        {
            Assert.Pass("Put_ThenGet_GivesWhatPutReturned asserts that storing is refused.");
        }
    }

    private async Task WithServiceAsync(Func<IPathInfoService, Task> test)
    {
        IPathInfoService service = await CreateAsync();
        try
        {
            await test(service);
        }
        finally
        {
            switch (service)
            {
                case IAsyncDisposable disposable:
                    await disposable.DisposeAsync();
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }
        }
    }
}
