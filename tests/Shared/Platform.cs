using System.Runtime.Versioning;

// Modes, links, pipes and names that are not UTF-8 are what many tests are about.
[assembly: SupportedOSPlatform("linux")]
