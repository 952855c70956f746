using System.Globalization;
using Tvix.LoadTest;

// Many clients on one daemon, some of which break off what they do, and what that leaves behind.
if (args is not [var text] || !int.TryParse(text, CultureInfo.InvariantCulture, out int seconds) || seconds < 1
    || Environment.GetEnvironmentVariable("TVIX_STORE_BIN") is not { Length: > 0 } tool)
{
    Console.Error.WriteLine("Usage: Tvix.LoadTest SECONDS, with the path of the tool in TVIX_STORE_BIN.");
    return 2;
}

string folder = Directory.CreateTempSubdirectory("load-test-").FullName;
try
{
    return await new Driver(tool, folder, TimeSpan.FromSeconds(seconds), Environment.TickCount).RunAsync();
}
finally
{
    Directory.Delete(folder, recursive: true);
}
