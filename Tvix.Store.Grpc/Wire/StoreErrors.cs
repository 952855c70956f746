using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Nar;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Wire;

/// <summary>The one table between exceptions and how calls end, for servers and for clients.</summary>
/// <remarks>
/// <code>
/// exception                                          status                                   tvix-error          with
/// DigestMismatchException                            INVALID_ARGUMENT uploaded, else DATA_LOSS digest-mismatch     tvix-expected, tvix-actual: as text
/// BlobTooLongException                               likewise                                 blob-too-long       tvix-expected: the blob; tvix-required, tvix-found: limit and size
/// InvalidDirectoryException                          likewise                                 invalid-directory   tvix-reason, tvix-name-bin
/// InvalidPathInfoException                           likewise                                 invalid-path-info   tvix-reason, tvix-index, tvix-found, tvix-required
/// NarFormatException                                 likewise                                 invalid-nar         tvix-reason, tvix-offset
/// other data that breaks a rule, InvalidDataException likewise                                invalid-data
/// ArgumentException                                  INVALID_ARGUMENT                         argument
/// FormatException                                    INVALID_ARGUMENT                         format
/// StorageException                                   UNAVAILABLE if transient, else INTERNAL  storage
/// NotSupportedException                              UNIMPLEMENTED                            not-supported
/// a server that is read-only                         FAILED_PRECONDITION                      read-only
/// TimeoutException                                   UNAVAILABLE                              storage
/// IOException, UnauthorizedAccessException           INTERNAL, without its text               storage
/// OperationCanceledException                         CANCELLED
/// anything else                                      UNKNOWN, without its text
/// </code>
/// <para>The trailers <c>tvix-…</c> let a client of ours rebuild the exception; of other servers there is the status alone. Source of the statuses: castore §2.5 and
/// store-services §2.5, with one thing made better: what is damaged or cannot be reached is told apart.</para>
/// <para>What travels is the text of our own exceptions, which is written for whoever must act. What caused them, and the texts of foreign exceptions, which may name files of the
/// server, stay in the server's log.</para>
/// </remarks>
internal static class StoreErrors
{
    public const string ErrorKey = "tvix-error";
    public const string ReasonKey = "tvix-reason";
    public const string ExpectedKey = "tvix-expected";
    public const string ActualKey = "tvix-actual";
    public const string NameKey = "tvix-name-bin";
    public const string OffsetKey = "tvix-offset";
    public const string IndexKey = "tvix-index";
    public const string FoundKey = "tvix-found";
    public const string RequiredKey = "tvix-required";

    public const string DigestMismatch = "digest-mismatch";
    public const string BlobTooLong = "blob-too-long";
    public const string InvalidDirectory = "invalid-directory";
    public const string InvalidPathInfo = "invalid-path-info";
    public const string InvalidNar = "invalid-nar";
    public const string InvalidData = "invalid-data";
    public const string Argument = "argument";
    public const string Format = "format";
    public const string Storage = "storage";
    public const string NotSupported = "not-supported";
    public const string ReadOnly = "read-only";

    /// <summary>How a call of a server that takes no writes ends.</summary>
    public static GrpcException ReadOnlyStore() => Make(GrpcStatusCode.FailedPrecondition, "This store cannot be written to.", null, ReadOnly);

    /// <summary>Whether the table has a line for an exception. One that it has none for is a defect of the server, or of the connection, and none of the store's.</summary>
    public static bool IsKnown(Exception e) => e
        is not (ConnectionResetException or BadHttpRequestException)
        and (CastoreException or TvixStoreException or ArgumentException or FormatException or NotSupportedException or TimeoutException or IOException
            or InvalidDataException or UnauthorizedAccessException or OperationCanceledException);

