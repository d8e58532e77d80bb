//! Git as people use it: with any settings and environment, any remote, and any part of the history, the same files are
//! checked.

use super::{Claude, agent_text, refused, repository, shell, worktree};
use nexus_tests::{Agent, Checkout, Cluster, Team};
use serde_json::json;
use std::fs;

const WHY: &str = "src/a.rs is held by Root's agent \"other\"";

async fn held() -> (Cluster, Team, Checkout) {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    (cluster, team, checkout)
}

/// Settings that change what git prints, each alone.
const SETTINGS: [(&str, &str); 30] = [
    ("color.ui", "always"),
    ("core.autocrlf", "true"),
    ("core.fsmonitor", "false"),
    ("core.pager", "false"),
    ("core.quotePath", "true"),
    ("core.untrackedCache", "true"),
    ("diff.algorithm", "histogram"),
    ("diff.colorMoved", "no word for it"),
    ("diff.external", "false"),
    ("diff.ignoreSubmodules", "all"),
    ("diff.mnemonicPrefix", "true"),
    ("diff.noprefix", "true"),
    ("diff.orderFile", "/nowhere"),
    ("diff.relative", "true"),
    ("diff.renames", "copies"),
    ("diff.statNameWidth", "5"),
    ("diff.submodule", "log"),
    ("diff.wordRegex", "."),
    ("log.follow", "true"),
    ("log.showRoot", "false"),
    ("log.showSignature", "true"),
    ("merge.conflictStyle", "diff3"),
    ("merge.default", "ours"),
    ("merge.directoryRenames", "true"),
    ("merge.renameLimit", "1"),
    ("merge.renames", "false"),
    ("pager.log", "false"),
    ("status.relativePaths", "true"),
    ("status.showUntrackedFiles", "no"),
    ("status.short", "true"),
];

#[tokio::test]
async fn no_git_setting_hides_a_file_from_the_guards() {
    let (_cluster, _team, checkout) = held().await;
    let root = checkout.root();
    let mut claude = Claude::start(&checkout, root.clone(), "settings");
    claude.runs("nexus install git --yes").done();
    fs::write(root.join(".git/info/attributes"), "*.rs diff=shown\n").expect("it can be written");
    checkout.git(&root, &["config", "diff.shown.textconv", "true"]);
    checkout.git(&root, &["config", "diff.shown.command", "true"]);
    // A commit that bypassed the guard, with moved files and from a subfolder, is found.
    claude.runs("git mv src/a.rs src/moved.rs && echo more >> src/b.rs").done();
    claude.runs("git commit -q --no-verify -am Mine").done();
    for (name, value) in SETTINGS {
        checkout.git(&root, &["config", name, value]);
        for folder in ["src", "."] {
            let found = claude.runs(&format!("cd {folder} && nexus verify HEAD --json"));
            assert_eq!(found.code, 1, "{name}={value} in {folder}: {found:#?}");
            assert_eq!(found.json()["fileCount"], 3, "{name}={value} in {folder}: {found:#?}");
        }
        refused(&claude.runs("git push -q origin HEAD:mine"), WHY);
        checkout.git(&root, &["config", "--unset", name]);
    }
    // Nothing is hidden before a commit, or in the check afterwards.
    claude.runs("git reset -q --soft HEAD~1").done();
    for (name, value) in SETTINGS {
        checkout.git(&root, &["config", name, value]);
        refused(&claude.runs("nexus hook git pre-commit"), WHY);
        claude.asks("pre-tool-use", shell("make")).done();
        claude.runs("git rm -q --cached src/moved.rs && echo again > src/a.rs").done();
        let after = claude.asks("post-tool-use", shell("make")).done();
        assert!(agent_text(&after).contains(WHY), "{name}={value}: {after:#?}");
        claude.runs("rm src/a.rs && git add src/moved.rs").done();
        checkout.git(&root, &["config", "--unset", name]);
    }
}

