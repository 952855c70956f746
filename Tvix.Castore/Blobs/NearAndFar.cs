using Tvix.Castore.Model;

namespace Tvix.Castore.Blobs;

/// <summary>What the services in front of a near and a far one have in common.</summary>
internal static class NearAndFar
{
    /// <summary>Asks near for all blobs, and far for those that are not there.</summary>
    public static async ValueTask HasManyAsync(
        IBlobService near, IBlobService far, IReadOnlyList<B3Digest> digests, Memory<bool> found, CancellationToken cancellationToken)
    {
        await near.HasManyAsync(digests, found, cancellationToken).ConfigureAwait(false);
        int[] missing = [.. Enumerable.Range(0, digests.Count).Where(i => !found.Span[i])];
        if (missing.Length == 0)
        {
            return;
        }

        bool[] foundFar = new bool[missing.Length];
        await far.HasManyAsync([.. missing.Select(i => digests[i])], foundFar, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < missing.Length; i++)
        {
            found.Span[missing[i]] = foundFar[i];
        }
    }
}