    /// <summary>How a call ends whose handler threw.</summary>
    /// <param name="e">What the handler threw.</param>
    /// <param name="isUpload">Whether what is wrong with data is the caller's fault, since it came from there.</param>
    public static GrpcException ToStatus(Exception e, bool isUpload)
    {
        GrpcStatusCode data = isUpload ? GrpcStatusCode.InvalidArgument : GrpcStatusCode.DataLoss;
        switch (e)
        {
            case GrpcException status:
                return status;
            case DigestMismatchException mismatch:
                GrpcException digests = Make(data, e.Message, e, DigestMismatch);
                digests.Trailers.Add(ExpectedKey, mismatch.Expected.ToString());
                AddIfAny(digests.Trailers, ActualKey, mismatch.Actual?.ToString());
                return digests;
            case BlobTooLongException blob:
                GrpcException length = Make(data, e.Message, e, BlobTooLong);
                length.Trailers.Add(ExpectedKey, blob.Digest.ToString());
                length.Trailers.Add(RequiredKey, blob.Limit.ToString(CultureInfo.InvariantCulture));
                AddIfAny(length.Trailers, FoundKey, blob.Size?.ToString(CultureInfo.InvariantCulture));
                return length;
            case InvalidDirectoryException directory:
                GrpcException rule = Make(data, e.Message, e, InvalidDirectory, directory.Error.ToString());
                if (!directory.Name.IsEmpty)
                {
                    // A name that is too long is of any length, and trailers are not.
                    rule.Trailers.Add(NameKey, directory.Name.Span[..Math.Min(directory.Name.Length, PathComponent.MaxLength)]);
                }

                return rule;
            case InvalidPathInfoException info:
                GrpcException field = Make(data, e.Message, e, InvalidPathInfo, info.Error.ToString());
                AddIfAny(field.Trailers, IndexKey, info.Index?.ToString(CultureInfo.InvariantCulture));
                AddIfAny(field.Trailers, FoundKey, info.Found?.ToString(CultureInfo.InvariantCulture));
                AddIfAny(field.Trailers, RequiredKey, info.Expected?.ToString(CultureInfo.InvariantCulture));
                return field;
            case NarFormatException nar:
                GrpcException at = Make(data, e.Message, e, InvalidNar, nar.Error.ToString());
                at.Trailers.Add(OffsetKey, nar.Offset.ToString(CultureInfo.InvariantCulture));
                return at;
            case StorageException storage:
                return Make(storage.IsTransient ? GrpcStatusCode.Unavailable : GrpcStatusCode.Internal, e.Message, e, Storage);
            case TvixStoreException:
                return Make(data, e.Message, e, InvalidData);
            case InvalidDataException:
                return Make(data, "Data is damaged.", e, InvalidData);
            case ArgumentException:
                return Make(GrpcStatusCode.InvalidArgument, e.Message, e, Argument);
            case FormatException:
                return Make(GrpcStatusCode.InvalidArgument, e.Message, e, Format);
            case NotSupportedException:
                return Make(GrpcStatusCode.Unimplemented, e.Message, e, NotSupported);
            case TimeoutException:
                return Make(GrpcStatusCode.Unavailable, "The store took too long.", e, Storage);
            case IOException or UnauthorizedAccessException:
                return Make(GrpcStatusCode.Internal, "The store could not be read or written.", e, Storage);
            case OperationCanceledException:
                return new GrpcException(GrpcStatusCode.Cancelled, "The call was cancelled.", e);
            default:
                return new GrpcException(GrpcStatusCode.Unknown, "The server failed.", e);
        }
    }

    /// <summary>What a client throws for a call that ended badly.</summary>
    /// <param name="e">How it ended.</param>
    /// <param name="doing">What was being done and where, as the start of a sentence: <c>Reading the blob … from http://…</c>.</param>
    /// <remarks>NOT_FOUND is for the caller to judge; here it is a <see cref="StorageException"/>.</remarks>
    public static Exception FromStatus(GrpcException e, string doing)
    {
        string message = $"{doing} failed: {e.Message}";
        return FromTrailers(e, doing, message) ?? FromCode(e, message);
    }

