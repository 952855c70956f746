using System.Globalization;
using Microsoft.Data.Sqlite;
using Tvix.Store.NarInfos;
using Tvix.Store.Nix;

namespace Tvix.Store.Cli.NixDatabase;

/// <summary>The questions to the database of Nix, on one connection.</summary>
internal sealed class NixDatabaseQueries : IDisposable
{
    private const string DerivationSuffix = ".drv";

    private readonly StoreDirectory _directory;
    private readonly SqliteCommand _list;
    private readonly SqliteCommand _find;
    private readonly SqliteCommand _record;
    private readonly SqliteCommand _references;

    public NixDatabaseQueries(SqliteConnection connection, SqliteTransaction transaction, StoreDirectory directory)
    {
        _directory = directory;
        _list = Prepare("select id from ValidPaths order by path");
        _find = Prepare("select id, path from ValidPaths where path >= $from and path < $to limit 1", "$from", "$to");
        _record = Prepare("select path, hash, deriver, narSize, sigs, ca from ValidPaths where id = $id", "$id");
        _references = Prepare("select reference from Refs where referrer = $id", "$id");

        SqliteCommand Prepare(string sql, params string[] parameters)
        {
            SqliteCommand command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = sql;
            foreach (string parameter in parameters)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = parameter });
            }

            command.Prepare(); // which finds tables missing, even those that would not be asked
            return command;
        }
    }

    /// <summary>All valid paths.</summary>
    public List<long> ListIds() => ReadIds(_list);

    /// <summary>The valid path that an argument names.</summary>
    /// <exception cref="ToolException">There is none.</exception>
    public long FindId(StoreArgument argument)
    {
        // All names with the hash are between these.
        string prefix = $"{_directory.Path}/{argument.Digest}";
        _find.Parameters[0].Value = prefix + "-";
        _find.Parameters[1].Value = prefix + (char)('-' + 1);
        using SqliteDataReader rows = _find.ExecuteReader();
        return rows.Read() && (argument.Name is null || rows.GetString(1) == $"{prefix}-{argument.Name}")
            ? rows.GetInt64(0)
            : throw ToolException.NotFound($"'{prefix}{(argument.Name is null ? "" : "-" + argument.Name)}' is not valid in the store of Nix.");
    }

    /// <summary>Reads the records of paths and of all that they refer to.</summary>
    /// <returns>Each after those that it refers to.</returns>
    public List<NixPathRecord> ReadInOrder(IReadOnlyList<long> roots, CancellationToken cancellationToken)
    {
        List<NixPathRecord> sorted = [];
        Dictionary<long, StorePath> reached = [];
        Stack<(long Id, Row Row, List<long> References, int Next)> levels = new();
        foreach (long root in roots)
        {
            Enter(root);
            while (levels.TryPop(out var level))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (level.Next < level.References.Count)
                {
                    levels.Push(level with { Next = level.Next + 1 });
                    Enter(level.References[level.Next]);
                }
                else
                {
                    // By now all of them were reached. The order is that which Nix signs.
                    sorted.Add(level.Row.ToRecord([.. level.References.Select(id => reached[id]).Order()], _directory));
                }
            }
        }

        return sorted;

        void Enter(long id)
        {
            if (!reached.ContainsKey(id))
            {
                Row row = ReadRow(id);
                reached.Add(id, ParsePath(row.Path, _directory));
                _references.Parameters[0].Value = id;
                levels.Push((id, row, ReadIds(_references), 0));
            }
        }
    }

    public void Dispose()
    {
        _list.Dispose();
        _find.Dispose();
        _record.Dispose();
        _references.Dispose();
    }

    private static List<long> ReadIds(SqliteCommand command)
    {
        List<long> ids = [];
        using SqliteDataReader rows = command.ExecuteReader();
        while (rows.Read())
        {
            ids.Add(rows.GetInt64(0));
        }

        return ids;
    }

    private Row ReadRow(long id)
    {
        _record.Parameters[0].Value = id;
        using SqliteDataReader rows = _record.ExecuteReader();
        if (!rows.Read())
        {
            throw ToolException.Failure(string.Create(
                CultureInfo.InvariantCulture, $"The database of Nix is damaged: something refers to the path with the number {id}, which is not there."));
        }

        return new Row(Text(0) ?? "", Text(1) ?? "", Text(2), rows.IsDBNull(3) ? null : rows.GetInt64(3), Text(4), Text(5));

        string? Text(int column) => rows.IsDBNull(column) ? null : rows.GetString(column);
    }

    private static StorePath ParsePath(string text, StoreDirectory directory)
    {
        try
        {
            return StorePath.ParseAbsolute(text, directory);
        }
        catch (FormatException e)
        {
            throw new ToolException(
                ExitCode.Failure,
                text.StartsWith(directory.Path + "/", StringComparison.Ordinal)
                    ? $"The database of Nix has a path that is none: {e.Message}"
                    : $"The database of Nix has the path '{text}', which is not in '{directory}'; say with --store-dir where its paths are.",
                e);
        }
    }

    /// <summary>A row of <c>ValidPaths</c>.</summary>
    private sealed record Row(string Path, string Hash, string? Deriver, long? NarSize, string? Signatures, string? ContentAddress)
    {
        public NixPathRecord ToRecord(IReadOnlyList<StorePath> references, StoreDirectory directory)
        {
            try
            {
                return new NixPathRecord
                {
                    StorePath = StorePath.ParseAbsolute(Path, directory),
                    NarHash = new Sha256Digest(NixHash.Parse(Hash, NixHashAlgorithm.Sha256).Digest),
                    NarSize = NarSize switch
                    {
                        null or 0 => null, // Nix writes either when it does not know
                        < 0 => throw new FormatException("The length of the NAR is negative."),
                        { } size => (ulong)size,
                    },
                    References = references,
                    Deriver = string.IsNullOrEmpty(Deriver) ? null
                        : Deriver.EndsWith(DerivationSuffix, StringComparison.Ordinal)
                            ? StorePath.ParseAbsolute(Deriver.AsSpan(0, Deriver.Length - DerivationSuffix.Length), directory)
                            : throw new FormatException($"The deriver '{Deriver}' is no derivation."),
                    Signatures =
                    [
                        .. (Signatures ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(signature => NarSignature.Parse(signature)),
                    ],
                    ContentAddress = string.IsNullOrEmpty(ContentAddress) ? null : Nix.ContentAddress.Parse(ContentAddress),
                };
            }
            catch (FormatException e)
            {
                throw new ToolException(ExitCode.Failure, $"What the database of Nix has about '{Path}' is not understood: {e.Message}", e);
            }
        }
    }
}
