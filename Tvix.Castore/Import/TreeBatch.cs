namespace Tvix.Castore.Import;

/// <summary>A run of a tree in NAR order, with the contents of its files: what travels from the walk to the store and to a sink.</summary>
internal sealed class TreeBatch
{
    public const int BufferSize = 2 << 20;

    /// <summary>Files up to this size travel whole; larger ones in parts.</summary>
    public const int MaxWholeFile = (512 << 10) - 1;

    private const int MaxItems = 4096;

    private int _users;

    public byte[] Buffer { get; } = GC.AllocateUninitializedArray<byte>(BufferSize);

    public int Used { get; set; }

    public List<TreeItem> Items { get; } = [];

    public int Free => BufferSize - Used;

    public bool IsFull => Items.Count >= MaxItems;

    public ReadOnlyMemory<byte> ContentOf(in TreeItem item) => Buffer.AsMemory(item.Offset, item.Length);

    public void Reset(int users)
    {
        Used = 0;
        Items.Clear();
        _users = users;
    }

    /// <summary>One of the users is through; <see langword="true"/> when it was the last.</summary>
    public bool Release() => Interlocked.Decrement(ref _users) == 0;
}
