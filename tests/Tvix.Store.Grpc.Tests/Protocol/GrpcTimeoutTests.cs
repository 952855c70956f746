using NUnit.Framework;
using Tvix.Store.Grpc.Protocol;

namespace Tvix.Store.Grpc.Tests.Protocol;

[TestFixture]
public sealed class GrpcTimeoutTests
{
    [TestCase("1H", 3_600_000)]
    [TestCase("2M", 120_000)]
    [TestCase("3S", 3_000)]
    [TestCase("250m", 250)]
    [TestCase("5000u", 5)]
    [TestCase("7000000n", 7)]
    [TestCase("00000001S", 1_000)]
    [TestCase("0n", 0)]
    [TestCase("99999999H", uint.MaxValue - 1.0)]
    public void TryParse_Timeout_IsItsTime(string text, double milliseconds)
    {
        Assert.That(GrpcTimeout.TryParse(text, out TimeSpan timeout), Is.True);
        Assert.That(timeout.TotalMilliseconds, Is.EqualTo(milliseconds).Within(0.001));
    }

    [TestCase("")]
    [TestCase("S")]
    [TestCase("1")]
    [TestCase("1s")]
    [TestCase("-1S")]
    [TestCase("+1S")]
    [TestCase(" 1S")]
    [TestCase("1.5S")]
    [TestCase("123456789S")]
    [TestCase("1HH")]
    public void TryParse_Nonsense_IsRefused(string text) => Assert.That(GrpcTimeout.TryParse(text, out _), Is.False);

    [TestCase(0, "0u")]
    [TestCase(1, "1000u")]
    [TestCase(99_999, "99999000u")]
    [TestCase(100_000, "100000m")]
    [TestCase(99_999_999, "99999999m")]
    [TestCase(100_000_000, "100000S")]
    [TestCase(-5, "0u")]
    public void Format_Time_HasAtMostEightDigits(long milliseconds, string text) =>
        Assert.That(GrpcTimeout.Format(TimeSpan.FromMilliseconds(milliseconds)), Is.EqualTo(text));

    [FsCheck.NUnit.Property(MaxTest = 500, Replay = "(11,13)")]
    public bool TryParse_OfWhatWasFormatted_IsNoShorter(FsCheck.PositiveInt milliseconds)
    {
        TimeSpan time = TimeSpan.FromMilliseconds(milliseconds.Get * 1.37);
        return GrpcTimeout.TryParse(GrpcTimeout.Format(time), out TimeSpan parsed) && parsed >= time && parsed - time <= TimeSpan.FromSeconds(1);
    }
}
