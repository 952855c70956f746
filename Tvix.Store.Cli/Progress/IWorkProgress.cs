using Tvix.Castore;
using Tvix.Castore.Export;
using Tvix.Castore.Import;
using Tvix.Store.Copy;

namespace Tvix.Store.Cli.Progress;

/// <summary>Is told how far work has come. Can be told from any thread.</summary>
internal interface IWorkProgress
{
    /// <summary>Whether anybody looks.</summary>
    bool IsShown { get; }

    /// <summary>Says how far the work has come.</summary>
    /// <param name="done">What was done.</param>
    /// <param name="total">What there is to do, in the same unit; <see langword="null"/> when that is not known.</param>
    /// <param name="bytes">How many bytes were done.</param>
    /// <param name="items">How many items were done; <see langword="null"/> when they are not counted.</param>
    void Report(double done, double? total, long bytes, long? items);

    /// <summary>This, for an import.</summary>
    IProgress<ImportProgress>? ForImport() =>
        IsShown ? new Adapter<ImportProgress>(p => Report(p.Bytes, null, p.Bytes, p.Files)) : null;

    /// <summary>This, for an export.</summary>
    /// <param name="total">The length of the tree as a NAR, near enough to the length of its files.</param>
    IProgress<ExportProgress>? ForExport(ulong? total) =>
        IsShown ? new Adapter<ExportProgress>(p => Report(p.Bytes, total, p.Bytes, p.Files)) : null;

    /// <summary>This, for a verification.</summary>
    IProgress<VerifyProgress>? ForVerify() =>
        IsShown ? new Adapter<VerifyProgress>(p => Report(p.Objects, p.TotalObjects, p.Bytes, p.Objects)) : null;

    /// <summary>This, for a copy between stores.</summary>
    IProgress<CopyProgress>? ForCopy() =>
        IsShown ? new Adapter<CopyProgress>(p => Report(p.PathsDone, p.PathsTotal, p.BytesCopied, p.PathsDone)) : null;

    private sealed class Adapter<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
