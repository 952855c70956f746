using System.Buffers;

namespace Tvix.Castore.Import;

/// <summary>
/// Reads the members of a tar archive one after the other: ustar, GNU and pax with long names, and sparse files with their holes filled.
/// </summary>
/// <remarks>
/// <code>
/// archive = { [ extended headers ] header data padding } end marker
/// </code>
/// The reader of the framework decodes names as UTF-8 and so loses those that are something else, gathers extended headers of any declared
/// length in memory, and hands out sparse files as they are packed; hence this one. Every failure is an <see cref="ImportException"/>.
/// </remarks>
internal sealed class TarStreamReader(Stream source, bool allowMissingEndMarker) : IDisposable
{
    /// <summary>The greatest length of a name or target that is taken, in bytes; far beyond what any system can hold.</summary>
    private const int MaxNameLength = 1 << 16;

    private const int MaxExtendedHeaderLength = 1 << 20;
    private const int MaxMapLength = 1 << 18;
    private const int BufferLength = 1 << 17;
    private const int BlockLength = TarHeader.BlockLength;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
    private int _start;
    private int _end;

    // Of the current member: its name, stored bytes that are still to come, and the position in the contents with holes.
    private byte[] _path = [];
    private long _stored;
    private int _padding;
    private long _size;
    private long _position;
    private List<long>? _map;
    private int _segment;

