using Microsoft.Extensions.Logging;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Server;

/// <summary>Whether services answer. Each is asked for something that is not there, at most once an interval however many want to know.</summary>
internal sealed class StoreHealth
{
    private readonly Dictionary<string, Probe[]> _byService = new(StringComparer.Ordinal);

    public StoreHealth(IBlobService blobs, IDirectoryService directories, IPathInfoService pathInfos, TvixStoreGrpcOptions options, ILogger logger)
    {
        // The digest of zeros is that of nothing, so that no cache has it and the question goes all the way.
        Probe blob = new("blob", async token => await blobs.HasAsync(default, token).ConfigureAwait(false), options, logger);
        Probe directory = new("directory", async token => await directories.GetAsync(default, token).ConfigureAwait(false), options, logger);
        Probe pathInfo = new("path info", async token => await pathInfos.GetAsync(default, token).ConfigureAwait(false), options, logger);
        _byService.Add("", [blob, directory, pathInfo]);
        foreach (StoreMethods methods in (ReadOnlySpan<StoreMethods>)[StoreMethods.Tvix, StoreMethods.Snix])
        {
            _byService.Add(methods.Blobs.FullName, [blob]);
            _byService.Add(methods.Directories.FullName, [directory]);
            _byService.Add(methods.PathInfos.FullName, [pathInfo]);
        }
    }

    /// <summary>Whether a service is one of the store's; the empty name stands for all together.</summary>
    public bool Knows(string service) => _byService.ContainsKey(service);

    /// <summary>Whether a known service answers, now or not long ago.</summary>
    public async ValueTask<bool> IsServingAsync(string service, CancellationToken cancellationToken)
    {
        Task<bool>[] answers = [.. _byService[service].Select(probe => probe.AskAsync())];
        bool[] all = await Task.WhenAll(answers).WaitAsync(cancellationToken).ConfigureAwait(false);
        return all.All(isServing => isServing);
    }

    private sealed class Probe(string name, Func<CancellationToken, Task> ask, TvixStoreGrpcOptions options, ILogger logger)
    {
        private readonly Lock _lock = new();
        private readonly TimeProvider _time = options.TimeProvider;
        private Task<bool>? _answer;
        private long _answeredAt;
        private Task? _abandoned; // the question that was not answered in time
        private bool? _last;

        public Task<bool> AskAsync()
        {
            lock (_lock)
            {
                bool isFresh = _answer is { IsCompleted: false } || (_answer is not null && _time.GetElapsedTime(_answeredAt) < options.HealthInterval);

                // A service that hangs is not asked again before it has answered: the questions would pile up.
                return isFresh || _abandoned is { IsCompleted: false } ? _answer! : _answer = Task.Run(RunAsync);
            }
        }

        private async Task<bool> RunAsync()
        {
            Exception? failure = null;
            Task? asking = null;
            using (CancellationTokenSource tooLong = new(options.HealthTimeout, _time))
            {
                try
                {
                    // A service that does not listen to the token is not waited for either, nor one that does not even return.
                    CancellationToken token = tooLong.Token;
                    asking = Task.Run(() => ask(token), CancellationToken.None);
                    await asking.WaitAsync(token).ConfigureAwait(false);
                }
                catch (Exception e) when (e is DigestMismatchException or InvalidDirectoryException or InvalidPathInfoException)
                {
                    // Damaged, but it answers.
                }
                catch (Exception e)
                {
                    failure = e; // whatever it is: a service that throws does not serve, and that is what is answered and logged
                }
            }

            bool isServing = failure is null;
            if (_last != isServing && !(_last is null && isServing))
            {
                Log.HealthChanged(logger, failure, name, isServing);
            }

            _ = asking?.ContinueWith( // nobody else looks at how it ends
                static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            lock (_lock)
            {
                _abandoned = asking;
                _last = isServing;
                _answeredAt = _time.GetTimestamp();
            }

            return isServing;
        }
    }
}
