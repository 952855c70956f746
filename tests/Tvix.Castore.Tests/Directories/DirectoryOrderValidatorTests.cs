using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(DirectoryOrderValidator))]
public sealed class DirectoryOrderValidatorTests
{
    private static CastoreDirectory A => SampleTrees.Empty;

    private static CastoreDirectory B => SampleTrees.OneEmptyChild;

    private static CastoreDirectory C => SampleTrees.TwoEmptyChildren;

    [Test]
    public void LeavesToRoot_ChildrenFirst_AcceptsAll()
    {
        LeavesToRootValidator validator = new();
        Assert.That(validator.TryAccept(A), Is.True);
        Assert.That(validator.TryAccept(C), Is.True);
        Assert.That(validator.TryAccept(B), Is.True, "whether all hang together is not its task");
        Assert.That(validator.TryAccept(A), Is.True, "again");
    }

    [Test]
    public void LeavesToRoot_ParentFirst_IsTurnedDownAndNotKnown()
    {
        LeavesToRootValidator validator = new();
        Assert.That(validator.TryAccept(B), Is.False);
        CastoreDirectory parentOfB = SampleTrees.Make(("b", B.ToNode()));
        Assert.That(validator.TryAccept(A), Is.True);
        Assert.That(validator.TryAccept(parentOfB), Is.False);
        AssertWrongOrder(() => validator.Accept(parentOfB));
    }

    [Test]
    public void RootToLeaves_KnownRoot_AcceptsWhatIsReferredTo()
    {
        RootToLeavesValidator validator = new(B.Digest);
        Assert.That(validator.IsComplete, Is.False);
        Assert.That(validator.IsAllowed(A.Digest), Is.False);
        Assert.That(validator.TryAccept(B), Is.True);
        Assert.That(validator.IsAllowed(A.Digest), Is.True);
        Assert.That(validator.IsComplete, Is.False);
        Assert.That(validator.TryAccept(A), Is.True);
        Assert.That(validator.IsComplete, Is.True);
        Assert.That(validator.TryAccept(A), Is.True, "again");
        Assert.That(validator.TryAccept(B), Is.True, "again");
        Assert.That(validator.IsComplete, Is.True);
    }

    [Test]
    public void RootToLeaves_NotReferredTo_IsTurnedDown()
    {
        RootToLeavesValidator validator = new(C.Digest);
        Assert.That(validator.TryAccept(C), Is.True);
        Assert.That(validator.TryAccept(B), Is.False);
        AssertWrongOrder(() => validator.Accept(B));
    }

    [Test]
    public void RootToLeaves_UnknownRoot_TakesTheFirst()
    {
        RootToLeavesValidator validator = new();
        Assert.That(validator.IsComplete, Is.False);
        Assert.That(validator.IsAllowed(A.Digest), Is.True);
        Assert.That(validator.TryAccept(B), Is.True);
        Assert.That(validator.TryAccept(C), Is.False);
        Assert.That(validator.TryAccept(A), Is.True);
        Assert.That(validator.IsComplete, Is.True);
    }

    private static void AssertWrongOrder(Action action) => Assert.That(
        action,
        Throws.InstanceOf<InvalidDirectoryException>()
            .With.Property(nameof(InvalidDirectoryException.Error)).EqualTo(DirectoryError.WrongOrder));
}
