using System.Reflection;

namespace Tvix.Store.Grpc.Protocol;

internal static class GrpcUserAgent
{
    /// <summary>What calls say of who makes them.</summary>
    public static string Text { get; } = "tvix-dotnet/" + (typeof(GrpcUserAgent).Assembly.GetName().Version?.ToString(3) ?? "0");
}
