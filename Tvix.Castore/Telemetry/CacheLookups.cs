using System.Diagnostics;

namespace Tvix.Castore.Telemetry;

/// <summary>Counts the hits and misses of one cache.</summary>
internal sealed class CacheLookups(string kind)
{
    /// <summary>The name of the service, if it has one.</summary>
    public string? Name { get; set; }

    public void Count(bool isHit)
    {
        if (!Instruments.CacheLookups.Enabled)
        {
            return;
        }

        TagList tags = new() { { Instruments.KindTag, kind }, { Instruments.ResultTag, isHit ? "hit" : "miss" } };
        if (Name is not null)
        {
            tags.Add(Instruments.NameTag, Name);
        }

        Instruments.CacheLookups.Add(1, tags);
    }
}
