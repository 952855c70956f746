using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.Http;

namespace Tvix.Store.Grpc.Protocol;

/// <summary>A method with what serves it.</summary>
public abstract class GrpcServerMethod
{
    private protected GrpcServerMethod(MethodDescriptor descriptor, bool isReadOnly)
    {
        Descriptor = descriptor;
        IsReadOnly = isReadOnly;
    }

    /// <summary>What the <c>.proto</c> file says of it.</summary>
    public MethodDescriptor Descriptor { get; }

    /// <summary>Whether a call changes nothing: the file says <c>NO_SIDE_EFFECTS</c>. Who may only read may call these.</summary>
    public bool IsReadOnly { get; }

    /// <summary>Where requests go: <c>/SERVICE/METHOD</c>.</summary>
    public string Path => $"/{Descriptor.Service.FullName}/{Descriptor.Name}";

    internal abstract Task ServeAsync(HttpContext http, GrpcServerOptions options);
}
