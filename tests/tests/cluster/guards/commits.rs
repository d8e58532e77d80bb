//! The hooks of Git before a commit and a push, and `nexus verify` after both, in a repository and its worktrees.

use super::{Claude, denied, refused, repository, worktree};
use nexus_tests::Cluster;
use serde_json::json;
use std::fs;

#[tokio::test]
async fn only_the_holder_of_a_file_edits_commits_and_pushes_it() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let tree = checkout.root().with_file_name("tree");
    worktree(&checkout, &tree, "tree");
    let mut holder = Claude::start(&checkout, checkout.root(), "holder");
    let mut beside = Claude::start(&checkout, checkout.root(), "beside");
    let mut apart = Claude::start(&checkout, tree, "apart");
    holder.runs("nexus install git --yes").done();
    let again = holder.runs("nexus install git --yes").done();
    assert!(again.stdout.contains("Nothing to change"), "{again:#?}");

    holder.runs("nexus feature pick one").done();
    assert_eq!(holder.may_edit("src/a.rs").code, 0);
    denied(&beside.may_edit("src/a.rs"), "src/a.rs is held by Root's agent");
    denied(&apart.may_edit("src/a.rs"), "src/a.rs is held by Root's agent");
    // A free file belongs to the first agent that writes it.
    assert_eq!(beside.edits("src/b.rs").code, 0);
    denied(&holder.may_edit("src/b.rs"), "src/b.rs is held by Root's agent");

    // An agent that writes it all the same cannot commit it, in whichever worktree.
    for other in [&mut beside, &mut apart] {
        other.edits("src/a.rs");
        refused(&other.runs("git commit -q -m Mine src/a.rs"), "src/a.rs is held by Root's agent");
    }
    assert_eq!(holder.edits("src/a.rs").code, 0);
    holder.runs("git commit -q -m Ours src/a.rs").done();
    holder.runs("git push -q origin HEAD:one").done();
    beside.runs("git commit -q -m Theirs src/b.rs").done();

    // An agent that bypasses the first guard can neither push it nor pass the check in CI.
    apart.runs("git commit -q --no-verify -m Mine src/a.rs").done();
    refused(&apart.runs("git push -q origin HEAD:tree"), "src/a.rs is held by Root's agent");
    let found = apart.runs("nexus verify origin/main..HEAD");
    assert_eq!(found.code, 1, "{found:#?}");

    // Once it is free, any agent can claim it.
    holder.runs("nexus feature done one").done();
    apart.runs("git push -q origin HEAD:tree").done();
    holder.runs("nexus uninstall git --yes").done();
    assert!(!checkout.root().join(".git/hooks/pre-commit").exists());
}

#[tokio::test]
async fn a_worktree_within_the_checkout_is_guarded_like_one_beside_it() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let tree = checkout.root().join(".worktrees/inner");
    worktree(&checkout, &tree, "inner");
    let mut holder = Claude::start(&checkout, checkout.root(), "holder");
    let mut beside = Claude::start(&checkout, checkout.root(), "beside");
    let mut inner = Claude::start(&checkout, tree.clone(), "inner");
    holder.runs("nexus install git --yes").done();
    holder.runs("nexus feature pick one").done();

    denied(&inner.may_edit("src/a.rs"), "src/a.rs is held by Root's agent");
    denied(&beside.may_edit(".worktrees/inner/src/a.rs"), "src/a.rs is held by Root's agent");
    denied(&beside.may_run("rm src/c.rs .worktrees/inner/src/a.rs"), "src/a.rs is held by Root's agent");
    assert_eq!(inner.edits("src/b.rs").code, 0);
    denied(&holder.may_edit("src/b.rs"), "src/b.rs is held by Root's agent");
    inner.edits("src/a.rs");
    refused(&inner.runs("git commit -q -am Mine"), "src/a.rs is held by Root's agent");
    inner.runs("git commit -q --no-verify -am Mine").done();
    refused(&inner.runs("git push -q origin HEAD:inner"), "src/a.rs is held by Root's agent");
    // A command in the main checkout that does not name the worktree does not change it.
    beside.asks("pre-tool-use", super::shell("make")).done();
    let after = beside.asks("post-tool-use", super::shell("make")).done();
    assert_eq!(after.stdout, "", "{after:#?}");
}

