//! Repositories with hostile content: symlinks lead no access out of them, and a file in one of their folders does not
//! decide to which project they belong.

use super::{Claude, agent_text, denied, repository};
use nexus_tests::{Checkout, Cluster, Team};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

const WHY: &str = "src/a.rs is held by Root's agent \"other\"";

/// Another agent holds `src/a.rs`.
async fn held() -> (Cluster, Team, Checkout) {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    (cluster, team, checkout)
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
    fs::write(path, text).expect("the file can be written");
}

#[tokio::test]
async fn a_feature_is_written_and_removed_only_in_its_repository() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    team.ready_feature("documents", &["src/a.rs"]).await;
    let root = checkout.root();
    let own = root.with_file_name("documents");
    write(own.join("spec.md"), "mine");
    fs::create_dir(root.join(".nexus")).expect("a folder");
    symlink("../..", root.join(".nexus/active")).expect("a link");
    let mut claude = Claude::start(&checkout, root.clone(), "links");

    let picked = claude.runs("nexus feature pick documents").done();
    assert!(picked.stderr.contains(".nexus/active leads to ../.."), "{picked:#?}");
    let done = claude.runs("nexus feature done documents").done();
    assert!(done.stderr.contains(".nexus/active leads to ../.."), "{done:#?}");
    assert_eq!(fs::read_to_string(own.join("spec.md")).expect("it is there"), "mine");
    assert_eq!(fs::read_dir(&own).expect("it is there").count(), 1);

    // A key is not copied into the work tree either.
    fs::remove_file(root.join(".nexus/active")).expect("a link");
    assert!(!root.join(".gitignore").exists(), "no file of the repository is changed");
    let ignored = root.join(".nexus/active/.gitignore");
    fs::create_dir(root.join(".nexus/active")).expect("a folder");
    symlink(checkout.home().join("config.json"), &ignored).expect("a link");
    team.ready_feature("again", &["src/a.rs"]).await;
    let picked = claude.runs("nexus feature pick again").done();
    assert!(picked.stderr.contains(".gitignore leads to"), "{picked:#?}");
    assert!(fs::symlink_metadata(&ignored).expect("it is there").is_symlink());

    // A key is not sent to the cluster either.
    symlink(checkout.home().join("config.json"), root.join("spec.md")).expect("a link");
    let made = claude.runs("nexus feature create -s leak -t Leak --from spec.md");
    assert_eq!(made.code, 1, "{made:#?}");
    assert!(made.stderr.contains("spec.md leads to"), "{made:#?}");

    // A foreign file beside it stays, and is named.
    fs::remove_file(&ignored).expect("a link");
    claude.runs("nexus feature release again && nexus feature pick again").done();
    write(root.join(".nexus/active/again/notes.md"), "mine");
    let done = claude.runs("nexus feature done again").done();
    assert!(done.stderr.contains("again stays: there are files in it"), "{done:#?}");
    let left = fs::read_dir(root.join(".nexus/active/again")).expect("it is there").flatten();
    assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), ["notes.md"]);
}

#[tokio::test]
async fn a_link_in_a_folder_does_not_take_its_files_out_of_the_project() {
    let (_cluster, team, checkout) = held().await;
    let mine = json!({ "name": "Mine", "slug": "mine" });
    let mine = team.admin.post("/projects", mine).await.data()["id"].clone();
    write(checkout.root().join("src/.nexus.json"), &json!({ "projectId": mine }).to_string());
    let mut claude = Claude::start(&checkout, checkout.root(), "nested");
    denied(&claude.may_edit("src/a.rs"), WHY);
    denied(&claude.may_run("cd src && echo x > a.rs"), WHY);
    let why = claude.runs("cd src && nexus why a.rs").done();
    assert!(why.stdout.contains("src/a.rs is held"), "{why:#?}");
    assert!(why.stderr.contains("src/.nexus.json does not count"), "{why:#?}");
    let doctor = claude.runs("cd src && nexus doctor");
    assert!(doctor.stdout.contains("src/.nexus.json does not count"), "{doctor:#?}");
    claude.root = checkout.root().join("src");
    let brief = agent_text(&claude.begins().done());
    assert!(brief.contains("src/.nexus.json does not count"), "{brief}");

    // A repository inside does not either: its files are in its own project, and claims around it stay.
    claude.runs("git init -q src").done();
    denied(&claude.may_edit("a.rs"), WHY);
    let taken = claude.may_edit("new.rs").done();
    assert!(agent_text(&taken).contains("new.rs was free"), "{taken:#?}");
    let claims = team.admin.get(&team.path("/claims")).await;
    assert_eq!(claims.data().as_array().map(Vec::len), Some(1), "no claim of the other project was made");
}

