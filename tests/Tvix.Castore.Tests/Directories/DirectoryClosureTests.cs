using NUnit.Framework;
using Tvix.Castore.Directories;
using Tvix.Castore.Model;
using Tvix.Testing;

namespace Tvix.Castore.Tests.Directories;

[TestFixture]
[TestOf(typeof(DirectoryClosure))]
public sealed class DirectoryClosureTests
{
    private static CastoreDirectory A => SampleTrees.Empty;

    private static CastoreDirectory B => SampleTrees.OneEmptyChild;

    private static CastoreDirectory C => SampleTrees.TwoEmptyChildren;

    [Test]
    public void LeavesToRoot_AB_IsValidAndDrains()
    {
        DirectoryClosure closure = LeavesToRoot(A, B);
        Assert.That(closure.Validate(), Is.SameAs(B));
        Assert.That(closure.DrainLeavesToRoot(), Is.EqualTo(new[] { A, B }));
        Assert.That(closure.DrainRootToLeaves(), Is.EqualTo(new[] { B, A }));
    }

    [Test]
    public void LeavesToRoot_TwoRoots_IsNotConnected()
    {
        DirectoryClosure closure = LeavesToRoot(A, C, B);
        AssertFails(() => closure.Validate(), DirectoryError.NotConnected);
        AssertFails(() => closure.DrainLeavesToRoot(), DirectoryError.NotConnected);
        AssertFails(() => closure.DrainRootToLeaves(), DirectoryError.NotConnected);

        closure.Add(SampleTrees.Make(("b", B.ToNode()), ("c", C.ToNode())));
        Assert.That(closure.DrainLeavesToRoot().Count(), Is.EqualTo(4), "what was missing can still come");
    }

    [Test]
    public void LeavesToRoot_WrongSize_FailsAtOnce()
    {
        DirectoryClosure closure = LeavesToRoot(A);
        AssertFails(() => closure.Add(SampleTrees.Make(("foo", new Node.Directory(A.Digest, 42)))), DirectoryError.WrongSize, "foo");
    }

    [Test]
    public void RootToLeaves_OnlyA_IsValid()
    {
        DirectoryClosure closure = RootToLeaves(A);
        Assert.That(closure.Validate(), Is.SameAs(A));
        Assert.That(closure.DrainLeavesToRoot(), Is.EqualTo(new[] { A }));
    }

    [Test]
    public void RootToLeaves_CA_IsValidAndDrains()
    {
        DirectoryClosure closure = RootToLeaves(C, A);
        Assert.That(closure.Validate(), Is.SameAs(C));
        Assert.That(closure.DrainLeavesToRoot(), Is.EqualTo(new[] { A, C }));
    }

    [Test]
    public void RootToLeaves_WrongSize_FailsWhenTheChildComes()
    {
        CastoreDirectory x = SampleTrees.Make(("foo", new Node.Directory(A.Digest, 42)));
        DirectoryClosure closure = RootToLeaves(x);
        AssertFails(() => closure.Add(A), DirectoryError.WrongSize);
    }

    [Test]
    public void RootToLeaves_OneOfTwoRecordsWrong_FailsWhenTheChildComes([Values] bool wrongFirst)
    {
        Node right = SampleTrees.Keep.ToNode();
        Node wrong = new Node.Directory(SampleTrees.Keep.Digest, 42);
        CastoreDirectory root = SampleTrees.Make(("a", wrongFirst ? wrong : right), ("b", wrongFirst ? right : wrong));
        DirectoryClosure closure = RootToLeaves(root);
        AssertFails(() => closure.Add(SampleTrees.Keep), DirectoryError.WrongSize);
    }

    [Test]
    public void RootToLeaves_ThreeDifferentRecords_FailsBeforeTheChildComes()
    {
        CastoreDirectory root = SampleTrees.Make(
            "abc".Select(c => (c.ToString(), (Node)new Node.Directory(SampleTrees.Keep.Digest, c))));
        AssertFails(() => RootToLeaves(root), DirectoryError.WrongSize, "c");
    }

