using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tvix.Store.Http.Tests;

/// <summary>A request byte for byte, also one that no client would send.</summary>
internal static class RawRequest
{
    /// <summary>Sends a head and a body, and reads the answer while it does.</summary>
    /// <param name="port">Where to.</param>
    /// <param name="head">The head in Latin-1, line ends included.</param>
    /// <param name="body">Pieces of the body; it ends early when the answer is there.</param>
    /// <param name="thenShut">Whether nothing more will come is told, or the client waits.</param>
    /// <returns>The answer: its status, 0 when there was none, -1 when it did not come in time, and what follows the head.</returns>
    public static async Task<(int Status, string Body)> SendAsync(int port, string head, IEnumerable<byte[]>? body = null, bool thenShut = false)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(10));
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port, limit.Token);
        NetworkStream stream = client.GetStream();
        using CancellationTokenSource answered = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        Task writing = WriteAsync();
        MemoryStream answer = new();
        try
        {
            byte[] piece = new byte[16 << 10];
            for (int count; (count = await stream.ReadAsync(piece, limit.Token)) > 0;)
            {
                answer.Write(piece, 0, count);
                if (IsComplete(answer))
                {
                    break;
                }
            }
        }
        catch (IOException)
        {
            // Cut: what came counts.
        }
        catch (OperationCanceledException)
        {
            return (-1, Encoding.Latin1.GetString(answer.ToArray()));
        }

        await answered.CancelAsync();
        await writing;
        string text = Encoding.Latin1.GetString(answer.ToArray());
        int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        return end < 0 ? (0, text) : (int.Parse(text.AsSpan(9, 3)), text[(end + 4)..]);

        async Task WriteAsync()
        {
            try
            {
                await stream.WriteAsync(Encoding.Latin1.GetBytes(head), answered.Token);
                foreach (byte[] piece in body ?? [])
                {
                    await stream.WriteAsync(piece, answered.Token);
                }

                if (thenShut)
                {
                    client.Client.Shutdown(SocketShutdown.Send);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The server has heard enough.
            }
        }
    }

    /// <summary>A body in chunks of a megabyte each.</summary>
    public static IEnumerable<byte[]> Chunks(int megabytes)
    {
        byte[] chunk = [.. "100000\r\n"u8, .. new byte[1 << 20], .. "\r\n"u8];
        for (int i = 0; i < megabytes; i++)
        {
            yield return chunk;
        }

        yield return "0\r\n\r\n"u8.ToArray();
    }

    /// <summary>Whether all that the length says is there, so that one need not wait for the connection to end.</summary>
    private static bool IsComplete(MemoryStream answer)
    {
        string text = Encoding.Latin1.GetString(answer.GetBuffer(), 0, (int)Math.Min(answer.Length, 16 << 10));
        int end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        int length = text.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        return end >= 0 && length >= 0 && length < end
            && answer.Length >= end + 4 + long.Parse(text.AsSpan(length + 16, text.IndexOf('\r', length) - length - 16));
    }
}
