using System.Text;
using System.Text.Unicode;
using Tvix.Castore.Model;
using Tvix.Store.Nix;

namespace Tvix.Store.NarInfos;

public sealed partial class NarInfo
{
    /// <summary>Parses the text of a narinfo.</summary>
    /// <param name="utf8">The text. A carriage return before a line end and a missing last line end do not matter.</param>
    /// <param name="storeDirectory">The store directory that the path must be in.</param>
    /// <exception cref="NarInfoFormatException">The text breaks a rule.</exception>
    public static NarInfo Parse(ReadOnlySpan<byte> utf8, StoreDirectory storeDirectory = default)
    {
        if (!Utf8.IsValid(utf8))
        {
            throw new NarInfoFormatException(NarInfoError.InvalidEncoding, "The narinfo is not UTF-8.");
        }

        Parser parser = new(storeDirectory);
        for (int number = 1; !utf8.IsEmpty; number++)
        {
            int end = utf8.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? utf8 : utf8[..end];
            utf8 = end < 0 ? default : utf8[(end + 1)..];
            parser.ReadLine(line.EndsWith((byte)'\r') ? line[..^1] : line, number);
        }

        return parser.Finish();
    }

    /// <summary>Parses the text of a narinfo.</summary>
    /// <param name="text">The text.</param>
    /// <param name="storeDirectory">The store directory that the path must be in.</param>
    /// <exception cref="NarInfoFormatException">The text breaks a rule.</exception>
    public static NarInfo Parse(ReadOnlySpan<char> text, StoreDirectory storeDirectory = default) =>
        Parse(Utf8Text.Encode(text), storeDirectory);

    /// <summary>Collects the fields of one text.</summary>
    private sealed class Parser(StoreDirectory storeDirectory)
    {
        private readonly List<NarSignature> _signatures = [];
        private StorePath? _storePath;
        private string? _url;
        private string? _compression;
        private Sha256Digest? _fileHash;
        private ulong? _fileSize;
        private Sha256Digest? _narHash;
        private ulong? _narSize;
        private StorePath[]? _references;
        private bool _hasDeriver;
        private StorePath? _deriver;
        private string? _system;
        private ContentAddress? _contentAddress;
        private NarInfoQuirks _quirks;
        private int _line;

        public void ReadLine(ReadOnlySpan<byte> line, int number)
        {
            _line = number;
            int colon = line.IndexOf((byte)':');
            if (colon < 0 || colon + 1 == line.Length || line[colon + 1] != ' ')
            {
                throw new NarInfoFormatException(
                    NarInfoError.InvalidLine,
                    $"Line {number} of the narinfo, '{ByteText.Show(line)}', is not a key, a colon, a space and a value.",
                    line: number);
            }

            ReadOnlySpan<byte> value = line[(colon + 2)..];
            string? key = KeyOf(line[..colon]);
            if (IsTaken(key))
            {
                throw Error(NarInfoError.DuplicateField, key!, "occurs twice");
            }

            switch (key)
            {
                case Keys.StorePath:
                    _storePath = StorePath.TryParseAbsolute(value, out StorePath? path, out StorePathError error, storeDirectory)
                        ? path
                        : throw Error(NarInfoError.InvalidStorePath, key, StorePath.DescribeAbsolute(value, error, storeDirectory));
                    break;
                case Keys.Url:
                    _url = TextOf(key, value);
                    break;
                case Keys.Compression:
                    _compression = TextOf(key, value);
                    break;
                case Keys.FileHash:
                    _fileHash = HashOf(key, value);
                    break;
                case Keys.FileSize:
                    _fileSize = SizeOf(key, value);
                    break;
                case Keys.NarHash:
                    _narHash = HashOf(key, value);
                    break;
                case Keys.NarSize:
                    _narSize = SizeOf(key, value);
                    break;
                case Keys.References:
                    _references = ReferencesOf(value);
                    break;
                case Keys.Deriver:
                    _hasDeriver = true;
                    _deriver = DeriverOf(value);
                    break;
                case Keys.System:
                    _system = TextOf(key, value);
                    break;
                case Keys.Signature:
                    _signatures.Add(
                        NarSignature.TryParse(value, out NarSignature? signature, out NarKeyError reason, out int length)
                            ? signature
                            : throw Error(
                                NarInfoError.UnableToParseSignature,
                                key,
                                NamedBase64.Describe(reason, "signature", NarSignature.Size, length),
                                _signatures.Count));
                    break;
                case Keys.ContentAddress:
                    _contentAddress = ContentAddress.TryParse(value, out ContentAddress? address)
                        ? address
                        : throw Error(NarInfoError.UnableToParseContentAddress, key, $"'{ByteText.Show(value)}' is no content address");
                    break;
                default:
                    _quirks |= NarInfoQuirks.UnknownField;
                    break;
            }
        }

        public NarInfo Finish()
        {
            if (_compression is null)
            {
                _quirks |= NarInfoQuirks.CompressionMissing;
            }

            if (_references is null)
            {
                _quirks |= NarInfoQuirks.ReferencesMissing;
            }

            return new NarInfo
            {
                StorePath = _storePath ?? throw Missing(Keys.StorePath),
                Url = _url ?? throw Missing(Keys.Url),
                NarHash = _narHash ?? throw Missing(Keys.NarHash),
                NarSize = _narSize ?? throw Missing(Keys.NarSize),
                Compression = _compression ?? DefaultCompression,
                FileHash = _fileHash,
                FileSize = _fileSize,
                References = _references ?? [],
                Deriver = _deriver,
                System = _system,
                Signatures = _signatures,
                ContentAddress = _contentAddress,
                Quirks = _quirks,
            };
        }