#[tokio::test]
async fn another_repository_in_the_environment_hides_nothing() {
    let (_cluster, _team, checkout) = held().await;
    let root = checkout.root();
    let elsewhere = root.with_file_name("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    checkout.git(&elsewhere, &["init", "-q"]);
    let git = elsewhere.join(".git").display().to_string();
    let mut claude = Claude::start(&checkout, root.clone(), "environment");
    for environment in [
        format!("GIT_DIR='{git}'"),
        format!("GIT_DIR='{git}' GIT_WORK_TREE='{}'", elsewhere.display()),
        format!("GIT_INDEX_FILE='{git}/index'"),
        format!("GIT_OBJECT_DIRECTORY='{git}/objects'"),
        "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=status.showUntrackedFiles GIT_CONFIG_VALUE_0=no".to_owned(),
        "GIT_CONFIG_PARAMETERS=\"'diff.relative=true'\"".to_owned(),
        "GIT_EXTERNAL_DIFF=false GIT_PAGER=false GIT_TRACE=1 LC_ALL=de_DE.UTF-8".to_owned(),
        "GIT_LITERAL_PATHSPECS=1 GIT_CEILING_DIRECTORIES=/".to_owned(),
    ] {
        claude.asks_with(&environment, "pre-tool-use", shell("make")).done();
        fs::write(root.join("src/a.rs"), format!("theirs {environment}\n")).expect("it can be written");
        let after = claude.asks_with(&environment, "post-tool-use", shell("make")).done();
        assert!(agent_text(&after).contains(WHY), "{environment}: {after:#?}");
        claude.runs("git commit -q -am Mine").done();
        let found = claude.runs(&format!("{environment} nexus verify HEAD"));
        assert_eq!(found.code, 1, "{environment}: {found:#?}");
    }
}

#[tokio::test]
async fn merged_work_of_others_may_be_pushed_to_any_remote() {
    let (_cluster, team, checkout) = held().await;
    let root = checkout.root();
    let mut claude = Claude::start(&checkout, root.clone(), "pushes");
    claude.runs("nexus install git --yes").done();
    // Another engineer has changed the file upstream, where it was merged.
    let upstream = root.with_file_name("upstream.git");
    let theirs = root.with_file_name("theirs");
    let shared = root.with_file_name("shared.git").display().to_string();
    checkout.git(&root, &["clone", "-q", "--bare", &shared, &upstream.display().to_string()]);
    checkout.git(
        &root,
        &["clone", "-q", "-b", "main", &upstream.display().to_string(), &theirs.display().to_string()],
    );
    fs::write(theirs.join("src/a.rs"), "merged\n").expect("it can be written");
    checkout.git(&theirs, &["commit", "-q", "-am", "Theirs"]);
    checkout.git(&theirs, &["push", "-q", "origin", "main"]);
    checkout.git(&root, &["remote", "add", "upstream", &upstream.display().to_string()]);
    claude.runs("git fetch -q upstream && git checkout -q -b work upstream/main").done();
    claude.edits("src/b.rs").done();
    claude.runs("git commit -q -am Own").done();
    // To a named remote, and to a URL without a name.
    claude.runs("git push -q origin HEAD:work").done();
    let fork = root.with_file_name("fork.git");
    checkout.git(&root, &["init", "-q", "--bare", &fork.display().to_string()]);
    claude.runs(&format!("git push -q '{}' HEAD:work", fork.display())).done();
    // Other changes are refused there as well.
    claude.edits("src/a.rs");
    claude.runs("git commit -q --no-verify -am Mine").done();
    refused(&claude.runs(&format!("git push -q '{}' HEAD:more", fork.display())), WHY);
    refused(&claude.runs("git push -q origin HEAD:more"), WHY);

    // Without any remote, commits that were fetched from a URL are the work of others.
    let alone = root.with_file_name("alone");
    fs::create_dir(&alone).expect("a folder");
    checkout.git(&alone, &["init", "-q", "-b", "main"]);
    let link = json!({ "projectId": team.project });
    fs::write(alone.join(".nexus.json"), link.to_string()).expect("it can be written");
    let mut agent = Agent::start(&checkout, &alone, "claude");
    agent.runs("nexus install git --yes").done();
    let url = upstream.display().to_string();
    agent
        .runs(&format!("git pull -q '{url}' main && echo x > c.rs && git add c.rs && git commit -q -m Own"))
        .done();
    agent.runs(&format!("git push -q '{}' HEAD:alone", fork.display())).done();
}

#[tokio::test]
async fn a_shallow_clone_gets_an_error_instead_of_findings_for_all_its_files() {
    let (_cluster, team, checkout) = held().await;
    let root = checkout.root();
    let ci = root.with_file_name("ci");
    let shared = format!("file://{}", root.with_file_name("shared.git").display());
    checkout.git(&root, &["clone", "-q", "-b", "main", "--depth=1", &shared, &ci.display().to_string()]);
    let link = json!({ "projectId": team.project });
    fs::write(ci.join(".nexus.json"), link.to_string()).expect("it can be written");
    let mut runner = Agent::start(&checkout, &ci, "claude");
    let ended = runner.runs("nexus verify HEAD");
    assert_eq!(ended.code, 2, "{ended:#?}");
    assert!(ended.stderr.contains("too shallow") && ended.stderr.contains("fetch-depth: 0"), "{ended:#?}");
    // Later commits can be checked.
    runner.runs("echo x > src/b.rs && git commit -q -am Own").done();
    runner.runs("nexus verify HEAD").done();
    runner.runs("nexus verify origin/main..HEAD").done();
    runner.runs("nexus install git --yes && git push -q origin HEAD:own").done();
    runner.runs("echo x > src/a.rs && git commit -q --no-verify -am Mine").done();
    assert_eq!(runner.runs("nexus verify origin/main..HEAD").code, 1);
    refused(&runner.runs("git push -q origin HEAD:own"), WHY);
}

#[tokio::test]
async fn every_kind_of_checkout_is_guarded() {
    let (_cluster, team, checkout) = held().await;
    let root = checkout.root();
    let mut claude = Claude::start(&checkout, root.clone(), "kinds");
    claude.runs("nexus install git --yes").done();
    let link = json!({ "projectId": team.project }).to_string();
    let shared = format!("file://{}", root.with_file_name("shared.git").display());
    let shared_path = root.with_file_name("shared.git");
    checkout.git(&shared_path, &["config", "uploadpack.allowFilter", "true"]);
    let [partial, sparse, tree] = ["partial", "sparse", "tree"].map(|name| root.with_file_name(name));
    checkout.git(
        &root,
        &["clone", "-q", "-b", "main", "--filter=tree:0", &shared, &partial.display().to_string()],
    );
    checkout.git(&root, &["clone", "-q", "-b", "main", &shared, &sparse.display().to_string()]);
    checkout.git(&sparse, &["sparse-checkout", "set", "--no-cone", "/src/a.rs"]);
    worktree(&checkout, &tree, "tree");
    for folder in [&partial, &sparse] {
        fs::write(folder.join(".nexus.json"), &link).expect("it can be written");
        fs::write(folder.join(".git/info/exclude"), ".nexus*\n").expect("it can be written");
    }
    for folder in [&partial, &sparse, &tree] {
        let mut agent = Agent::start(&checkout, folder, "claude");
        agent.runs("nexus install git --yes").done();
        agent.runs("git checkout -q --detach && echo x > src/a.rs").done();
        refused(&agent.runs("git commit -q -am Mine"), WHY);
        agent.runs("git commit -q --no-verify -am Mine").done();
        refused(&agent.runs("git push -q origin HEAD:refs/heads/mine"), WHY);
        let found = agent.runs("nexus verify HEAD");
        assert_eq!(found.code, 1, "{}: {found:#?}", folder.display());
        // During a rebase, and in a repository whose link is beside a bare one.
        agent.runs("git rebase -q --force-rebase -x 'nexus verify HEAD; test $? = 1' HEAD~1").done();
    }
    // A first commit is compared with nothing.
    let fresh = root.with_file_name("fresh");
    fs::create_dir_all(fresh.join("src")).expect("a folder");
    fs::write(fresh.join(".nexus.json"), &link).expect("it can be written");
    let mut agent = Agent::start(&checkout, &fresh, "claude");
    agent.runs("git init -q -b main && nexus install git --yes && echo x > src/a.rs && git add src").done();
    refused(&agent.runs("git commit -q -m First"), WHY);
    agent.runs("git commit -q --no-verify -m First").done();
    assert_eq!(agent.runs("nexus verify HEAD").code, 1);
    // Worktrees of a bare repository in a linked folder push from anywhere in it.
    let around = root.with_file_name("around");
    fs::create_dir(&around).expect("a folder");
    fs::write(around.join(".nexus.json"), &link).expect("it can be written");
    checkout.git(&root, &["clone", "-q", "--bare", &shared, &around.join("bare.git").display().to_string()]);
    let bare = around.join("bare.git");
    let mut agent = Agent::start(&checkout, &bare, "claude");
    agent.runs("git worktree add -q ../main main && cd ../main && nexus install git --yes").done();
    agent.runs("cd ../main && echo x > src/b.rs && git commit -q -am Own").done();
    agent.runs(&format!("git push -q '{shared}' main:refs/heads/bare")).done();
}

#[tokio::test]
async fn an_ignored_file_is_held_by_nobody_whatever_its_name() {
    let (_cluster, team, checkout) = held().await;
    let root = checkout.root();
    fs::write(root.join(".git/info/exclude"), ".nexus*\n/target/\n*.log\n").expect("it can be written");
    let mut claude = Claude::start(&checkout, root, "ignored");
    for file in ["target/debug/a.o", "a.log", ":b.log", ":(top)c.log"] {
        let asked = claude.may_edit(file).done();
        assert_eq!(asked.stdout, "", "{file}: {asked:#?}");
    }
    let taken = claude.may_edit(":new.rs").done();
    assert!(agent_text(&taken).contains(":new.rs was free"), "{taken:#?}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data().as_array().map(Vec::len), Some(2));
}
