using System.Runtime.ExceptionServices;
using Tvix.Castore.Import;
using Tvix.Store.Cli.Keys;
using Tvix.Store.Cli.NixDatabase;
using Tvix.Store.Cli.Progress;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Push;

/// <summary>Stores what Nix has on disk in another store.</summary>
/// <remarks>
/// A path info is stored after its contents and after all that it refers to, so that after an interruption every store path in the target is
/// complete. Contents are those that Nix has registered, or nothing of them becomes visible. Memory is bounded: so many paths are read at a
/// time, each with buffers of a fixed size.
/// </remarks>
/// <param name="location">The store of Nix.</param>
/// <param name="target">Where things go.</param>
/// <param name="signer">Adds signatures; <see langword="null"/> for none but those that Nix has.</param>
internal sealed class NixPusher(NixStoreLocation location, TvixStore target, KeySigner? signer)
{
    private const int ConcurrentLookups = 64;
    private const int ConcurrentPaths = 4;
    private const long BufferBytes = 64 << 20;

    private readonly Lock _gate = new();
    private int _pushed;
    private int _signed;
    private long _bytesRead;

    /// <summary>Pushes store paths.</summary>
    /// <param name="records">The store paths, each after those that it refers to.</param>
    /// <param name="progress">Is told how far the push has come.</param>
    /// <param name="cancellationToken">Ends the push.</param>
    /// <exception cref="ToolException">Something on disk is not what Nix has registered, or the target says something else of a path.</exception>
    public async Task<PushResult> PushAsync(IReadOnlyList<NixPathRecord> records, IWorkProgress progress, CancellationToken cancellationToken)
    {
        PathInfo?[] known = new PathInfo?[records.Count];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = ConcurrentLookups, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Enumerable.Range(0, records.Count), parallel, async (i, token) =>
        {
            known[i] = await target.PathInfos.GetAsync(records[i].StorePath.Digest, token);
            CheckAgrees(records[i], known[i]);
        });

        double total = records.Where((_, i) => known[i] is null).Sum(record => (double)(record.NarSize ?? 0));
        Dictionary<StorePath, Task> stored = [];
        ExceptionDispatchInfo? failure = null;
        using SemaphoreSlim turns = new(ConcurrentPaths);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            for (int i = 0; i < records.Count; i++)
            {
                await turns.WaitAsync(stop.Token);
                NixPathRecord record = records[i];

                // What is not there yet is the path itself, or refers back to it.
                Task[] before = [.. record.References.Select(reference => stored.GetValueOrDefault(reference)).OfType<Task>()];
                stored.Add(record.StorePath, StoreAsync(record, known[i], before));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Why is told below.
        }

        await Task.WhenAll(stored.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        failure?.Throw();
        return new PushResult(_pushed, records.Count - _pushed, _signed, _bytesRead);

        async Task StoreAsync(NixPathRecord record, PathInfo? there, Task[] references)
        {
            try
            {
                PathInfo info;
                try
                {
                    info = there ?? await ImportAsync(record, total, progress, stop.Token);
                }
                finally
                {
                    turns.Release();
                }

                await Task.WhenAll(references).WaitAsync(stop.Token);
                await PutAsync(record, info, isNew: there is null, stop.Token);
            }
            catch (Exception e)
            {
                // What fails later mostly does because it was stopped.
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
                await stop.CancelAsync();
                throw;
            }
        }
    }

    /// <summary>Refuses a path of which the target says something else.</summary>
    private void CheckAgrees(NixPathRecord record, PathInfo? known)
    {
        string? difference = known is null ? null
            : known.StorePath != record.StorePath ? "another name"
            : known.NarHash != record.NarHash || (record.NarSize is { } size && known.NarSize != size) ? "another NAR hash or size"
            : !known.References.ToHashSet().SetEquals(record.References) ? "other references"
            : null;
        if (difference is not null)
        {
            throw ToolException.Failure(
                $"'{record.StorePath.ToAbsolutePath(location.StoreDirectory)}' is in the target already, with {difference}. Nothing was pushed.");
        }
    }

    private async Task<PathInfo> ImportAsync(NixPathRecord record, double total, IWorkProgress progress, CancellationToken cancellationToken)
    {
        string path = location.OnDisk(record.StorePath);
        ContentsImportOptions options = new()
        {
            ExpectedSize = record.NarSize,
            ExpectedSha256 = record.NarHash,
            FileSystem = { BufferBytes = BufferBytes / ConcurrentPaths },
        };
        try
        {
            NarIngestResult found = await target.ImportContentsAsync(path, options, new Counter(this, total, progress), cancellationToken);
            return record.ToPathInfo(found.Root, found.NarSize);
        }
        catch (NarHashMismatchException e)
        {
            throw new ToolException(ExitCode.Failure, $"'{path}' is not what Nix has registered. {e.Message}", e);
        }
        catch (ImportException) when (!PathOnDisk.Exists(path))
        {
            throw ToolException.Failure($"'{path}', which is valid in the store of Nix, does not exist.");
        }
    }

    private async Task PutAsync(NixPathRecord record, PathInfo info, bool isNew, CancellationToken cancellationToken)
    {
        PathInfo next = info;
        if (!isNew && info.References.SequenceEqual(record.References)) // else the signatures would be over something else
        {
            next = info with { Signatures = [.. info.Signatures, .. record.Signatures.Except(info.Signatures)] };
        }

        next = signer?.Sign(next) ?? next;
        if (isNew || next != info)
        {
            await target.PathInfos.PutAsync(next, cancellationToken);
            Interlocked.Increment(ref isNew ? ref _pushed : ref _signed);
        }
    }

    /// <summary>Adds up what the imports read that run at the same time.</summary>
    private sealed class Counter(NixPusher pusher, double total, IWorkProgress progress) : IProgress<ImportProgress>
    {
        private long _before;

        public void Report(ImportProgress value)
        {
            lock (pusher._gate)
            {
                pusher._bytesRead += value.Bytes - _before;
                _before = value.Bytes;
                progress.Report(pusher._bytesRead, total, pusher._bytesRead, pusher._pushed);
            }
        }
    }
}
