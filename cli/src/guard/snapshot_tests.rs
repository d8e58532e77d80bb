//! What is seen of what a command changed, and how it comes back.

use super::*;
use std::{os::unix::fs::PermissionsExt, process::Command};

struct Tree {
    folder: tempfile::TempDir,
    root: PathBuf,
    file: SnapshotFile,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(folder.path()).expect("it is there").join("app");
        fs::create_dir_all(root.join("src")).expect("a folder");
        let file = SnapshotFile::new(&folder.path().join("run"), "toolu_1");
        let tree = Self { folder, root, file };
        tree.write("src/a.rs", "first\n");
        tree.write("src/b.rs", "first\n");
        tree.runs("git init -q && git add -A && git -c user.name=Ana -c user.email=a@b commit -qm First");
        tree
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).expect("it can be written");
    }

    fn runs(&self, command: &str) {
        let ended =
            Command::new("bash").args(["-c", command]).current_dir(&self.root).status().expect("it runs");
        assert!(ended.success(), "{command}");
    }

    /// What a command changed, by name.
    fn changed(&self, command: &str) -> Vec<(String, Was)> {
        self.file.take(&self.root);
        self.runs(command);
        let changes = self.file.changes().expect("it was looked at before");
        let name =
            |path: &Path| path.strip_prefix(&self.root).expect("it is of this tree").display().to_string();
        changes.iter().map(|change| (name(&change.path), change.was.clone())).collect()
    }
}

#[test]
fn what_is_written_with_old_times_is_seen() {
    let tree = Tree::new();
    tree.write("other", "other\n");
    for command in [
        "echo other > src/a.rs; touch -d 2001-01-01 src/a.rs",
        "touch -d 2001-01-01 other; cp -p other src/a.rs",
        "touch -d 2001-01-01 other; cp other new; touch -r other new; mv new src/a.rs",
        "echo x > src/a.rs; tar cf old.tar --mtime=2001-01-01 src/a.rs; git checkout -q src/a.rs; tar xf old.tar; rm old.tar",
        "rm src/a.rs",
    ] {
        let changed = tree.changed(command);
        let found = changed.iter().find(|(name, _)| name == "src/a.rs");
        assert!(matches!(found, Some((_, Was::Committed(_)))), "{command}: {changed:?}");
        tree.runs("git checkout -q src/a.rs");
    }
}

#[test]
fn what_only_looks_new_is_not_seen() {
    let tree = Tree::new();
    tree.write("src/b.rs", "mine, not committed\n");
    for command in [
        "touch src/a.rs src/b.rs",
        "cp src/a.rs x && mv x src/a.rs && cp src/b.rs x && mv x src/b.rs",
        "cat src/*.rs > /dev/null",
        "git status > /dev/null",
        "git stash -q && git stash pop -q",
    ] {
        assert_eq!(tree.changed(command), [], "{command}");
    }
    assert_eq!(tree.changed("git -c user.name=Ana -c user.email=a@b commit -qam Second"), []);
}

#[test]
fn what_git_could_not_give_back_is_kept() {
    let tree = Tree::new();
    tree.write("src/a.rs", "theirs, not committed\n");
    tree.write("new.rs", "theirs, unknown to git\n");
    let changed = tree.changed("echo mine > src/a.rs; rm new.rs");
    for (name, text) in [("src/a.rs", "theirs, not committed\n"), ("new.rs", "theirs, unknown to git\n")] {
        let was = changed.iter().find(|(found, _)| found == name).map(|(_, was)| was);
        let Some(Was::Kept(copy)) = was else { panic!("{name}: {changed:?}") };
        assert_eq!(fs::read_to_string(copy).expect("it is there"), text);
        assert!(!copy.starts_with(&tree.root));
        let mode = fs::metadata(copy).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Taken back to HEAD it does not differ from it, and is not what it was all the same.
    tree.write("src/b.rs", "theirs\n");
    let changed = tree.changed("git checkout -q src/b.rs");
    assert!(matches!(changed.as_slice(), [(name, Was::Kept(_))] if name == "src/b.rs"), "{changed:?}");
}

#[test]
fn what_is_too_long_is_not_kept_and_said() {
    let tree = Tree::new();
    tree.write("src/a.rs", &"x".repeat(600 << 10));
    let changed = tree.changed("echo mine > src/a.rs");
    assert_eq!(changed, [("src/a.rs".to_owned(), Was::Unknown)]);
    let copies = fs::read_dir(tree.folder.path().join("run/kept")).map(Iterator::count).unwrap_or_default();
    assert_eq!(copies, 0);
}

#[test]
fn copies_do_not_grow_beyond_their_limit() {
    let tree = Tree::new();
    let copies = tree.folder.path().join("run/kept");
    fs::create_dir_all(&copies).expect("a folder");
    for at in 0..70 {
        fs::write(copies.join(format!("old-{at}")), vec![0; 512 << 10]).expect("it can be written");
    }
    tree.write("src/a.rs", "theirs\n");
    let changed = tree.changed("echo mine > src/a.rs");
    assert!(matches!(changed.as_slice(), [(_, Was::Kept(copy))] if copy.is_file()), "{changed:?}");
    let bytes: u64 = fs::read_dir(&copies)
        .expect("it is there")
        .flatten()
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    assert!(bytes <= MAX_KEPT_BYTES, "{bytes}");
}

#[test]
fn another_commit_is_told_apart() {
    let tree = Tree::new();
    tree.runs("git checkout -qb other && echo other > src/a.rs && git -c user.name=Ana -c user.email=a@b commit -qam Other && git checkout -q -");
    tree.file.take(&tree.root);
    tree.runs("git checkout -q other");
    let changes = tree.file.changes().expect("it was looked at before");
    assert!(
        matches!(changes.as_slice(), [change] if change.is_of_history && matches!(change.was, Was::Committed(_))),
        "{changes:?}"
    );
}
