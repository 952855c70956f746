namespace Tvix.Castore.Tests.Chunking;

/// <summary>The generators of the published vectors.</summary>
internal static class TestData
{
    /// <summary>The top bytes of a 64-bit linear congruential generator.</summary>
    public static byte[] Lcg(ulong seed, int length)
    {
        byte[] data = new byte[length];
        ulong state = seed;
        for (int i = 0; i < length; i++)
        {
            state = unchecked((state * 6364136223846793005) + 1442695040888963407);
            data[i] = (byte)(state >> 56);
        }

        return data;
    }

    /// <summary>The bytes 0 to 254, 4096 times.</summary>
    public static byte[] BlobB()
    {
        byte[] data = new byte[255 * 4096];
        for (int i = 0; i < data.Length; i++)
        {
            data[i] = (byte)(i % 255);
        }

        return data;
    }
}
