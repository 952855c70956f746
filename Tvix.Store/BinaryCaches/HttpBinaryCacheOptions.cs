namespace Tvix.Store.BinaryCaches;

/// <summary>How a binary cache is asked over HTTP.</summary>
public sealed class HttpBinaryCacheOptions
{
    /// <summary>A file with users and passwords, in the format of netrc; read anew for each request.</summary>
    /// <value><see langword="null"/>, for none, unless set.</value>
    public string? NetrcFile { get; set; }

    /// <summary>Gives the bearer token for requests to the server of the cache, and only that; <see langword="null"/>, unless set.</summary>
    public Func<CancellationToken, ValueTask<string?>>? BearerToken { get; set; }

    /// <summary>Headers that requests to the server of the cache carry, and only those.</summary>
    /// <value>None, unless added.</value>
    public IDictionary<string, string> Headers { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>How long connecting may take.</summary>
    /// <value>10 seconds, unless set.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer may take to begin, and how long it may then pause. An upload may take as long as it moves.</summary>
    /// <value>30 seconds, unless set; from 10 milliseconds to a day.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a request is repeated that failed but may succeed later, and how often a download is resumed without getting any further.</summary>
    /// <value>4, unless set.</value>
    public int Retries { get; set; } = 4;

    /// <summary>How long to wait before the first repetition; each further wait is twice as long, and all are varied at random.</summary>
    /// <value>250 milliseconds, unless set; at most a day.</value>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>For how long requests fail at once after nearly all of <see cref="BreakAfter"/> or more failed within half a minute.</summary>
    /// <value>30 seconds, unless set; zero for never, and otherwise from half a second to a day.</value>
    public TimeSpan BreakDuration { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>After how many failures requests fail at once; see <see cref="BreakDuration"/>. At least 2.</summary>
    /// <value>10, unless set.</value>
    public int BreakAfter { get; set; } = 10;

    /// <summary>
    /// What sends the requests; <see langword="null"/>, unless set, for one of its own. It stays the caller's. One that follows redirections itself may take the headers along.
    /// </summary>
    public HttpMessageInvoker? Invoker { get; set; }

    /// <summary>Tells the time, for time limits and waits.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <exception cref="ArgumentException">Something is out of range.</exception>
    internal HttpBinaryCacheOptions Validated()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ConnectTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(Timeout, TimeSpan.FromMilliseconds(10));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Timeout, TimeSpan.FromDays(1));
        ArgumentOutOfRangeException.ThrowIfNegative(Retries);
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RetryDelay, TimeSpan.FromDays(1));
        if (BreakDuration != TimeSpan.Zero)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(BreakDuration, TimeSpan.FromSeconds(0.5));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(BreakDuration, TimeSpan.FromDays(1));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(BreakAfter, 2);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        return (HttpBinaryCacheOptions)MemberwiseClone();
    }
}