    /// <summary>The exception that a server of ours had; <see langword="null"/> when there is no telling.</summary>
    private static Exception? FromTrailers(GrpcException e, string doing, string message)
    {
        GrpcMetadata trailers = e.Trailers;
        bool isData = e.StatusCode is GrpcStatusCode.InvalidArgument or GrpcStatusCode.DataLoss;
        switch (trailers.GetText(ErrorKey))
        {
            case DigestMismatch when isData && B3Digest.TryParse(trailers.GetText(ExpectedKey), out B3Digest expected):
                return new DigestMismatchException(
                    expected, B3Digest.TryParse(trailers.GetText(ActualKey), out B3Digest actual) ? actual : null, $"{doing}: so says the server", e);
            case BlobTooLong when isData && B3Digest.TryParse(trailers.GetText(ExpectedKey), out B3Digest blob) && GetLong(trailers, RequiredKey) is { } limit:
                return new BlobTooLongException(message, blob, limit, GetLong(trailers, FoundKey), e);
            case InvalidDirectory when isData && TryGetReason(trailers, out DirectoryError error):
                return new InvalidDirectoryException(error, message, trailers.GetBytes(NameKey), e);
            case InvalidPathInfo when isData && TryGetReason(trailers, out PathInfoError error):
                return new InvalidPathInfoException(error, message, e)
                {
                    Index = GetNumber(trailers, IndexKey),
                    Found = GetNumber(trailers, FoundKey),
                    Expected = GetNumber(trailers, RequiredKey),
                };
            case InvalidNar when isData
                && TryGetReason(trailers, out NarError error)
                && long.TryParse(trailers.GetText(OffsetKey), NumberStyles.None, CultureInfo.InvariantCulture, out long offset):
                return new NarFormatException(error, offset, message);
            case Format when e.StatusCode == GrpcStatusCode.InvalidArgument:
                return new FormatException(message, e);
            case ReadOnly when e.StatusCode == GrpcStatusCode.FailedPrecondition:
                return new NotSupportedException(message, e);
            default:
                return null;
        }
    }

    private static Exception FromCode(GrpcException e, string message) => e.StatusCode switch
    {
        GrpcStatusCode.InvalidArgument => new ArgumentException(message, e),
        GrpcStatusCode.Unimplemented => new NotSupportedException(message, e),
        GrpcStatusCode.Unavailable or GrpcStatusCode.Aborted or GrpcStatusCode.Cancelled => new StorageException(message, e, isTransient: true),
        GrpcStatusCode.DeadlineExceeded => new StorageException(message, new TimeoutException(e.Message, e), isTransient: true),
        GrpcStatusCode.Unauthenticated => new StorageException($"{message} (The server wants to know who asks: a token is missing, or wrong.)", e),
        GrpcStatusCode.PermissionDenied => new StorageException($"{message} (The server does not permit it.)", e),
        GrpcStatusCode.ResourceExhausted or GrpcStatusCode.OutOfRange => new StorageException($"{message} (A limit was reached.)", e),
        GrpcStatusCode.DataLoss => new StorageException($"{message} (The server's data is damaged.)", e),
        _ => new StorageException($"{message} (Status: {e.StatusCode}.)", e),
    };

    private static GrpcException Make(GrpcStatusCode code, string message, Exception? inner, string error, string? reason = null)
    {
        GrpcException status = new(code, message, inner);
        status.Trailers.Add(ErrorKey, error);
        AddIfAny(status.Trailers, ReasonKey, reason);
        return status;
    }

    private static void AddIfAny(GrpcMetadata trailers, string key, string? value)
    {
        if (value is not null)
        {
            trailers.Add(key, value);
        }
    }

    private static bool TryGetReason<T>(GrpcMetadata trailers, out T reason)
        where T : struct, Enum => Enum.TryParse(trailers.GetText(ReasonKey), out reason) && Enum.IsDefined(reason);

    private static long? GetLong(GrpcMetadata trailers, string key) =>
        long.TryParse(trailers.GetText(key), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static int? GetNumber(GrpcMetadata trailers, string key) =>
        int.TryParse(trailers.GetText(key), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
