using NUnit.Framework;
using Tvix.Castore;
using Tvix.Castore.Model;
using Tvix.Store.Grpc.Protocol;
using Tvix.Store.Grpc.Wire;
using Tvix.Store.Nar;
using Tvix.Store.NarInfos;
using Tvix.Store.PathInfos;

namespace Tvix.Store.Grpc.Tests.Wire;

[TestFixture]
public sealed class StoreErrorsTests
{
    private static readonly B3Digest _one = new(Enumerable.Repeat((byte)1, 32).ToArray());
    private static readonly B3Digest _two = new(Enumerable.Repeat((byte)2, 32).ToArray());

    /// <summary>Each line of the table: what is thrown, how the call ends for a download and for an upload, and what a client of ours throws.</summary>
    public static IEnumerable<TestCaseData> Cases =>
        from line in Table
        from isUpload in (bool[])[false, true]
        select new TestCaseData(line.Thrown, isUpload, isUpload ? line.Upload : line.Download, (isUpload ? line.AfterUpload : line.AfterDownload) ?? line.Thrown.GetType());

    private static IEnumerable<Line> Table
    {
        get
        {
            yield return new Line(new DigestMismatchException(_one, _two, "pack 1"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new DigestMismatchException(_one, null, "pack 1"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new BlobTooLongException(_one, 100, 1L << 40), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new BlobTooLongException(_one, 1L << 33), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new InvalidDirectoryException(DirectoryError.WrongSorting, "x", "a\xff"u8.ToArray()), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new InvalidDirectoryException(DirectoryError.NotConnected, "x"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(
                new InvalidPathInfoException(PathInfoError.InvalidSignatureLength, "x") { Index = 3, Found = 63, Expected = 64 }, GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new NarFormatException(NarError.UnexpectedToken, 1L << 40, "x"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument);
            yield return new Line(new NarInfoFormatException(default(NarInfoError), "x"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument, typeof(StorageException), typeof(ArgumentException));
            yield return new Line(new InvalidDataException("secret"), GrpcStatusCode.DataLoss, GrpcStatusCode.InvalidArgument, typeof(StorageException), typeof(ArgumentException));
            yield return new Line(new ArgumentException("x"), GrpcStatusCode.InvalidArgument, GrpcStatusCode.InvalidArgument);
            yield return new Line(new ArgumentOutOfRangeException("p"), GrpcStatusCode.InvalidArgument, GrpcStatusCode.InvalidArgument, typeof(ArgumentException), typeof(ArgumentException));
            yield return new Line(new FormatException("x"), GrpcStatusCode.InvalidArgument, GrpcStatusCode.InvalidArgument);
            yield return new Line(new StorageException("x", isTransient: true), GrpcStatusCode.Unavailable, GrpcStatusCode.Unavailable);
            yield return new Line(new StorageException("x"), GrpcStatusCode.Internal, GrpcStatusCode.Internal);
            yield return new Line(new NotSupportedException("x"), GrpcStatusCode.Unimplemented, GrpcStatusCode.Unimplemented);
            yield return new Line(new TimeoutException("secret"), GrpcStatusCode.Unavailable, GrpcStatusCode.Unavailable, typeof(StorageException), typeof(StorageException));
            yield return new Line(new IOException("secret"), GrpcStatusCode.Internal, GrpcStatusCode.Internal, typeof(StorageException), typeof(StorageException));
            yield return new Line(new UnauthorizedAccessException("secret"), GrpcStatusCode.Internal, GrpcStatusCode.Internal, typeof(StorageException), typeof(StorageException));
            yield return new Line(new OperationCanceledException("x"), GrpcStatusCode.Cancelled, GrpcStatusCode.Cancelled, typeof(StorageException), typeof(StorageException));
            yield return new Line(new InvalidOperationException("secret"), GrpcStatusCode.Unknown, GrpcStatusCode.Unknown, typeof(StorageException), typeof(StorageException));
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void ToStatusAndBack_WithTrailers_GivesTheSameException(Exception thrown, bool isUpload, GrpcStatusCode code, Type rebuilt)
    {
        GrpcException status = StoreErrors.ToStatus(thrown, isUpload);
        Assert.That(status.StatusCode, Is.EqualTo(code));
        Assert.That(status.InnerException, Is.SameAs(thrown));
        Assert.That(status.Message, Does.Not.Contain("secret"));

        Exception back = StoreErrors.FromStatus(Travelled(status), "Doing this");
        Assert.That(back, Is.TypeOf(rebuilt));
        if (back is not NarFormatException)
        {
            Assert.That(Causes(back).OfType<GrpcException>().Any(), Is.True, "the status is among the causes");
        }

        Assert.That(back.Message, Does.Contain("Doing this"));
        switch (thrown, back)
        {
            case (DigestMismatchException a, DigestMismatchException b):
                Assert.That((b.Expected, b.Actual), Is.EqualTo((a.Expected, a.Actual)));
                break;
            case (BlobTooLongException a, BlobTooLongException b):
                Assert.That((b.Digest, b.Limit, b.Size), Is.EqualTo((a.Digest, a.Limit, a.Size)));
                break;
            case (InvalidDirectoryException a, InvalidDirectoryException b):
                Assert.That(b.Error, Is.EqualTo(a.Error));
                Assert.That(b.Name.ToArray(), Is.EqualTo(a.Name.ToArray()));
                break;
            case (InvalidPathInfoException a, InvalidPathInfoException b):
                Assert.That((b.Error, b.Index, b.Found, b.Expected), Is.EqualTo((a.Error, a.Index, a.Found, a.Expected)));
                break;
            case (NarFormatException a, NarFormatException b):
                Assert.That((b.Error, b.Offset), Is.EqualTo((a.Error, a.Offset)));
                break;
            case (StorageException a, StorageException b):
                Assert.That(b.IsTransient, Is.EqualTo(a.IsTransient));
                break;
        }
    }

    [TestCase(GrpcStatusCode.Cancelled, typeof(StorageException), true)]
    [TestCase(GrpcStatusCode.Unknown, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.InvalidArgument, typeof(ArgumentException))]
    [TestCase(GrpcStatusCode.DeadlineExceeded, typeof(StorageException), true)]
    [TestCase(GrpcStatusCode.NotFound, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.AlreadyExists, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.PermissionDenied, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.ResourceExhausted, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.FailedPrecondition, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.Aborted, typeof(StorageException), true)]
    [TestCase(GrpcStatusCode.OutOfRange, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.Unimplemented, typeof(NotSupportedException))]
    [TestCase(GrpcStatusCode.Internal, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.Unavailable, typeof(StorageException), true)]
    [TestCase(GrpcStatusCode.DataLoss, typeof(StorageException), false)]
    [TestCase(GrpcStatusCode.Unauthenticated, typeof(StorageException), false)]
    public void FromStatus_OfAnotherServer_GoesByTheCode(GrpcStatusCode code, Type type, bool? isTransient = null)
    {
        Exception e = StoreErrors.FromStatus(new GrpcException(code, "the limit is 7"), "Reading it from there");
        Assert.That(e, Is.TypeOf(type));
        Assert.That(e.Message, Does.StartWith("Reading it from there failed: the limit is 7"));
        Assert.That((e as StorageException)?.IsTransient, Is.EqualTo(isTransient));
        Assert.That(Causes(e).Any(cause => cause is GrpcException or TimeoutException), Is.True);
    }

    [TestCase(StoreErrors.DigestMismatch, StoreErrors.ExpectedKey, "nonsense")]
    [TestCase(StoreErrors.DigestMismatch, "tvix-other", "x")]
    [TestCase(StoreErrors.InvalidDirectory, StoreErrors.ReasonKey, "NoSuchRule")]
    [TestCase(StoreErrors.InvalidDirectory, StoreErrors.ReasonKey, "4711")]
    [TestCase(StoreErrors.InvalidPathInfo, "tvix-other", "x")]
    [TestCase(StoreErrors.InvalidNar, StoreErrors.OffsetKey, "-1")]
    [TestCase("something new", "tvix-other", "x")]
    public void FromStatus_TrailersThatMakeNoSense_GoesByTheCode(string error, string key, string value)
    {
        GrpcException status = new(GrpcStatusCode.DataLoss, "x");
        status.Trailers.Add(StoreErrors.ErrorKey, error);
        status.Trailers.Add(key, value);
        Assert.That(StoreErrors.FromStatus(status, "Reading"), Is.TypeOf<StorageException>());
    }

    [Test]
    public void FromStatus_TrailersOfAnotherStatus_GoesByTheCode()
    {
        GrpcException status = new(GrpcStatusCode.Unavailable, "x");
        status.Trailers.Add(StoreErrors.ErrorKey, StoreErrors.DigestMismatch);
        status.Trailers.Add(StoreErrors.ExpectedKey, _one.ToString());
        Assert.That(StoreErrors.FromStatus(status, "Reading"), Is.TypeOf<StorageException>().And.Property(nameof(StorageException.IsTransient)).True);
    }

    [Test]
    public void ReadOnlyStore_AtTheClient_IsNotSupported()
    {
        GrpcException status = StoreErrors.ReadOnlyStore();
        Assert.That(status.StatusCode, Is.EqualTo(GrpcStatusCode.FailedPrecondition));
        Assert.That(StoreErrors.FromStatus(Travelled(status), "Writing"), Is.TypeOf<NotSupportedException>());
    }

    [Test]
    public void ToStatus_StatusAlready_StaysAsItIs()
    {
        GrpcException status = new(GrpcStatusCode.NotFound, "x");
        Assert.That(StoreErrors.ToStatus(status, isUpload: true), Is.SameAs(status));
    }

    [Test]
    public void ToStatus_VeryLongName_FitsIntoATrailer()
    {
        GrpcException status = StoreErrors.ToStatus(new InvalidDirectoryException(DirectoryError.InvalidName, "x", new byte[1 << 20]), isUpload: true);
        Assert.That(status.Trailers.GetBytes(StoreErrors.NameKey), Has.Length.EqualTo(PathComponent.MaxLength));
    }

    private sealed record Line(Exception Thrown, GrpcStatusCode Download, GrpcStatusCode Upload, Type? AfterDownload = null, Type? AfterUpload = null);

    /// <summary>What arrives: code, text and trailers, but not the cause.</summary>
    private static GrpcException Travelled(GrpcException status) => new(status.StatusCode, status.Message, trailers: status.Trailers);

    private static IEnumerable<Exception> Causes(Exception e)
    {
        for (Exception? cause = e.InnerException; cause is not null; cause = cause.InnerException)
        {
            yield return cause;
        }
    }
}
