using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli.NixDatabase;

/// <summary>Reads what the database of Nix has about store paths. Never writes, and does not keep Nix from writing.</summary>
/// <remarks>
/// The format is that of schema 10, as sqlite3 shows it of a store that nix-store 2.8 made. What is read is one state of the database,
/// whatever Nix does meanwhile.
/// </remarks>
/// <param name="location">Where the store is.</param>
/// <param name="busySeconds">How long to wait while another process has the database locked.</param>
internal sealed class NixDatabaseReader(NixStoreLocation location, int busySeconds = 10)
{
    private const string Schema = "10";
    private const int MaxSchemaLength = 64;
    private const int Attempts = 5;

    // Result codes of SQLite.
    private const int GenericError = 1;
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int Corrupt = 11;
    private const int CannotOpen = 14;
    private const int NoDatabase = 26;

    static NixDatabaseReader() => Batteries_V2.Init();

    /// <summary>Reads store paths and all that they refer to.</summary>
    /// <param name="roots">The store paths; <see langword="null"/> for all that are valid.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The records, each after those that it refers to.</returns>
    /// <exception cref="ToolException">There is no such database or store path, or something is wrong with it.</exception>
    public IReadOnlyList<NixPathRecord> ReadClosure(IReadOnlyList<StoreArgument>? roots, CancellationToken cancellationToken)
    {
        if (!File.Exists(location.Database))
        {
            throw ToolException.NotFound($"There is no database of Nix at '{location.Database}'.");
        }

        CheckSchema();
        try
        {
            try
            {
                return Read(location.Database, roots, cancellationToken);
            }
            catch (SqliteException e) when (NeedsToWrite(e))
            {
                return ReadUnchanging(roots, cancellationToken);
            }
        }
        catch (SqliteException e)
        {
            throw new ToolException(ExitCode.Failure, Describe(e), e);
        }
    }

    private void CheckSchema()
    {
        string found;
        try
        {
            using StreamReader file = new(location.Schema);
            Span<char> text = stackalloc char[MaxSchemaLength];
            found = text[..file.ReadBlock(text)].Trim().ToString();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw ToolException.Failure($"'{location.Database}' is no database of Nix: there is no file '{location.Schema}'.");
        }

        if (found != Schema)
        {
            string shown = VisibleText.Of(Encoding.UTF8.GetBytes(found));
            throw ToolException.Failure($"The database of Nix at '{location.Database}' has the schema '{shown}'; only {Schema} is known.");
        }
    }

    /// <summary>Reads a database beside which no file for locks can be made, as happens to users who may only read, while nobody else has it open.</summary>
    /// <remarks>SQLite then reads without locks. So what was read counts only if nobody wrote meanwhile.</remarks>
    private IReadOnlyList<NixPathRecord> ReadUnchanging(IReadOnlyList<StoreArgument>? roots, CancellationToken cancellationToken)
    {
        string uri = $"file:{Uri.EscapeDataString(location.Database).Replace("%2F", "/", StringComparison.Ordinal)}?immutable=1";
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            if (StateWithoutWriters() is { } before)
            {
                try
                {
                    IReadOnlyList<NixPathRecord> records = Read(uri, roots, cancellationToken);
                    if (StateWithoutWriters() == before)
                    {
                        return records;
                    }
                }
                catch (Exception e) when (e is SqliteException or ToolException && StateWithoutWriters() != before)
                {
                    continue; // half of what somebody writes
                }
            }

            // By now, whoever writes has made the files for locks.
            try
            {
                return Read(location.Database, roots, cancellationToken);
            }
            catch (SqliteException e) when (NeedsToWrite(e))
            {
            }
        }

        return Read(location.Database, roots, cancellationToken);
    }

    /// <summary>Length and time of the database; <see langword="null"/> while there is a log of somebody who writes.</summary>
    private (long Length, DateTime Time)? StateWithoutWriters()
    {
        FileInfo database = new(location.Database);
        return new[] { "-wal", "-journal" }.Any(log => new FileInfo(location.Database + log) is { Exists: true, Length: > 0 })
            ? null
            : (database.Length, database.LastWriteTimeUtc);
    }

    private List<NixPathRecord> Read(string source, IReadOnlyList<StoreArgument>? roots, CancellationToken cancellationToken)
    {
        SqliteConnectionStringBuilder options = new()
        {
            DataSource = source,
            Mode = SqliteOpenMode.ReadOnly,
            Pooling = false,
            DefaultTimeout = busySeconds,
        };
        using SqliteConnection connection = new(options.ToString());
        connection.Open();
        using SqliteTransaction snapshot = connection.BeginTransaction(deferred: true);
        using NixDatabaseQueries queries = new(connection, snapshot, location.StoreDirectory);
        IReadOnlyList<long> ids = roots is null ? queries.ListIds() : [.. roots.Select(queries.FindId)];
        return queries.ReadInOrder(ids, cancellationToken);
    }

    /// <summary>Whether the files for locks, which readers share with writers, could be neither made nor used.</summary>
    private static bool NeedsToWrite(SqliteException e) => e.SqliteErrorCode is CannotOpen or ReadOnly;

    private string Describe(SqliteException e) => e.SqliteErrorCode switch
    {
        Busy or Locked => $"The database of Nix at '{location.Database}' is locked by another process.",
        Corrupt or NoDatabase => $"The database of Nix at '{location.Database}' is damaged.",
        GenericError => $"The database of Nix at '{location.Database}' has not the tables of schema {Schema}: {e.Message}",
        CannotOpen => $"The database of Nix at '{location.Database}' cannot be opened; may it be read?",
        ReadOnly => $"The database of Nix at '{location.Database}' has a log that only a user can read who may write there.",
        _ => $"The database of Nix at '{location.Database}' cannot be read: {e.Message}",
    };
}
