using Microsoft.AspNetCore.Http;
using Tvix.Store.Access;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Server;

/// <summary>Refuses calls that a policy does not grant.</summary>
internal sealed class GrpcAccessMiddleware(RequestDelegate next, AccessPolicy policy)
{
    public async Task InvokeAsync(HttpContext http)
    {
        EndpointMetadataCollection? endpoint = http.GetEndpoint()?.Metadata;
        GrpcMethodMetadata? method = endpoint?.GetMetadata<GrpcMethodMetadata>();
        if (method is null && !GrpcHttp.IsGrpc(http.Request.ContentType))
        {
            await next(http).ConfigureAwait(false);
            return;
        }

        // Where it is not known what is served, the most is needed.
        StoreAccess needed = method?.IsReadOnly == true || endpoint?.GetMetadata<GrpcNotServed>() is not null ? StoreAccess.Read : StoreAccess.Write;
        AccessDecision decision = policy.Decide(http.Request.Headers.Authorization, needed, out AccessGrant? grant);
        http.Features.Set(grant);
        if (decision == AccessDecision.Granted)
        {
            await next(http).ConfigureAwait(false);
        }
        else if (GrpcHttp.Accept(http))
        {
            (GrpcStatusCode status, string message) = decision == AccessDecision.Unauthenticated
                ? (GrpcStatusCode.Unauthenticated, http.Request.Headers.Authorization.Count == 0 ? "The call needs a token." : "The token is not known.")
                : (GrpcStatusCode.PermissionDenied, "The token allows reading only.");
            await GrpcHttp.EndAsync(http, status, message).ConfigureAwait(false);
        }
    }
}