    [Test]
    public void RootToLeaves_BothRulesForOneChild_AreAcceptedIfEitherIs()
    {
        CastoreDirectory root = SampleTrees.Make(
            ("once", SampleTrees.Keep.ToNode(DirectorySizeRule.EntriesOnce)),
            ("twice", SampleTrees.Keep.ToNode(DirectorySizeRule.EntriesTwice)));
        Assert.That(RootToLeaves(root, SampleTrees.Keep).Validate(), Is.SameAs(root));
        foreach (DirectorySizeCheck check in new[] { DirectorySizeCheck.EntriesOnce, DirectorySizeCheck.EntriesTwice })
        {
            DirectoryClosure strict = DirectoryClosure.RootToLeaves(root.Digest, check);
            strict.Add(root);
            AssertFails(() => strict.Add(SampleTrees.Keep), DirectoryError.WrongSize);
        }
    }

    [TestCase(DirectorySizeCheck.Either, true, true)]
    [TestCase(DirectorySizeCheck.EntriesTwice, true, false)]
    [TestCase(DirectorySizeCheck.EntriesOnce, false, true)]
    public void Add_SizeCheck_AcceptsItsRule(DirectorySizeCheck check, bool acceptsTwice, bool acceptsOnce)
    {
        (CastoreDirectory, bool)[] cases = [(SampleTrees.Complicated, acceptsTwice), (SampleTrees.ComplicatedBySingleSize, acceptsOnce)];
        foreach ((CastoreDirectory root, bool accepts) in cases)
        {
            DirectoryClosure up = DirectoryClosure.LeavesToRoot(check);
            up.Add(SampleTrees.Keep);
            DirectoryClosure down = DirectoryClosure.RootToLeaves(root.Digest, check);
            down.Add(root);
            if (accepts)
            {
                up.Add(root);
                down.Add(SampleTrees.Keep);
                Assert.That(up.Validate(), Is.SameAs(root));
                Assert.That(down.Validate(), Is.SameAs(root));
            }
            else
            {
                AssertFails(() => up.Add(root), DirectoryError.WrongSize, "keep");
                AssertFails(() => down.Add(SampleTrees.Keep), DirectoryError.WrongSize);
            }
        }
    }

    [Test]
    public void Validate_Empty_IsNotConnected()
    {
        AssertFails(() => DirectoryClosure.LeavesToRoot().Validate(), DirectoryError.NotConnected);
        AssertFails(() => DirectoryClosure.RootToLeaves(A.Digest).DrainRootToLeaves(), DirectoryError.NotConnected);
    }

    [Test]
    public void Validate_ChildMissing_IsNotConnected()
    {
        DirectoryClosure closure = RootToLeaves(C);
        AssertFails(() => closure.Validate(), DirectoryError.NotConnected);
        closure.Add(A);
        Assert.That(closure.Validate(), Is.SameAs(C));
    }

    [Test]
    public void Add_OutOfOrder_Fails()
    {
        AssertFails(() => LeavesToRoot(B), DirectoryError.WrongOrder);
        AssertFails(() => RootToLeaves(C, B), DirectoryError.WrongOrder);
        AssertFails(() => DirectoryClosure.RootToLeaves(B.Digest).Add(C), DirectoryError.WrongOrder);
    }

    [Test]
    public void Add_AfterAFailure_ThrowsInvalidOperation()
    {
        DirectoryClosure closure = LeavesToRoot(A);
        AssertFails(() => closure.Add(SampleTrees.Complicated), DirectoryError.WrongOrder);
        Assert.That(() => closure.Add(B), Throws.InvalidOperationException);
        Assert.That(() => closure.Validate(), Throws.InvalidOperationException);
        Assert.That(() => closure.DrainLeavesToRoot(), Throws.InvalidOperationException);
        Assert.That(() => closure.DrainRootToLeaves(), Throws.InvalidOperationException);
    }

