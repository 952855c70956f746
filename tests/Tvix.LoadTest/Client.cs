using System.Net.Sockets;
using Tvix.Castore;
using Tvix.Castore.Blobs;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Store;
using Tvix.Store.Grpc.Client;
using Tvix.Store.Nar;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.LoadTest;

/// <summary>One client with connections of its own, which does one random thing after the other.</summary>
internal sealed class Client(string address, int seed, Tally tally) : IAsyncDisposable
{
    private const int LargestBlob = 8 << 20;

    private readonly Random _random = new(seed);
    private readonly List<NetworkStream> _connections = [];
    private GrpcStore _store = null!;

    /// <summary>Goes on until the time is over; what is under way then is completed.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        Open();
        while (!stop.IsCancellationRequested)
        {
            bool breaksOff = _random.Next(5) == 0;
            (string name, Func<CancellationToken, Task> operation) = Choose();
            await (breaksOff ? BreakOffAsync(name, operation) : CompleteAsync(name, operation));
        }
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private (string Name, Func<CancellationToken, Task> Operation) Choose() => _random.Next(10) switch
    {
        0 or 1 => ("put a small blob", PutSmallAsync),
        2 => ("put many blobs", PutManyAsync),
        3 => ("write a blob", WriteAsync),
        4 or 5 or 6 => ("read a blob", ReadAsync),
        7 => ("read a part of a blob", ReadPartAsync),
        8 => ("put a tree and its path info", PutTreeAsync),
        _ => ("get a tree and its path info", GetTreeAsync),
    };

    private async Task CompleteAsync(string name, Func<CancellationToken, Task> operation)
    {
        try
        {
            await operation(CancellationToken.None);
            tally.Done(name);
        }
        catch (Exception e) when (e is CastoreException or TvixStoreException or IOException or ArgumentException or OperationCanceledException or NotSupportedException or FormatException)
        {
            tally.Failed(name, e);
        }
    }

    /// <summary>Cancels an operation, disposes its client, or cuts its connections, at a random moment.</summary>
    private async Task BreakOffAsync(string name, Func<CancellationToken, Task> operation)
    {
        using CancellationTokenSource cancellation = new();
        int way = _random.Next(4);
        TimeSpan moment = TimeSpan.FromMilliseconds(_random.Next(60));
        Task running = operation(cancellation.Token);
        await Task.WhenAny(running, Task.Delay(moment)); // the moment is random on purpose; nothing depends on what happens until then
        string how = way switch { 0 => "dispose", 1 => "cut", _ => "cancel" };
        switch (way)
        {
            case 0:
                await _store.DisposeAsync();
                break;
            case 1:
                Cut();
                break;
            default:
                await cancellation.CancelAsync();
                break;
        }

        Exception? end = null;
        try
        {
            await running;
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or StorageException { IsTransient: true } or IOException)
        {
            end = e;
        }
        catch (Exception e) when (e is CastoreException or TvixStoreException or ArgumentException or NotSupportedException or FormatException)
        {
            tally.Failed($"{name}, {how}", e);
        }

        tally.BrokeOff(how, end);
        if (way is 0 or 1)
        {
            // A call that is sent on a connection which this client has cut itself would be its own fault.
            await _store.DisposeAsync();
            Open();
        }
    }

