using System.Globalization;

namespace Tvix.Store.Http.Pages;

/// <summary>How numbers are shown to people.</summary>
internal static class SizeText
{
    private static readonly string[] s_units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    private static readonly NumberFormatInfo s_spaced = new() { NumberGroupSeparator = "\u00a0" };

    /// <summary>A number of bytes, with about three digits.</summary>
    public static string Short(ulong bytes)
    {
        double number = bytes;
        int unit = 0;
        while (number >= 1024 && unit < s_units.Length - 1)
        {
            number /= 1024;
            unit++;
        }

        string digits = number.ToString(unit == 0 || number >= 100 ? "0" : "0.0", CultureInfo.InvariantCulture);
        return bytes == 1 ? "1 byte" : $"{digits} {s_units[unit]}";
    }

    /// <summary>A number of bytes, exactly.</summary>
    public static string Exact(ulong bytes) => bytes == 1 ? "1 byte" : $"{bytes.ToString("#,0", s_spaced)} bytes";

    /// <summary>A number, its digits in threes.</summary>
    public static string Count(long number) => number.ToString("#,0", s_spaced);
}
