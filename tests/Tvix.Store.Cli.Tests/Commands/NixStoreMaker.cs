using System.Globalization;
using Microsoft.Data.Sqlite;
using Tvix.Store.Nix;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Cli.Tests.Commands;

/// <summary>Makes a store on disk as that of Nix is, below a root folder: files, and a database of schema 10.</summary>
internal sealed class NixStoreMaker
{
    // What sqlite3 prints of a database that nix-store made, without indexes, triggers and the outputs of derivations.
    private const string Schema = """
        create table ValidPaths (
            id               integer primary key autoincrement not null,
            path             text unique not null,
            hash             text not null,
            registrationTime integer not null,
            deriver          text,
            narSize          integer,
            ultimate         integer,
            sigs             text,
            ca               text
        );
        create table Refs (
            referrer  integer not null,
            reference integer not null,
            primary key (referrer, reference),
            foreign key (referrer) references ValidPaths(id) on delete cascade,
            foreign key (reference) references ValidPaths(id) on delete restrict
        );
        """;

    private readonly string _root;

    public NixStoreMaker(string root)
    {
        _root = root;
        Directory.CreateDirectory(Path.Combine(root, "nix/store"));
        Directory.CreateDirectory(Path.Combine(root, "nix/var/nix/db"));
        File.WriteAllText(Path.Combine(root, "nix/var/nix/db/schema"), "10");
        Execute("pragma journal_mode = wal");
        Execute(Schema);
    }

    public string Database => Path.Combine(_root, "nix/var/nix/db/db.sqlite");

    /// <summary>Where a store path's contents are.</summary>
    public string OnDisk(string path) => Path.Combine(_root, path.TrimStart('/'));

    /// <summary>A connection that can write.</summary>
    public SqliteConnection Connect()
    {
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false, ForeignKeys = false }.ToString());
        connection.Open();
        return connection;
    }

    /// <summary>Runs a statement; parameters are <c>$0</c>, <c>$1</c> and so on.</summary>
    public void Execute(string sql, params object?[] parameters)
    {
        using SqliteConnection connection = Connect();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        for (int i = 0; i < parameters.Length; i++)
        {
            command.Parameters.AddWithValue(string.Create(CultureInfo.InvariantCulture, $"${i}"), parameters[i] ?? DBNull.Value);
        }

        command.ExecuteNonQuery();
    }

    /// <summary>Registers what is on disk already.</summary>
    /// <returns>The path info that a store should have of it, but for the root.</returns>
    public async Task<PathInfo> RegisterAsync(
        string path, string[]? references = null, bool hex = true, string? deriver = null, string? signatures = null, string? ca = null)
    {
        await using TvixStore memory = TvixStore.Open("memory:");
        PathInfo contents = await memory.ImportAsync(OnDisk(path), new StoreImportOptions { Name = "contents" });
        Execute(
            "insert into ValidPaths (path, hash, registrationTime, deriver, narSize, sigs, ca) values ($0, $1, 1, $2, $3, $4, $5)",
            path, hex ? contents.NarHash.ToNixHash().ToHexString() : contents.NarHash.ToString(), deriver, (long)contents.NarSize, signatures, ca);
        foreach (string reference in references ?? [])
        {
            Execute("insert into Refs select a.id, b.id from ValidPaths a, ValidPaths b where a.path = $0 and b.path = $1", path, reference);
        }

        return contents with
        {
            StorePath = StorePath.ParseAbsolute(path),
            ContentAddress = ca is null ? null : ContentAddress.Parse(ca),
            References = [.. (references ?? []).Select(reference => StorePath.ParseAbsolute(reference)).Order()],
            Deriver = deriver is null ? null : StorePath.ParseAbsolute(deriver.AsSpan(0, deriver.Length - ".drv".Length)),
            Signatures = [.. (signatures ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => NarInfos.NarSignature.Parse(text))],
        };
    }
}