    /// <summary>Goes to the next member, past what is left of the current one.</summary>
    /// <returns>The member; <see langword="null"/> at the end of the archive.</returns>
    public async ValueTask<TarMember?> ReadNextAsync(CancellationToken cancellationToken)
    {
        await SkipMemberAsync(cancellationToken).ConfigureAwait(false);
        _path = [];
        byte[]? longName = null;
        byte[]? longLink = null;
        PaxRecords? pax = null;
        while (true)
        {
            bool extended = longName is not null || longLink is not null || pax is not null;
            if (!await TryFillAsync(BlockLength, cancellationToken).ConfigureAwait(false))
            {
                return _start == _end && allowMissingEndMarker && !extended
                    ? null
                    : throw new ImportException(ImportError.TruncatedArchive, _path, "the archive ends before its end marker");
            }

            if (!TryReadHeader(out char type))
            {
                return extended ? throw Damaged("an extended header is followed by no member") : null;
            }

            switch (type)
            {
                case 'x' or 'X':
                    pax = new PaxRecords();
                    if (!pax.TryParse(await ReadAllAsync(MaxExtendedHeaderLength, cancellationToken).ConfigureAwait(false)))
                    {
                        throw Damaged("a pax header is malformed");
                    }

                    break;
                case 'L':
                    longName = TrimZeros(await ReadAllAsync(MaxNameLength, cancellationToken).ConfigureAwait(false));
                    break;
                case 'K':
                    longLink = TrimZeros(await ReadAllAsync(MaxNameLength, cancellationToken).ConfigureAwait(false));
                    break;
                case 'g':
                    _start += BlockLength;
                    break;
                default:
                    return await ReadMemberAsync(longName, longLink, pax, cancellationToken).ConfigureAwait(false);
            }

            await SkipMemberAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads contents of the current member, which is a file.</summary>
    /// <returns>How many bytes were read; 0 at the end only, unless none were asked for.</returns>
    public async ValueTask<int> ReadContentAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        destination = destination[..(int)Math.Min(destination.Length, _size - _position)];
        if (destination.IsEmpty)
        {
            return 0;
        }

        if (_map is not null)
        {
            // Segments ascend and do not overlap; that was checked. Each is a pair of offset and length.
            while (_segment < _map.Count && _map[_segment] + _map[_segment + 1] <= _position)
            {
                _segment += 2;
            }

            long next = _segment < _map.Count ? _map[_segment] : _size;
            if (next > _position)
            {
                destination = destination[..(int)Math.Min(destination.Length, next - _position)];
                destination.Span.Clear();
                _position += destination.Length;
                return destination.Length;
            }

            destination = destination[..(int)Math.Min(destination.Length, next + _map[_segment + 1] - _position)];
        }

        int read = await ReadStoredAsync(destination, cancellationToken).ConfigureAwait(false);
        _position += read;
        return read;
    }

    /// <summary>Reads the source to its end, so that a decompressor gets to check what it knows.</summary>
    public async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        while (await ReadSourceAsync(_buffer.AsMemory(0, BufferLength), cancellationToken).ConfigureAwait(false) > 0)
        {
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _start = _end = 0;
    }

    /// <summary>
    /// Looks at the header block at the start of the buffer, without taking it; <see langword="false"/> for the end marker.
    /// </summary>
    private bool TryReadHeader(out char type)
    {
        TarHeader header = new(_buffer.AsSpan(_start, BlockLength));
        type = header.Type;
        if (header.IsEndMarker)
        {
            return false;
        }

        if (!header.IsChecksumRight())
        {
            throw Damaged("the checksum of a header is wrong, or this is no tar archive");
        }

        if (!header.TryGetSize(out long size))
        {
            throw Damaged("the size in a header is no number");
        }

        // Links, devices and directories have no data, whatever size they state.
        SetStored(type is >= '1' and <= '6' ? 0 : size);
        return true;
    }

    private void SetStored(long length)
    {
        // Leaves room for adding paddings.
        if (length > long.MaxValue / 2)
        {
            throw Damaged($"a size of {length} bytes is beyond all bounds");
        }

        _stored = length;
        _padding = (int)(-length & (BlockLength - 1));
    }

    private async ValueTask<TarMember> ReadMemberAsync(
        byte[]? longName, byte[]? longLink, PaxRecords? pax, CancellationToken cancellationToken)
    {
        TarMember member = TakeHeader(longName, longLink, pax, out List<long>? map, out bool mapGoesOn, out bool mapInData);
        while (mapGoesOn)
        {
            mapGoesOn = await ReadMapBlockAsync(map!, cancellationToken).ConfigureAwait(false);
        }

        if (mapInData)
        {
            map = await ReadMapInDataAsync(cancellationToken).ConfigureAwait(false);
        }

        _size = member.Size;
        _position = 0;
        _segment = 0;
        _map = map;
        if (map is not null)
        {
            CheckMap(map);
        }

        return member;
    }

    private TarMember TakeHeader(
        byte[]? longName, byte[]? longLink, PaxRecords? pax, out List<long>? map, out bool mapGoesOn, out bool mapInData)
    {
        TarHeader header = new(_buffer.AsSpan(_start, BlockLength));
        _start += BlockLength;
        _path = pax?.SparseName ?? pax?.Path ?? longName ?? header.Name;
        if (_path.Length > MaxNameLength)
        {
            throw new ImportException(ImportError.InvalidPath, _path, $"the name has more than {MaxNameLength} bytes");
        }

        char type = header.Type;
        TarEntryKind kind = type switch
        {
            // Before there was a type for directories, they were files whose name ends with a slash.
            '0' or '\0' when _path.AsSpan().EndsWith("/"u8) => TarEntryKind.Directory,
            '0' or '\0' or '7' or 'S' => TarEntryKind.File,
            '1' => TarEntryKind.HardLink,
            '2' => TarEntryKind.Symlink,
            '5' => TarEntryKind.Directory,
            _ => TarEntryKind.Unsupported,
        };
        if (pax?.Size is { } paxSize && type is not (>= '1' and <= '6'))
        {
            SetStored(paxSize);
        }

        long size = _stored;
        map = null;
        mapGoesOn = false;
        mapInData = false;
        if (type == 'S')
        {
            map = [];
            mapGoesOn = header.MapGoesOn;
            if (!header.TryGetSizeWithHoles(out size) || !header.TryGetMap(map))
            {
                throw Damaged("the map of a sparse file is malformed");
            }
        }
        else if (kind == TarEntryKind.File && pax is { IsSparse: true })
        {
            map = pax.SparseMap;
            mapInData = pax.SparseMapInData;
            size = pax.SparseSize ?? throw Damaged("a sparse file has no size");
        }

        return new TarMember(_path, kind, type, size, (header.Mode & 0x40) != 0, pax?.LinkPath ?? longLink ?? header.LinkName.ToArray());
    }

    /// <summary>
    /// Reads one more block of the map of GNU's type S; answers whether yet another follows. Map blocks are not part of the stored bytes.
    /// </summary>
    private async ValueTask<bool> ReadMapBlockAsync(List<long> map, CancellationToken cancellationToken)
    {
        if (!await TryFillAsync(BlockLength, cancellationToken).ConfigureAwait(false))
        {
            throw Truncated();
        }

        ReadOnlySpan<byte> block = _buffer.AsSpan(_start, BlockLength);
        _start += BlockLength;
        if (!TarHeader.TryAddMap(block[..504], map) || map.Count > MaxMapLength)
        {
            throw Damaged("the map of a sparse file is malformed or too long");
        }

        return block[504] != 0;
    }

    /// <summary>
    /// Reads the map of format 1.0: lines of decimal numbers, the count of segments first, in whole blocks before the data.
    /// </summary>
    private async ValueTask<List<long>> ReadMapInDataAsync(CancellationToken cancellationToken)
    {
        List<long> map = [];
        long expected = -1;
        long number = 0;
        bool digits = false;
        byte[] block = new byte[BlockLength];
        while (expected != map.Count)
        {
            for (int filled = 0; filled < BlockLength;)
            {
                int read = await ReadStoredAsync(block.AsMemory(filled), cancellationToken).ConfigureAwait(false);
                filled += read > 0 ? read : throw Damaged("the map of a sparse file is longer than its data");
            }

            for (int i = 0; i < BlockLength && expected != map.Count; i++)
            {
                if (block[i] is >= (byte)'0' and <= (byte)'9' && number < long.MaxValue / 16)
                {
                    number = (number * 10) + (block[i] - '0');
                    digits = true;
                }
                else if (block[i] != '\n' || !digits || (expected < 0 && number > MaxMapLength / 2))
                {
                    throw Damaged("the map of a sparse file is malformed or too long");
                }
                else if (expected < 0)
                {
                    expected = number * 2;
                    number = 0;
                    digits = false;
                }
                else
                {
                    map.Add(number);
                    number = 0;
                    digits = false;
                }
            }
        }

        return map;
    }

    /// <summary>Segments must ascend within the file, and together be what is stored.</summary>
    private void CheckMap(List<long> map)
    {
        bool ok = map.Count % 2 == 0 && map.Count <= MaxMapLength;
        long end = 0;
        long total = 0;
        for (int i = 0; ok && i < map.Count; i += 2)
        {
            ok = map[i] >= end && map[i] <= _size && map[i + 1] <= _size - map[i];
            end = map[i] + map[i + 1];
            total += map[i + 1];
        }

        if (!ok || total != _stored)
        {
            throw new ImportException(ImportError.UnexpectedSize, _path, "the map of the sparse file does not fit to its sizes");
        }
    }

    /// <summary>Takes the header block, and the whole data of an extended header.</summary>
    private async ValueTask<byte[]> ReadAllAsync(int maxLength, CancellationToken cancellationToken)
    {
        _start += BlockLength;
        if (_stored > maxLength)
        {
            throw Damaged($"an extended header has {_stored} bytes; {maxLength} are allowed");
        }

        byte[] data = new byte[_stored];
        for (int filled = 0; filled < data.Length;)
        {
            filled += await ReadStoredAsync(data.AsMemory(filled), cancellationToken).ConfigureAwait(false);
        }

        return data;
    }

    /// <summary>Reads stored bytes of the current member; 0 when there are no more.</summary>
    private async ValueTask<int> ReadStoredAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        destination = destination[..(int)Math.Min(destination.Length, _stored)];
        if (destination.IsEmpty)
        {
            return 0;
        }

        int read;
        if (_start == _end && destination.Length >= BufferLength)
        {
            read = await ReadSourceAsync(destination, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await TryFillAsync(1, cancellationToken).ConfigureAwait(false);
            read = Math.Min(_end - _start, destination.Length);
            _buffer.AsSpan(_start, read).CopyTo(destination.Span);
            _start += read;
        }

        _stored -= read;
        return read > 0 ? read : throw Truncated();
    }

    private async ValueTask SkipMemberAsync(CancellationToken cancellationToken)
    {
        for (long left = _stored + _padding; left > 0;)
        {
            if (!await TryFillAsync(1, cancellationToken).ConfigureAwait(false))
            {
                throw Truncated();
            }

            int skipped = (int)Math.Min(left, _end - _start);
            _start += skipped;
            left -= skipped;
        }

        _stored = 0;
        _padding = 0;
    }

    /// <summary>Makes the buffer hold at least some bytes; <see langword="false"/> when the source ends before.</summary>
    private async ValueTask<bool> TryFillAsync(int count, CancellationToken cancellationToken)
    {
        while (_end - _start < count)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
            int read = await ReadSourceAsync(_buffer.AsMemory(_end, BufferLength - _end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return false;
            }

            _end += read;
        }

        return true;
    }

    private async ValueTask<int> ReadSourceAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        try
        {
            return await source.ReadAsync(destination, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException e)
        {
            throw new ImportException(ImportError.InvalidArchive, _path, "the compressed archive is damaged or truncated", e);
        }
        catch (IOException e)
        {
            throw new ImportException(ImportError.Read, _path, "the archive cannot be read", e);
        }
    }

    private static byte[] TrimZeros(byte[] name) => name.AsSpan().IndexOf((byte)0) is >= 0 and int end ? name[..end] : name;

    private ImportException Truncated() => new(ImportError.TruncatedArchive, _path, "the archive ends inside of it");

    private ImportException Damaged(string reason) => new(ImportError.InvalidArchive, _path, reason);
}