    private void Open() => _store = new GrpcStore(GrpcStoreAddress.Parse(address), channel => channel.ConfigureHandler = inner =>
    {
        SocketsHttpHandler handler = (SocketsHttpHandler)inner;
        var connect = handler.ConnectCallback ?? ConnectAsync;
        handler.ConnectCallback = async (context, cancellationToken) =>
        {
            Stream stream = await connect(context, cancellationToken);
            lock (_connections)
            {
                _connections.Add((NetworkStream)stream);
            }

            return stream;
        };
        return handler;
    });

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose(); // the daemon may have accepted it all the same
            throw;
        }
    }

    /// <summary>Closes the connections as if the process had been killed; over TCP, with a reset.</summary>
    private void Cut()
    {
        lock (_connections)
        {
            foreach (NetworkStream connection in _connections)
            {
                if (connection.Socket is { ProtocolType: ProtocolType.Tcp, Connected: true } socket)
                {
                    socket.LingerState = new LingerOption(true, 0);
                }

                connection.Socket.Close();
            }

            _connections.Clear();
        }
    }

    /// <summary>As many small sizes as large ones, by their number of digits.</summary>
    private int AnySize(int largest) => (int)Math.Exp(_random.NextDouble() * Math.Log(largest));

    private async Task PutSmallAsync(CancellationToken cancellationToken)
    {
        (int blobSeed, int size) = (_random.Next(), AnySize(64 << 10));
        B3Digest digest = await _store.Blobs.PutAsync(KnownBlob.Contents(blobSeed, size), cancellationToken);
        tally.Add(new KnownBlob(digest, blobSeed, size));
    }

    private async Task PutManyAsync(CancellationToken cancellationToken)
    {
        (int Seed, int Size)[] blobs = [.. Enumerable.Range(0, 20).Select(_ => (_random.Next(), AnySize(16 << 10)))];
        B3Digest[] digests = new B3Digest[blobs.Length];
        await _store.Blobs.PutManyAsync([.. blobs.Select(blob => (ReadOnlyMemory<byte>)KnownBlob.Contents(blob.Seed, blob.Size))], digests, cancellationToken);
        for (int i = 0; i < blobs.Length; i++)
        {
            tally.Add(new KnownBlob(digests[i], blobs[i].Seed, blobs[i].Size));
        }
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        (int blobSeed, int size, int piece) = (_random.Next(), AnySize(LargestBlob), _random.Next(1000, 300_000));
        byte[] contents = KnownBlob.Contents(blobSeed, size);
        BlobWriter writer = await _store.Blobs.OpenWriteAsync(cancellationToken);
        await using (writer)
        {
            for (int at = 0; at < size; at += piece)
            {
                await writer.WriteAsync(contents.AsMemory(at, Math.Min(piece, size - at)), cancellationToken);
            }

            tally.Add(new KnownBlob(await writer.CompleteAsync(cancellationToken), blobSeed, size));
        }
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        if (tally.AnyBlob(_random) is { } blob)
        {
            tally.Read(blob.Size);
            if (await Checks.FindFaultAsync(_store, blob, cancellationToken) is { } fault)
            {
                tally.Failed("read a blob", fault);
            }
        }
    }

    private async Task ReadPartAsync(CancellationToken cancellationToken)
    {
        if (tally.AnyBlob(_random) is not { } blob)
        {
            return;
        }

        int start = _random.Next(blob.Size);
        byte[] part = new byte[_random.Next(100_000)];
        Stream stream = await _store.Blobs.OpenReadAsync(blob.Digest, cancellationToken) ?? throw new StorageException($"{blob} is not there.");
        await using (stream)
        {
            stream.Position = start;
            int length = await stream.ReadAtLeastAsync(part, part.Length, throwOnEndOfStream: false, cancellationToken);
            tally.Read(length);
            if (!KnownBlob.Contents(blob.Seed, blob.Size).AsSpan(start).StartsWith(part.AsSpan(0, length)) || length != Math.Min(part.Length, blob.Size - start))
            {
                tally.Failed("read a part of a blob", "other bytes");
            }
        }
    }

    private async Task PutTreeAsync(CancellationToken cancellationToken)
    {
        // Three levels, of blobs that are there.
        List<CastoreDirectory> leavesToRoot = [];
        CastoreDirectory root = CastoreDirectory.Empty;
        List<DirectoryEntry> folders = [];
        for (int i = 0; i < 3; i++)
        {
            CastoreDirectory leaf = Files($"leaf-{_random.Next()}");
            CastoreDirectory folder = Files("f").Add(new PathComponent("leaf"), leaf.ToNode());
            leavesToRoot.AddRange(leaf, folder);
            folders.Add(new DirectoryEntry(new PathComponent($"folder-{i}"), folder.ToNode()));
        }

        root = CastoreDirectory.FromEntries(folders);
        leavesToRoot.Add(root);
        await using (DirectoryPutter putter = _store.Directories.OpenPutter())
        {
            foreach (CastoreDirectory directory in leavesToRoot.DistinctBy(directory => directory.Digest))
            {
                await putter.PutAsync(directory, cancellationToken);
            }

            await putter.CompleteAsync(cancellationToken);
        }

        Node node = root.ToNode();
        NarDigest nar = await _store.NarCalculation.CalculateAsync(node, cancellationToken);
        PathInfo info = await _store.PathInfos.PutAsync(
            new PathInfo
            {
                StorePath = new StorePath(new StorePathDigest(root.Digest.ToByteArray().AsSpan(0, StorePathDigest.Size)), "tree"),
                Node = node,
                NarSize = nar.Size,
                NarHash = nar.Sha256,
            },
            cancellationToken);
        leavesToRoot.Reverse();
        tally.Add(new KnownTree([.. leavesToRoot.DistinctBy(directory => directory.Digest)], info));
    }

    private CastoreDirectory Files(string prefix)
    {
        List<DirectoryEntry> entries = [new(new PathComponent("number-" + _random.Next()), new Node.Symlink(new SymlinkTarget("x")))];
        for (int i = 0; i < 5; i++)
        {
            if (tally.AnyBlob(_random) is { } blob)
            {
                entries.Add(new DirectoryEntry(new PathComponent($"{prefix}-{i}"), new Node.File(blob.Digest, (ulong)blob.Size, i == 0)));
            }
        }

        return CastoreDirectory.FromEntries(entries);
    }

    private async Task GetTreeAsync(CancellationToken cancellationToken)
    {
        if (tally.AnyTree(_random) is { } tree && await Checks.FindFaultAsync(_store, tree, cancellationToken) is { } fault)
        {
            tally.Failed("get a tree and its path info", fault);
        }
    }
}
