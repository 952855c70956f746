using NUnit.Framework;
using Tvix.Castore;
using Tvix.Store.Copy;

namespace Tvix.Store.Tests.Copy;

/// <summary>A copy that ends early, at every place where it can, and goes on later.</summary>
[TestFixture]
public sealed class StoreCopierInterruptionTests
{
    private static readonly string[] s_all = ["bottom", "left", "right", "top"];

    // Small blobs in batches, and all blobs streamed; all at a time, and one after the other.
    private static readonly CopyOptions[] s_options =
    [
        new(),
        new() { SmallBlobBytes = 0 },
        new() { ConcurrentPaths = 1, ConcurrentLookups = 1, ConcurrentReads = 1, ConcurrentWrites = 1 },
    ];

    [Test]
    public async Task Copy_TargetFailsAtAnyOperation_IsSoundAndGoesOn([Values] bool after, [Range(0, 2)] int options)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        int failures = 0;
        for (int at = 1; ; at++)
        {
            WatchedStore target = new(SampleClosure.NewStore());
            Action<int, string> fail = (number, name) =>
            {
                if (number == at)
                {
                    throw new StorageException("as planned", isTransient: true);
                }
            };
            (target.Before, target.After) = after ? (null, fail) : (fail, (Action<int, string>?)null);
            StoreCopier copier = new(source, target.Store, s_options[options]);
            try
            {
                await copier.CopyAsync([SampleClosure.PathOf("top")]);
                if (target.Operations < at)
                {
                    break;
                }

                Assert.That(after, Is.True, "only that a walk begins has no end");
            }
            catch (StorageException e) when (e.Message == "as planned")
            {
                failures++;
            }

            await CheckAndGoOnAsync(source, target, copier);
        }

        Assert.That(failures, Is.GreaterThan(20));
    }

    [Test]
    public async Task Copy_SourceFailsAtAnyOperation_IsSoundAndGoesOn([Range(0, 2)] int options)
    {
        TvixStore inner = await SampleClosure.DiamondAsync();
        int failures = 0;
        for (int at = 1; ; at++)
        {
            WatchedStore source = new(inner)
            {
                Before = (number, _) =>
                {
                    if (number == at)
                    {
                        throw new StorageException("as planned", isTransient: true);
                    }
                },
            };
            WatchedStore target = new(SampleClosure.NewStore());
            StoreCopier copier = new(source.Store, target.Store, s_options[options]);
            try
            {
                await copier.CopyAsync([SampleClosure.PathOf("top")]);
                break;
            }
            catch (StorageException e) when (e.Message == "as planned")
            {
                failures++;
            }

            await CheckAndGoOnAsync(inner, target, copier);
        }

        Assert.That(failures, Is.GreaterThan(8));
    }

    [Test]
    public async Task Copy_CancelledAtAnyOperation_IsSoundAndGoesOn([Range(0, 2)] int options)
    {
        TvixStore source = await SampleClosure.DiamondAsync();
        int cancelled = 0;
        for (int at = 1; ; at++)
        {
            using CancellationTokenSource cancellation = new();
            WatchedStore target = new(SampleClosure.NewStore())
            {
                Before = (number, _) =>
                {
                    if (number == at)
                    {
                        cancellation.Cancel();
                    }
                },
            };
            StoreCopier copier = new(source, target.Store, s_options[options]);
            try
            {
                await copier.CopyAsync([SampleClosure.PathOf("top")], null, cancellation.Token);
                Assert.That(cancellation.IsCancellationRequested, Is.False, "else it must not seem to have been completed");
                break;
            }
            catch (OperationCanceledException e)
            {
                Assert.That(e.CancellationToken, Is.EqualTo(cancellation.Token));
                cancelled++;
            }

            await CheckAndGoOnAsync(source, target, copier);
        }

        Assert.That(cancelled, Is.GreaterThan(20));
    }

    [Test]
    public async Task Copy_CancelledBefore_DoesNothing()
    {
        WatchedStore source = new(await SampleClosure.DiamondAsync());
        Assert.That(
            async () => await new StoreCopier(source.Store, SampleClosure.NewStore())
                .CopyAsync([SampleClosure.PathOf("top")], null, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(source.Operations, Is.Zero);
    }

    private static async Task CheckAndGoOnAsync(TvixStore source, WatchedStore target, StoreCopier copier)
    {
        // What is visible is complete, although anything may be missing.
        await target.Inner.AssertCompleteAsync();

        CopyResult result = await copier.CopyAsync([SampleClosure.PathOf("top")]);
        Assert.That(result.CopiedPaths.Count + result.PathsAlreadyThere, Is.EqualTo(4));
        await target.Inner.AssertHasAsync(source, s_all);
    }
}
