using System.Globalization;

namespace Tvix.Store.Cli.Daemon;

/// <summary>The sockets that whoever started this process opened for it. Source: sd_listen_fds(3).</summary>
internal static class PassedSockets
{
    private const int FirstDescriptor = 3;
    private const int MaxCount = 4095;

    /// <summary>Finds the descriptors that an address stands for.</summary>
    /// <param name="address">The address.</param>
    /// <param name="getVariable">The environment.</param>
    /// <param name="processId">The number of this process.</param>
    /// <exception cref="ToolException">There are no such sockets, or none for this process.</exception>
    public static IReadOnlyList<int> Find(ListenAddress.Passed address, Func<string, string?> getVariable, int processId)
    {
        if (!TryParse(getVariable("LISTEN_PID"), out int pid) || pid != processId)
        {
            throw ToolException.BadCommandLine("No sockets were passed: $LISTEN_PID is not the number of this process. 'sd-listen' is for socket activation by systemd.");
        }

        if (!TryParse(getVariable("LISTEN_FDS"), out int count) || count is < 1 or > MaxCount)
        {
            throw ToolException.BadCommandLine($"No sockets were passed: $LISTEN_FDS is not a number from 1 to {MaxCount}.");
        }

        if (address.All)
        {
            return [.. Enumerable.Range(FirstDescriptor, count)];
        }

        if (address.Name is not { } name)
        {
            return [FirstDescriptor];
        }

        int index = Array.IndexOf((getVariable("LISTEN_FDNAMES") ?? "").Split(':'), name);
        return index >= 0 && index < count
            ? [FirstDescriptor + index]
            : throw ToolException.BadCommandLine($"No socket with the name '{name}' was passed in $LISTEN_FDNAMES.");
    }

    private static bool TryParse(string? text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