    [Test]
    public void Add_Repetitions_ChangesNothing()
    {
        DirectoryClosure up = LeavesToRoot(A, A, C, C, A);
        Assert.That(up.Validate(), Is.SameAs(C));
        Assert.That(up.DrainLeavesToRoot(), Is.EqualTo(new[] { A, C }));
        DirectoryClosure down = RootToLeaves(C, C, A, A, C);
        Assert.That(down.DrainRootToLeaves(), Is.EqualTo(new[] { C, A }));
    }

    [Test]
    public void Add_Null_ThrowsAndDoesNoHarm()
    {
        DirectoryClosure closure = LeavesToRoot(A);
        Assert.That(() => closure.Add(null!), Throws.ArgumentNullException);
        Assert.That(closure.Validate(), Is.SameAs(A));
    }

    [Test]
    public void Drain_BranchingTree_FollowsNameOrder()
    {
        CastoreDirectory x = Leaf("x"), y = Leaf("y"), z = Leaf("z");
        CastoreDirectory p = SampleTrees.Make(("2", x.ToNode()), ("1", y.ToNode()));
        CastoreDirectory root = SampleTrees.Make(("b", p.ToNode()), ("c", x.ToNode()), ("a", z.ToNode()));
        DirectoryClosure closure = LeavesToRoot(x, y, z, p, root);
        Assert.That(closure.DrainLeavesToRoot(), Is.EqualTo(new[] { z, y, x, p, root }));
        Assert.That(closure.DrainRootToLeaves(), Is.EqualTo(new[] { root, z, p, x, y }));
    }

    [Test]
    public void Drain_DeepTree_NeedsNoDeepStack()
    {
        SampleTree tree = SampleTrees.Chain(100_000);
        DirectoryClosure closure = LeavesToRoot([.. tree.LeavesToRoot]);
        Assert.That(closure.DrainLeavesToRoot().Select(d => d.Digest), Is.EqualTo(tree.LeavesToRoot.Select(d => d.Digest)));
        Assert.That(closure.DrainRootToLeaves().Select(d => d.Digest), Is.EqualTo(tree.LeavesToRoot.Reverse().Select(d => d.Digest)));
    }

    [Test]
    public void Drain_ManyPaths_VisitsEachDirectoryOnce()
    {
        SampleTree tree = SampleTrees.Diamond(60);
        DirectoryClosure closure = LeavesToRoot([.. tree.LeavesToRoot]);
        Assert.That(closure.DrainLeavesToRoot(), Is.EqualTo(tree.LeavesToRoot));
        Assert.That(closure.DrainRootToLeaves(), Is.EqualTo(tree.LeavesToRoot.Reverse()));
    }

    private static CastoreDirectory Leaf(string target) => SampleTrees.Make(("link", new Node.Symlink(new SymlinkTarget(target))));

    private static DirectoryClosure LeavesToRoot(params CastoreDirectory[] directories) =>
        Fill(DirectoryClosure.LeavesToRoot(), directories);

    private static DirectoryClosure RootToLeaves(params CastoreDirectory[] directories) =>
        Fill(DirectoryClosure.RootToLeaves(directories[0].Digest), directories);

    private static DirectoryClosure Fill(DirectoryClosure closure, CastoreDirectory[] directories)
    {
        foreach (CastoreDirectory directory in directories)
        {
            closure.Add(directory);
        }

        return closure;
    }

    private static void AssertFails(Action action, DirectoryError error, string name = "")
    {
        InvalidDirectoryException e = Assert.Throws<InvalidDirectoryException>(action)!;
        Assert.That(e.Error, Is.EqualTo(error));
        Assert.That(e.Name.ToArray(), Is.EqualTo(System.Text.Encoding.UTF8.GetBytes(name)));
    }
}
