using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Tvix.Store.Access;
using Tvix.Store.BinaryCaches;
using Tvix.Store.Cli.Daemon;
using Tvix.Store.Cli.Keys;

namespace Tvix.Store.Cli.Commands;

/// <summary><c>daemon</c></summary>
internal sealed class DaemonCommand
{
    private const string DefaultAddress = "[::]:8000";
    private const string DefaultAddressWithoutIPv6 = "0.0.0.0:8000";

    private readonly Option<string[]> _listen = new("--listen", "-l", "--listen-address")
    {
        Description = "Where to listen; can be repeated: 127.0.0.1:8000, [::]:8000, /run/tvix-store.sock, ./PATH, unix:PATH, @NAME, and for sockets from systemd "
            + $"sd-listen, sd-listen:NAME, sd-listen:*. Default: {DefaultAddress}. Port 0 is one that is free.",
        HelpName = "ADDRESS",
    };

    private readonly Option<string[]> _http = new("--http")
    {
        Description = "Where to be a binary cache of Nix, over HTTP; can be repeated, with addresses as for --listen. Then there is no default for --listen.",
        HelpName = "ADDRESS",
    };

    private readonly Option<string[]> _httpPublic = new("--http-public")
    {
        Description = "An address where the store is a binary cache that everybody may read without a token, and nobody may write. Can be given several times.",
        HelpName = "ADDRESS",
    };

