using Microsoft.Extensions.Logging;
using Tvix.Store.Access;
using Tvix.Store.NarInfos;

namespace Tvix.Store.Cli.Daemon;

/// <summary>What the command line says about the daemon.</summary>
internal sealed record DaemonOptions
{
    public required IReadOnlyList<ListenAddress> Addresses { get; init; }

    /// <summary>Where the store is a binary cache; empty when it is not one.</summary>
    public required IReadOnlyList<ListenAddress> HttpAddresses { get; init; }

    /// <summary>Where it listens as a binary cache that everybody may read and nobody may write.</summary>
    public required IReadOnlyList<ListenAddress> PublicAddresses { get; init; }

    /// <summary>All places where it listens.</summary>
    public IEnumerable<ListenAddress> AllAddresses => Addresses.Concat(HttpAddresses).Concat(PublicAddresses);

    /// <summary>Where the binary cache remembers uploads; <see langword="null"/> for memory.</summary>
    public required string? UploadFolder { get; init; }

    /// <summary>The keys that sign what the binary cache serves.</summary>
    public required IReadOnlyList<SigningKey> HttpKeys { get; init; }

    /// <summary>How narinfos of the binary cache say that NARs are compressed.</summary>
    public required string NarCompression { get; init; }

    /// <summary>Where the binary cache keeps build logs and the like; <see langword="null"/> for nowhere.</summary>
    public required string? KeptFilesFolder { get; init; }

    /// <summary>Whether the binary cache has pages for people.</summary>
    public required bool HttpPages { get; init; }

    /// <summary>Permissions of the files of Unix sockets.</summary>
    public required UnixFileMode SocketMode { get; init; }

    /// <summary>Whether the files of Unix sockets that are there are replaced.</summary>
    public required bool ReplaceSockets { get; init; }

    /// <summary>Where the ports are written to, one a line, once they are open; <see langword="null"/> for nowhere.</summary>
    public required string? PortFile { get; init; }

    /// <summary><see langword="null"/> for no TLS.</summary>
    public required TlsCertificate? Certificate { get; init; }

    /// <summary><see langword="null"/> when no tokens are needed.</summary>
    public required AccessTokenFile? Tokens { get; init; }

    public required bool PublicRead { get; init; }

    public required bool ReadOnly { get; init; }

    /// <summary><see langword="null"/> for any number.</summary>
    public required int? MaxConnections { get; init; }

    /// <summary><see langword="null"/> for any number.</summary>
    public required int? MaxConcurrentCalls { get; init; }

    public required int MaxStreamsPerConnection { get; init; }

    /// <summary>How long calls may go on when the daemon is to end.</summary>
    public required TimeSpan DrainTimeout { get; init; }

    public required LogLevel LogLevel { get; init; }

    public required bool LogJson { get; init; }

    /// <summary>Whether traces and metrics are exported.</summary>
    public required bool Export { get; init; }

    /// <summary>Where to; <see langword="null"/> for what the environment says.</summary>
    public required Uri? ExportTo { get; init; }
}