        private static string? KeyOf(ReadOnlySpan<byte> key) => key switch
        {
            _ when key.SequenceEqual("StorePath"u8) => Keys.StorePath,
            _ when key.SequenceEqual("URL"u8) => Keys.Url,
            _ when key.SequenceEqual("Compression"u8) => Keys.Compression,
            _ when key.SequenceEqual("FileHash"u8) => Keys.FileHash,
            _ when key.SequenceEqual("FileSize"u8) => Keys.FileSize,
            _ when key.SequenceEqual("NarHash"u8) => Keys.NarHash,
            _ when key.SequenceEqual("NarSize"u8) => Keys.NarSize,
            _ when key.SequenceEqual("References"u8) => Keys.References,
            _ when key.SequenceEqual("Deriver"u8) => Keys.Deriver,
            _ when key.SequenceEqual("System"u8) => Keys.System,
            _ when key.SequenceEqual("Sig"u8) => Keys.Signature,
            _ when key.SequenceEqual("CA"u8) => Keys.ContentAddress,
            _ => null,
        };

        private static NarInfoFormatException Missing(string key) =>
            new(NarInfoError.MissingField, $"The narinfo has no {key}.", key);

        private bool IsTaken(string? key) => key switch
        {
            Keys.StorePath => _storePath is not null,
            Keys.Url => _url is not null,
            Keys.Compression => _compression is not null,
            Keys.FileHash => _fileHash is not null,
            Keys.FileSize => _fileSize is not null,
            Keys.NarHash => _narHash is not null,
            Keys.NarSize => _narSize is not null,
            Keys.References => _references is not null,
            Keys.Deriver => _hasDeriver,
            Keys.System => _system is not null,
            Keys.ContentAddress => _contentAddress is not null,
            _ => false,
        };

        private string TextOf(string key, ReadOnlySpan<byte> value) =>
            value.IsEmpty ? throw Error(NarInfoError.EmptyField, key, "is empty") : Encoding.UTF8.GetString(value);

        private Sha256Digest HashOf(string key, ReadOnlySpan<byte> value)
        {
            if (!value.StartsWith("sha256:"u8))
            {
                throw Error(NarInfoError.MissingPrefixForHash, key, $"'{ByteText.Show(value)}' does not begin with {Sha256Digest.Prefix}");
            }

            ReadOnlySpan<byte> text = value[Sha256Digest.Prefix.Length..];
            Span<byte> digest = stackalloc byte[Sha256Digest.Size];
            if (NixBase32.TryDecode(text, digest, out _) == NixBase32Error.None)
            {
                return new Sha256Digest(digest);
            }

            if (key == Keys.NarHash && LowerHex.TryDecode(text, digest))
            {
                _quirks |= NarInfoQuirks.NarHashInHex;
                return new Sha256Digest(digest);
            }

            throw Error(NarInfoError.UnableToDecodeHash, key, $"'{ByteText.Show(value)}' is not a digest");
        }

        private ulong SizeOf(string key, ReadOnlySpan<byte> value)
        {
            ReadOnlySpan<byte> digits = value.StartsWith((byte)'+') ? value[1..] : value;
            ulong size = 0;
            bool ok = !digits.IsEmpty;
            foreach (byte digit in digits)
            {
                uint number = (uint)(digit - '0');
                ok &= number <= 9 && size <= (ulong.MaxValue - number) / 10;
                size = unchecked((size * 10) + number);
            }

            return ok
                ? size
                : throw Error(NarInfoError.UnableToParseSize, key, $"'{ByteText.Show(value)}' is not a decimal number below 2^64");
        }

        private StorePath[] ReferencesOf(ReadOnlySpan<byte> value)
        {
            if (value.IsEmpty)
            {
                return [];
            }

            List<StorePath> references = [];
            foreach (Range range in value.Split((byte)' '))
            {
                ReadOnlySpan<byte> item = value[range];
                if (!StorePath.TryParseBaseName(item, out StorePath? reference, out StorePathError error))
                {
                    throw Error(NarInfoError.InvalidReference, Keys.References, StorePath.Describe(item, error), references.Count);
                }

                if (references.Count > 0 && reference.CompareTo(references[^1]) <= 0)
                {
                    _quirks |= NarInfoQuirks.ReferencesOutOfOrder;
                }

                references.Add(reference);
            }

            return [.. references];
        }

        private StorePath? DeriverOf(ReadOnlySpan<byte> value)
        {
            if (value.SequenceEqual("unknown-deriver"u8))
            {
                _quirks |= NarInfoQuirks.UnknownDeriver;
                return null;
            }

            if (!value.EndsWith(".drv"u8))
            {
                throw Error(
                    NarInfoError.InvalidDeriverStorePathMissingSuffix,
                    Keys.Deriver,
                    $"'{ByteText.Show(value)}' does not end in .drv");
            }

            ReadOnlySpan<byte> rest = value[..^DerivationSuffix.Length];
            return StorePath.TryParseBaseName(rest, out StorePath? deriver, out StorePathError error)
                ? deriver
                : throw Error(NarInfoError.InvalidDeriverStorePath, Keys.Deriver, StorePath.Describe(rest, error));
        }

        private NarInfoFormatException Error(NarInfoError error, string key, string reason, int? index = null)
        {
            string which = index is { } i ? $" (number {i}, from 0)" : "";
            return new NarInfoFormatException(
                error,
                $"{key}{which} in line {_line} of the narinfo is not right: {reason.TrimEnd('.')}.",
                key,
                index,
                _line);
        }
    }
}