#[tokio::test]
async fn any_spelling_of_a_file_is_that_file() {
    let (_cluster, team, checkout) = held().await;
    let root = checkout.root();
    let mut claude = Claude::start(&checkout, root.clone(), "spells");
    symlink(&root, root.with_file_name("alias")).expect("a link");
    symlink("src", root.join("source")).expect("a link");
    symlink("src/a.rs", root.join("link.rs")).expect("a link");
    let edit =
        |path: &str| json!({ "tool_name": "Write", "tool_input": { "file_path": path, "content": "x" } });
    let whole = |path: &str| root.join(path).display().to_string();
    for path in [
        "src/nope/../a.rs",
        "src/nope/nope/../../a.rs",
        "./src//a.rs",
        "src/a.rs.",
        "src/a.rs ",
        "source/a.rs",
        "link.rs",
        "../alias/src/a.rs",
        &whole("src/nope/../a.rs"),
        &root.with_file_name("alias").join("src/a.rs").display().to_string(),
        &format!("file://{}", whole("src/a.rs")),
        &format!("file://localhost{}", whole("src/%61.rs")),
    ] {
        denied(&claude.asks("pre-tool-use", edit(path)), WHY);
    }
    denied(&claude.may_run("echo x > src/nope/../a.rs"), WHY);
    // A file outside of the repository is not guarded.
    for path in ["~/x.rs", "../x.rs", "src/../../x.rs", "file:///tmp/x.rs"] {
        let asked = claude.asks("pre-tool-use", edit(path)).done();
        assert_eq!(asked.stdout, "", "{path}: {asked:#?}");
    }
    let why = claude.runs(&format!("nexus why {}/src/a.rs", root.with_file_name("alias").display())).done();
    assert!(why.stdout.starts_with("src/a.rs is held"), "{why:#?}");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_submodule_is_guarded_as_the_repository_around_it() {
    let cluster = Cluster::start(1).await;
    let (team, checkout) = repository(&cluster).await;
    let root = checkout.root();
    let library = root.with_file_name("library");
    submodule(&checkout, &library);
    let other = team.agent(&team.admin, "other").await;
    other.post(&team.path("/claims"), json!({ "paths": ["vendor/lib/x.rs"] })).await.data();
    let why = "vendor/lib/x.rs is held by Root's agent \"other\"";
    let mut claude = Claude::start(&checkout, root.clone(), "submodule");
    let installed = claude.runs("nexus install git --yes").done();
    assert!(installed.stdout.contains("modules/vendor/lib/hooks/pre-commit"), "{installed:#?}");
    let again = claude.runs("nexus install git --yes").done();
    assert!(again.stdout.contains("Nothing to change"), "{again:#?}");

    denied(&claude.may_edit("vendor/lib/x.rs"), why);
    claude.asks("pre-tool-use", super::shell("make")).done();
    fs::write(root.join("vendor/lib/x.rs"), "theirs\n").expect("it can be written");
    let after = claude.asks("post-tool-use", super::shell("make")).done();
    assert!(agent_text(&after).contains(why), "{after:#?}");
    super::refused(&claude.runs("git -C vendor/lib commit -q -am Mine"), why);
    claude.runs("git -C vendor/lib commit -q --no-verify -am Mine").done();
    super::refused(&claude.runs("git -C vendor/lib push -q origin HEAD:mine"), why);
    // The repository around it cannot take over commits from there either.
    super::refused(&claude.runs("git commit -q -am Mine"), "vendor/lib is held by Root's agent \"other\"");
    claude.runs("nexus uninstall git --yes").done();
    assert!(!root.join(".git/modules/vendor/lib/hooks/pre-commit").exists());
}

/// A repository of its own in `vendor/lib`.
fn submodule(checkout: &Checkout, library: &Path) {
    let root = checkout.root();
    write(library.join("x.rs"), "first\n");
    checkout.git(library, &["init", "-q", "-b", "main"]);
    checkout.git(library, &["add", "-A"]);
    checkout.git(library, &["commit", "-q", "-m", "First"]);
    let from = library.display().to_string();
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q", &from, "vendor/lib"];
    checkout.git(&root, &add);
    checkout.git(&root, &["commit", "-q", "-m", "A library"]);
}