    private readonly Option<string[]> _httpKeys = new("--http-key")
    {
        Description = "Sign what the binary cache serves with the key in this file, made by tvix-store key generate or by Nix; can be repeated.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _httpUploads = new("--http-uploads")
    {
        Description = "The folder where the binary cache remembers what is being uploaded. Default: one in that of a local store, or else memory.",
        HelpName = "FOLDER",
    };

    private readonly Option<string?> _httpCompression = new("--http-nar-compression")
    {
        Description = "How the binary cache says that its NARs are compressed: none or zstd. Clients that accept zstd get it in either case. Default: none.",
        HelpName = "COMPRESSION",
    };

    private readonly Option<string?> _httpFiles = new("--http-files")
    {
        Description = "The folder where the binary cache keeps build logs, realisations and debug information. Default: one in that of a local store, or else they are not kept.",
        HelpName = "FOLDER",
    };

    private readonly Option<bool> _httpNoPages = new("--http-no-pages") { Description = "Leave out the pages of the binary cache that are for people with a browser." };

    private readonly Option<string?> _unixMode = new("--unix-listen-mode")
    {
        Description = "Who may connect to Unix sockets, as octal permissions of the file. Default: 0660.",
        HelpName = "MODE",
    };

    private readonly Option<string?> _unixChmod = new("--unix-listen-chmod")
    {
        Description = "The same in words: owner (0600), group (0660) or everybody (0666).",
        HelpName = "WHO",
    };

    private readonly Option<bool> _unixUnlink = new("--unix-listen-unlink") { Description = "Replace a Unix socket that was left behind." };

    private readonly Option<string?> _portFile = new("--port-file")
    {
        Description = "Write the TCP ports to a file, one a line, once they are open.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _certificate = new("--tls-certificate")
    {
        Description = "Serve with TLS, with the certificate in this PEM file, and those between it and the root behind it.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _key = new("--tls-key") { Description = "The PEM file with the key of the certificate.", HelpName = "FILE" };

    private readonly Option<string?> _tokens = new("--tokens")
    {
        Description = "Serve only who has a token. The file has lines 'read TOKEN [NAME]' and 'write TOKEN [NAME]'; SIGHUP has it read again.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _publicRead = new("--public-read") { Description = "Reading needs no token." };

    private readonly Option<bool> _readOnly = new("--read-only") { Description = "Nobody can write." };

    private readonly Option<int?> _maxConnections = Number("--max-connections", "How many connections may be open. Default: any number.");

    private readonly Option<int?> _maxCalls =
        Number("--max-concurrent-calls", "How many calls may be under way; others are refused with RESOURCE_EXHAUSTED. Default: any number.");

    private readonly Option<int?> _maxStreams =
        Number("--max-streams-per-connection", "How many calls may be under way on one connection; others wait at the client. Default: 100.");

    private readonly Option<double?> _drainTimeout = new("--drain-timeout")
    {
        Description = "How long calls may go on when the daemon is to end, in seconds. Default: 30.",
        HelpName = "SECONDS",
    };

    private readonly Option<string?> _logLevel = new("--log-level") { Description = "error, warn, info, debug or trace. Default: info.", HelpName = "LEVEL" };

    private readonly Option<string?> _logFormat = new("--log-format") { Description = "text or json. Default: text.", HelpName = "FORMAT" };

    private readonly Option<string?> _otlp = new("--otlp")
    {
        Description = "Export traces and metrics with OTLP, to $OTEL_EXPORTER_OTLP_ENDPOINT or http://localhost:4317 unless a URL is given.",
        HelpName = "URL",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Create(Tool tool)
    {
        DaemonCommand options = new();
        ToolCommand command = new(
            "daemon",
            "Serves the store over gRPC, and as a binary cache of Nix. SIGTERM and Ctrl-C let running calls end; a second one does not.",
            "tvix-store daemon",
            "tvix-store daemon --listen /run/tvix-store.sock --listen 127.0.0.1:8000",
            "tvix-store daemon --http 127.0.0.1:8080",
            "tvix-store --store local:/srv/store daemon --tokens /etc/tvix-store/tokens --public-read --tls-certificate cert.pem --tls-key key.pem")
        {
            options._listen,
            options._http,
            options._httpPublic,
            options._httpKeys,
            options._httpUploads,
            options._httpCompression,
            options._httpFiles,
            options._httpNoPages,
            options._unixMode,
            options._unixChmod,
            options._unixUnlink,
            options._portFile,
            options._certificate,
            options._key,
            options._tokens,
            options._publicRead,
            options._readOnly,
            options._maxConnections,
            options._maxCalls,
            options._maxStreams,
            options._drainTimeout,
            options._logLevel,
            options._logFormat,
            options._otlp,
        };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            DaemonOptions daemon = options.Read(arguments, tool);
            await using TvixStore store = tool.OpenStore(arguments, create: true);
            return await new TvixDaemon(daemon, store, tool.Environment).RunAsync(cancellationToken);
        });
        return command;
    }

    private static Option<int?> Number(string name, string description) => new(name) { Description = description, HelpName = "NUMBER" };

    private DaemonOptions Read(ParseResult arguments, Tool tool)
    {
        try
        {
            (string? certificate, string? key) = (arguments.GetValue(_certificate), arguments.GetValue(_key));
            if ((certificate is null) != (key is null))
            {
                throw ToolException.BadCommandLine("--tls-certificate and --tls-key go together.");
            }

            string? tokens = arguments.GetValue(_tokens);
            if (tokens is null && arguments.GetValue(_publicRead))
            {
                throw ToolException.BadCommandLine("--public-read goes with --tokens; without tokens, everybody may read and write.");
            }

            string[] http = arguments.GetValue(_http) ?? [];
            string[] forAll = arguments.GetValue(_httpPublic) ?? [];
            bool isCache = http.Length + forAll.Length > 0;
            string[] keys = arguments.GetValue(_httpKeys) ?? [];
            string? uploads = arguments.GetValue(_httpUploads);
            if (!isCache && (keys.Length > 0 || uploads is not null))
            {
                throw ToolException.BadCommandLine("--http-key and --http-uploads go with --http or --http-public.");
            }

            string? compression = arguments.GetValue(_httpCompression);
            if (!isCache && compression is not null)
            {
                throw ToolException.BadCommandLine("--http-nar-compression goes with --http or --http-public.");
            }

            string? files = arguments.GetValue(_httpFiles);
            if (!isCache && (files is not null || arguments.GetValue(_httpNoPages)))
            {
                throw ToolException.BadCommandLine("--http-files and --http-no-pages go with --http or --http-public.");
            }

            string[] addresses = arguments.GetValue(_listen) is { Length: > 0 } given ? given
                : isCache ? []
                : [Socket.OSSupportsIPv6 ? DefaultAddress : DefaultAddressWithoutIPv6];
            return new DaemonOptions
            {
                Addresses = [.. addresses.Select(ListenAddress.Parse)],
                HttpAddresses = [.. http.Select(ListenAddress.Parse)],
                PublicAddresses = [.. forAll.Select(ListenAddress.Parse)],
                HttpKeys = [.. keys.Select(key => SecretKeyFile.Read(key, tool.Environment.Error))],
                UploadFolder = uploads ?? (tool.StateFolder(arguments) is { } folder ? Path.Combine(folder, "uploads") : null),
                NarCompression = compression switch
                {
                    null or NarCompression.None => NarCompression.None,
                    NarCompression.Zstd => NarCompression.Zstd,
                    { } other => throw new FormatException($"'{other}' is not how NARs can be compressed; that is none or zstd."),
                },
                KeptFilesFolder = files ?? (tool.StateFolder(arguments) is { } state ? Path.Combine(state, "files") : null),
                HttpPages = !arguments.GetValue(_httpNoPages),
                SocketMode = ReadMode(arguments),
                ReplaceSockets = arguments.GetValue(_unixUnlink),
                PortFile = arguments.GetValue(_portFile),
                Certificate = certificate is null ? null : new TlsCertificate(certificate, key!),
                Tokens = tokens is null ? null : ReadTokens(tokens),
                PublicRead = arguments.GetValue(_publicRead),
                ReadOnly = arguments.GetValue(_readOnly),
                MaxConnections = Positive(arguments, _maxConnections),
                MaxConcurrentCalls = Positive(arguments, _maxCalls),
                MaxStreamsPerConnection = Positive(arguments, _maxStreams) ?? 100,
                DrainTimeout = ReadDrainTimeout(arguments),
                LogLevel = ReadLogLevel(arguments),
                LogJson = arguments.GetValue(_logFormat) switch
                {
                    null or "text" => false,
                    "json" => true,
                    { } other => throw new FormatException($"'{other}' is not a format of logs; those are text and json."),
                },
                Export = arguments.GetResult(_otlp) is not null,
                ExportTo = arguments.GetValue(_otlp) is { } url ? ReadUrl(url) : null,
            };
        }
        catch (FormatException e)
        {
            throw ToolException.BadCommandLine(e.Message, e);
        }
    }

    private UnixFileMode ReadMode(ParseResult arguments)
    {
        string? mode = arguments.GetValue(_unixMode);
        switch (arguments.GetValue(_unixChmod))
        {
            case null:
                break;
            case { } when mode is not null:
                throw new FormatException("--unix-listen-mode and --unix-listen-chmod say the same; give one.");
            case "owner":
                return (UnixFileMode)0b110_000_000;
            case "group":
                return (UnixFileMode)0b110_110_000;
            case "everybody":
                return (UnixFileMode)0b110_110_110;
            case { } who:
                throw new FormatException($"'{who}' is not owner, group or everybody.");
        }

        mode ??= "660";
        return (mode.Length == 3 || (mode.Length == 4 && mode[0] == '0')) && mode.All(c => c is >= '0' and <= '7')
            ? (UnixFileMode)Convert.ToInt32(mode, 8)
            : throw new FormatException($"'{mode}' are not octal permissions such as 0660.");
    }

    private static AccessTokenFile ReadTokens(string path)
    {
        try
        {
            return new AccessTokenFile(path);
        }
        catch (FormatException e)
        {
            // What is wrong is a file, not the command line.
            throw new ToolException(ExitCode.Failure, e.Message, e);
        }
    }

    private TimeSpan ReadDrainTimeout(ParseResult arguments)
    {
        double seconds = arguments.GetValue(_drainTimeout) ?? 30;
        return seconds is >= 0 and <= 86400 ? TimeSpan.FromSeconds(seconds) : throw new FormatException("--drain-timeout is 0 to 86400 seconds.");
    }

    private LogLevel ReadLogLevel(ParseResult arguments) => (arguments.GetValue(_logLevel) ?? "info").ToLowerInvariant() switch
    {
        "error" => LogLevel.Error,
        "warn" or "warning" => LogLevel.Warning,
        "info" => LogLevel.Information,
        "debug" => LogLevel.Debug,
        "trace" => LogLevel.Trace,
        { } other => throw new FormatException($"'{other}' is not a level of logs; those are error, warn, info, debug and trace."),
    };

    private static Uri ReadUrl(string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
        ? url
        : throw new FormatException($"'{text}' is not the URL of a collector, such as http://localhost:4317.");

    private static int? Positive(ParseResult arguments, Option<int?> option) => arguments.GetValue(option) is not { } value
        ? null
        : value > 0 ? value : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{option.Name} is at least 1, and not {value}."));
}
