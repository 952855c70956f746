// Stores a directory, reads a file of it back, and renders it as a Nix archive.
// Usage: QuickStart [DIRECTORY]      (default: a small directory made for the purpose)
string directory = args.Length > 0 ? args[0] : QuickStart.SampleDirectory.Make();

#region quickstart
await using Tvix.Store.TvixStore store = Tvix.Store.TvixStore.Open("local:./my-store");

Tvix.Store.PathInfos.PathInfo imported = await store.ImportAsync(directory);
Console.WriteLine(imported.StorePath.ToAbsolutePath());

await using Stream? readme = await store.OpenFileAsync(imported.Node, "README.md");
Console.WriteLine(readme is null ? "no README.md" : await new StreamReader(readme).ReadLineAsync());

await using FileStream nar = File.Create("directory.nar");
Console.WriteLine($"{await store.WriteNarAsync(imported.Node, nar)} bytes of NAR, {imported.NarHash}");
#endregion
