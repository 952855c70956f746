using System.Runtime.Versioning;

// The tool imports on Linux only.
[assembly: SupportedOSPlatform("linux")]
