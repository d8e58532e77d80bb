//! Receipts: a commit says under which claim it was made, and `nexus verify` compares it with who held its files then.

use super::{Claude, repository, worktree};
use nexus_tests::{Cluster, agent::CommandOutput};
use serde_json::{Value, json};
use std::fs;

fn verified(claude: &mut Claude, environment: &str, range: &str) -> (CommandOutput, Value) {
    let ended = claude.runs(&format!("{environment} nexus verify {range} --json"));
    let answer = serde_json::from_str(&ended.stdout).expect("JSON");
    (ended, answer)
}

#[tokio::test]
async fn a_commit_without_a_receipt_on_the_branch_of_the_holder_is_named() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let mut holder = Claude::start(&checkout, checkout.root(), "holder");
    let mut beside = Claude::start(&checkout, checkout.root(), "beside");
    holder.runs("nexus install git --yes").done();
    holder.runs("nexus feature pick one").done();
    holder.edits("src/a.rs");
    holder.runs("git commit -q -m Ours src/a.rs").done();
    let message = holder.runs("git log -1 --format=%B").done().stdout;
    assert!(message.starts_with("Ours\n\nNexus-Receipt: session="), "{message}");

    // Both agents share one checkout and its branch, on which the holder works.
    beside.edits("src/a.rs");
    beside.runs("git commit -q --no-verify -m Sneaked src/a.rs").done();
    let (warned, answer) = verified(&mut beside, "", "origin/main..HEAD");
    assert_eq!((warned.code, &answer["ok"]), (0, &json!(true)), "{warned:#?}");
    let unproven = answer["unproven"].as_array().expect("a list");
    assert_eq!(unproven.len(), 1, "{answer}");
    assert_eq!(unproven[0]["path"], "src/a.rs");
    let warned = beside.runs("nexus verify origin/main..HEAD").done();
    assert!(warned.stderr.contains("changes src/a.rs: no receipt, and Root's agent"), "{warned:#?}");
    let (refused, answer) = verified(&mut beside, "NEXUS_RECEIPTS=require", "origin/main..HEAD");
    assert_eq!((refused.code, &answer["ok"]), (1, &json!(false)), "{refused:#?}");
    // The holder's own commit passes, also where receipts are required, and a repository may require them.
    holder.runs("nexus verify HEAD~1").done();
    let link = fs::read_to_string(checkout.root().join(".nexus.json")).expect("a link");
    let mut link: Value = serde_json::from_str(&link).expect("JSON");
    link["hooks"] = json!({ "receipts": "require" });
    fs::write(checkout.root().join(".nexus.json"), link.to_string()).expect("it can be written");
    holder.runs("nexus verify HEAD~1").done();
    assert_eq!(holder.runs("nexus verify HEAD").code, 1);
    let (off, _) = verified(&mut beside, "NEXUS_RECEIPTS=off", "origin/main..HEAD");
    assert_eq!(off.code, 0);
}

#[tokio::test]
async fn a_receipt_outlives_its_claim_rebases_and_squashes_and_none_can_be_borrowed() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    team.ready_feature("two", &["src/a.rs"]).await;
    let tree = checkout.root().with_file_name("tree");
    worktree(&checkout, &tree, "tree");
    let mut first = Claude::start(&checkout, checkout.root(), "first");
    let mut next = Claude::start(&checkout, tree, "next");
    first.runs("nexus install git --yes").done();
    first.runs("nexus feature pick one").done();
    first.edits("src/a.rs");
    first.runs("git commit -q -m One src/a.rs").done();
    first.runs("nexus feature done one").done();
    // Another session holds the file now. The commit was made before.
    next.runs("nexus feature pick two").done();
    let require = "NEXUS_RECEIPTS=require";
    let (ended, answer) = verified(&mut first, require, "origin/main..HEAD");
    assert_eq!(ended.code, 0, "{answer} {ended:#?}");
    // A rebased commit and a squashed one have the receipts of their parts.
    first
        .runs("git commit -q --allow-empty --no-verify -m Empty && git rebase -q --force-rebase origin/main")
        .done();
    assert_eq!(verified(&mut first, require, "origin/main..HEAD").0.code, 0);
    first
        .runs(
            "git checkout -q -b squashed origin/main && git merge -q --squash main \
         && GIT_AUTHOR_DATE=$(($(date +%s) + 3600)) git commit -q --no-verify -F .git/SQUASH_MSG",
        )
        .done();
    let (ended, answer) = verified(&mut first, require, "origin/main..HEAD");
    assert_eq!(ended.code, 0, "{answer} {ended:#?}");
    // Somebody else's receipt proves nothing for a file that its session did not hold.
    let receipt = first.runs("git log -1 --format=%B main~1 | grep Nexus-Receipt").done().stdout;
    first.edits("src/b.rs");
    first.runs(&format!("git commit -q --no-verify -m Borrowed -m '{}' src/b.rs", receipt.trim())).done();
    let (ended, answer) = verified(&mut first, require, "HEAD");
    assert_eq!(ended.code, 1, "{ended:#?}");
    let problem = answer["unproven"][0]["problem"].as_str().expect("a text");
    assert!(problem.starts_with("no receipt that holds"), "{answer}");
    // A commit that gets another message keeps its receipt, and one without gets it by the hint.
    first.runs("git checkout -q main && git reset -q --hard HEAD~1 && git commit -q --amend -m 'Better words' && git log -1 --format=%B | grep -q Nexus-Receipt").done();
    next.edits("src/a.rs");
    next.runs("git commit -q --no-verify -m Bare src/a.rs").done();
    assert_eq!(verified(&mut next, require, "HEAD").0.code, 1);
    next.runs("git commit -q --amend --no-edit --trailer \"$(nexus receipt)\"").done();
    assert_eq!(verified(&mut next, require, "HEAD").0.code, 0);
    // A name that nobody can claim fails nothing.
    next.runs("git add -A . && touch $'od\nd' && git add -A . && git commit -q --no-verify -m Odd").done();
    next.runs("nexus verify HEAD").done();
    // Before the history that is kept, nothing can be checked: that is refused where receipts are required.
    next.edits("src/a.rs");
    next.runs("GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' git commit -q --no-verify -m Old src/a.rs").done();
    next.runs("nexus verify HEAD").done();
    assert_eq!(verified(&mut next, require, "HEAD").0.code, 1);
    // Tools that make commits without hooks ask for the line.
    next.edits("src/a.rs");
    next.runs("git add src/a.rs && git commit -q --no-verify -m Two --trailer \"$(nexus receipt)\"").done();
    assert_eq!(verified(&mut next, require, "HEAD").0.code, 0);
    let none = first.runs("nexus receipt src/c.rs");
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("holds none of these files"), "{none:#?}");
}