#[tokio::test]
async fn a_merge_brings_in_the_work_of_others_and_hides_no_change_of_its_author() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let tree = checkout.root().with_file_name("tree");
    worktree(&checkout, &tree, "tree");
    let mut holder = Claude::start(&checkout, checkout.root(), "holder");
    let mut other = Claude::start(&checkout, tree, "other");
    holder.runs("nexus install git --yes").done();
    holder.runs("nexus feature pick one").done();
    holder.edits("src/a.rs");
    holder.runs("git commit -q -m Ours src/a.rs && git push -q origin main").done();

    // Commits that the holder has pushed may be merged and pushed, although the file is still held.
    other.edits("src/b.rs");
    other.runs("git commit -q -m Theirs src/b.rs && git fetch -q origin").done();
    other.runs("git merge -q --no-commit origin/main && git commit -q -m Merged").done();
    other.runs("git push -q origin HEAD:tree").done();
    other.runs("nexus verify origin/main..HEAD").done();

    // A foreign change within a merge is found before, during and after it.
    holder.edits("src/a.rs");
    holder.runs("git commit -q -m Ours src/a.rs && git push -q origin main").done();
    other.runs("git fetch -q origin && git merge -q --no-commit origin/main").done();
    other.edits("src/a.rs");
    refused(&other.runs("git commit -q -am Merged"), "src/a.rs is held by Root's agent");
    other.runs("git commit -q --no-verify -am Merged").done();
    refused(&other.runs("git push -q origin HEAD:tree"), "src/a.rs is held by Root's agent");
    for range in ["origin/main..HEAD", "HEAD"] {
        let found = other.runs(&format!("nexus verify {range}"));
        assert_eq!(found.code, 1, "{found:#?}");
        assert!(found.stdout.contains("src/a.rs is held by Root's agent"), "{found:#?}");
    }
    // A merge cannot discard the holder's work either.
    other.runs("git reset -q --hard HEAD~1 && git merge -q -s ours -m Ours origin/main").done();
    refused(&other.runs("git push -q origin HEAD:tree"), "src/a.rs is held by Root's agent");
}

#[tokio::test]
async fn one_foreign_file_is_found_among_many_own_ones() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let mut claude = Claude::start(&checkout, checkout.root(), "many");
    claude.runs("nexus install git --yes").done();
    let files: Vec<String> = (0..130).map(|at| format!("many/{at:03}")).collect();
    fs::create_dir(checkout.root().join("many")).expect("a folder");
    for file in files.iter().map(String::as_str).chain(["zz.rs"]) {
        fs::write(checkout.root().join(file), "new\n").expect("the file can be written");
    }
    claude.runs(&format!("nexus claim {}", files.join(" "))).done();
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["zz.rs"] })).await.data();

    let why = "zz.rs is held by Root's agent \"other\"";
    denied(&claude.may_run("touch many/* zz.rs"), why);
    denied(&claude.may_run("sed -i s/a/b/ *.rs many/*"), why);
    claude.runs("git add -A").done();
    refused(&claude.runs("git commit -q -m All"), why);
    claude.runs("git commit -q --no-verify -m All").done();
    refused(&claude.runs("git push -q origin HEAD:all"), why);
    let found = claude.runs("nexus verify HEAD --json");
    assert_eq!(found.code, 1, "{found:#?}");
    let findings = found.json()["findings"].clone();
    assert_eq!(findings.as_array().map(Vec::len), Some(1), "{findings}");
    assert_eq!(findings[0]["path"], "zz.rs");
    // Without the foreign file, there is no finding.
    claude.runs("git reset -q --soft HEAD~1 && git rm -q --cached zz.rs && git commit -q -m Own").done();
    claude.runs("git push -q origin HEAD:all").done();
}
