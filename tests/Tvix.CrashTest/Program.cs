using Tvix.CrashTest;

// A process for tests to kill, to measure, and to share a store with.
return args switch
{
    ["write", string store, string seed] => await Writer.RunAsync(store, int.Parse(seed)),
    ["drive", string folder, string rounds, string seed] => await Driver.RunAsync(folder, int.Parse(rounds), int.Parse(seed)),
    ["serve", string store] => await Server.RunAsync(store),
    ["import", string store, string source] => await Memory.ImportAsync(store, source),
    ["export", string store, string storePath, string target] => await Memory.ExportAsync(store, storePath, target),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine(
        """
        write STORE SEED                  import generated trees for ever; a line for each that is acknowledged
        drive FOLDER ROUNDS SEED          kill writers at random moments, and check what they left behind
        serve STORE                       commands on standard input: put SEED SIZE | get DIGEST
        import STORE SOURCE               import; prints the store path and the peak of the memory in bytes
        export STORE STOREPATH TARGET     export; prints the peak of the memory in bytes
        """);
    return 2;
}
