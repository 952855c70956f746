using System.Globalization;
using NUnit.Framework;
using Tvix.Testing.Fuzzing;

namespace Tvix.Store.Tests.Fuzzing;

/// <summary>Feeds a parser with damaged inputs and reports the first that it does not take well, so that it can be repeated.</summary>
/// <remarks>
/// A parser gets <see cref="DefaultIterations"/> inputs, or as many as the environment variable <c>TVIX_FUZZ_ITERATIONS</c> says: set it to
/// some millions for a long run. <c>TVIX_FUZZ_SEED</c> starts from another seed than the fixed one.
/// </remarks>
internal static class FuzzHarness
{
    public const int DefaultIterations = 200_000;

    private static readonly int Iterations = Read("TVIX_FUZZ_ITERATIONS", DefaultIterations);
    private static readonly int Seed = Read("TVIX_FUZZ_SEED", 20_240_817);

    /// <summary>Runs a parser.</summary>
    /// <param name="corpus">Good inputs.</param>
    /// <param name="tokens">Pieces that mean something to the parser.</param>
    /// <param name="parse">
    /// Parses, catches the exceptions that are documented and nothing else, and asserts what holds for any input. Returns whether the input
    /// was accepted.
    /// </param>
    /// <param name="slowness">A parser that takes this many times longer than others gets so many times fewer inputs.</param>
    public static void Run(IEnumerable<byte[]> corpus, IEnumerable<byte[]> tokens, Func<byte[], bool> parse, int slowness = 1)
    {
        int iterations = Math.Max(1, Iterations / slowness);
        Mutator mutator = new(Seed, corpus, tokens, maxLength: 8192);
        int accepted = 0;
        for (int i = 0; i < iterations; i++)
        {
            byte[] input = mutator.Next();
            try
            {
                accepted += parse(input) ? 1 : 0;
            }
            catch (Exception e)
            {
                throw new AssertionException($"Input {i} of seed {Seed} failed: {Convert.ToBase64String(input)}", e);
            }
        }

        // A harness whose inputs are all refused at the first byte, or all accepted, tests nothing.
        Assert.That(accepted, Is.GreaterThan(iterations / 1000).And.LessThan(iterations));
        TestContext.Out.WriteLine($"{iterations} inputs, {accepted} of them accepted.");
    }

    private static int Read(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
