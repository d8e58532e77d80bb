//! Tests the changes that are found after a command, and their restoration.

use super::*;
use crate::git::WorkTree;
use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

struct Tree {
    folder: tempfile::TempDir,
    root: PathBuf,
    snapshot: WorkTreeSnapshot,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs::canonicalize(folder.path()).expect("it is there").join("app");
        fs::create_dir_all(root.join("src")).expect("a folder");
        let snapshot = WorkTreeSnapshot::of_run(folder.path().join("run"));
        let tree = Self { folder, root, snapshot };
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

    fn commits(&self, message: &str) {
        self.runs(&format!("git add -A && git -c user.name=Ana -c user.email=a@b commit -qm {message}"));
    }

    fn trees(&self) -> Vec<WorkTree> {
        vec![WorkTree::at(&self.root).expect("it is one")]
    }

    fn begins(&self, call: &str) -> SnapshotDiff {
        self.snapshot.before(call, self.trees(), Vec::new())
    }

    fn ends(&self, call: &str) -> SnapshotDiff {
        self.snapshot.after(call).expect("it was looked at before")
    }

    fn named(&self, diff: &SnapshotDiff) -> Vec<(String, PriorContent)> {
        let name =
            |path: &Path| path.strip_prefix(&self.root).expect("it is of this tree").display().to_string();
        diff.changes.iter().map(|change| (name(&change.path), change.prior.clone())).collect()
    }

    /// The changes of a command, by name. Everything must have been checked.
    fn changed(&self, command: &str) -> Vec<(String, PriorContent)> {
        let diff = self.looked_at(command);
        assert_eq!(diff.unchecked, [""; 0], "{command}");
        self.named(&diff)
    }

    fn looked_at(&self, command: &str) -> SnapshotDiff {
        assert_eq!(self.begins("one"), SnapshotDiff::default(), "{command}");
        self.runs(command);
        self.ends("one")
    }

    /// The names of the changed files.
    fn names(&self, diff: &SnapshotDiff) -> Vec<String> {
        self.named(diff).into_iter().map(|(name, _)| name).collect()
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
        assert!(matches!(found, Some((_, PriorContent::Committed(_)))), "{command}: {changed:?}");
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
        let prior = changed.iter().find(|(found, _)| found == name).map(|(_, prior)| prior);
        let Some(PriorContent::Kept(copy)) = prior else { panic!("{name}: {changed:?}") };
        assert_eq!(fs::read_to_string(copy).expect("it is there"), text);
        assert!(!copy.starts_with(&tree.root));
        let mode = fs::metadata(copy).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Reset to HEAD, the file no longer differs from it, but is not the earlier file either.
    tree.write("src/b.rs", "theirs\n");
    let changed = tree.changed("git checkout -q src/b.rs");
    assert!(
        matches!(changed.as_slice(), [(name, PriorContent::Kept(_))] if name == "src/b.rs"),
        "{changed:?}"
    );
}

#[test]
fn what_is_too_long_is_not_kept_and_said() {
    let tree = Tree::new();
    tree.write("src/a.rs", &"x".repeat(600 << 10));
    let changed = tree.changed("echo mine > src/a.rs");
    assert_eq!(changed, [("src/a.rs".to_owned(), PriorContent::Unknown)]);
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
    assert!(matches!(changed.as_slice(), [(_, PriorContent::Kept(copy))] if copy.is_file()), "{changed:?}");
    let bytes: u64 = fs::read_dir(&copies)
        .expect("it is there")
        .flatten()
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    assert!(bytes <= copies::MAX_BYTES, "{bytes}");
}

#[test]
fn another_commit_is_recognised() {
    let tree = Tree::new();
    tree.runs("git checkout -qb other && echo other > src/a.rs && git -c user.name=Ana -c user.email=a@b commit -qam Other && git checkout -q -");
    tree.begins("one");
    tree.runs("git checkout -q other");
    let changes = tree.ends("one").changes;
    assert!(
        matches!(changes.as_slice(), [change] if change.is_from_other_commit && matches!(change.prior, PriorContent::Committed(_))),
        "{changes:?}"
    );
}

#[test]
fn a_thousand_files_are_compared_and_copied_without_waiting_for_a_disk() {
    let tree = Tree::new();
    for at in 0..1_500 {
        tree.write(&format!("src/{at}.rs"), &format!("theirs {at}\n"));
    }
    let changed = tree.changed("for file in src/*.rs; do echo more >> $file; done");
    assert_eq!(changed.len(), 1_502);
    let count = |is_one: fn(&PriorContent) -> bool| changed.iter().filter(|(_, prior)| is_one(prior)).count();
    assert_eq!(count(|prior| matches!(prior, PriorContent::Committed(_))), 2);
    // The number of copies depends on the machine's speed; the other changes are found all the same.
    let kept = count(|prior| matches!(prior, PriorContent::Kept(_)));
    assert!(kept > 0, "{changed:?}");
    assert_eq!(kept + count(|prior| *prior == PriorContent::Unknown), 1_500);
    // Files that were committed meanwhile are also recognised with one call of git.
    tree.commits("Many");
    let changed =
        tree.changed("for file in src/*.rs; do echo more >> $file; done; rm src/1.rs; echo x > new");
    assert_eq!(changed.len(), 1_503);
    let committed = changed.iter().filter(|(_, prior)| matches!(prior, PriorContent::Committed(_))).count();
    assert_eq!(committed, 1_502);
    assert!(changed.contains(&("new".to_owned(), PriorContent::Missing)));
}

#[test]
fn copies_that_were_not_finished_are_thrown_away() {
    let tree = Tree::new();
    let copies = tree.folder.path().join("run/kept");
    fs::create_dir_all(&copies).expect("a folder");
    let unfinished = copies.join("abc.1.tmp");
    fs::File::create(&unfinished)
        .and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH))
        .expect("it can be made");
    tree.write("src/a.rs", "theirs\n");
    tree.changed("true");
    assert!(!unfinished.exists());
    let copy = fs::read_dir(&copies).expect("it is there").flatten().next().expect("there is one").path();
    assert!(PriorContent::Kept(copy.clone()).is_there());
    fs::write(&copy, "").expect("it can be cut off");
    assert!(!PriorContent::Kept(copy).is_there());
}

/// Ways to make git overlook a write.
const HIDDEN_BY: [&str; 10] = [
    "git update-index --assume-unchanged src/a.rs",
    "git update-index --skip-worktree src/a.rs",
    "git config core.worktree /elsewhere",
    "git config core.bare true",
    "git config core.trustctime false; git config core.checkStat minimal",
    "git config core.ignoreStat true; git update-index --really-refresh",
    "git config status.showUntrackedFiles no; git config core.fileMode false",
    "echo '*.rs filter=same' > .git/info/attributes; git config filter.same.clean 'git cat-file blob HEAD:src/a.rs'",
    "git config core.fsmonitor true; git update-index --fsmonitor; git update-index --fsmonitor-valid src/a.rs",
    "git sparse-checkout set --no-cone /src/b.rs; git show HEAD:src/a.rs > src/a.rs",
];

/// Writes a file and keeps its length and its modification time.
const SLY: &str = "touch -r src/a.rs time; echo FIRST > src/a.rs; touch -r time src/a.rs; rm time";

#[test]
fn no_state_of_git_hides_what_is_written() {
    for hidden in HIDDEN_BY {
        for write in ["echo mine > src/a.rs", SLY] {
            let is_seen = |diff: &SnapshotDiff, tree: &Tree, when: &str| {
                let names = tree.names(diff);
                assert!(names.iter().any(|name| name == "src/a.rs"), "{hidden}, {write}, {when}: {diff:?}");
            };
            // Done by the command itself while it runs.
            let tree = Tree::new();
            is_seen(&tree.looked_at(&format!("{hidden}; {write}")), &tree, "at once");
            // Done by an earlier command.
            let tree = Tree::new();
            tree.runs(&format!("{hidden}; true"));
            is_seen(&tree.looked_at(write), &tree, "later");
        }
    }
}

#[test]
fn without_the_old_state_in_git_files_are_checked_all_the_same_and_reported() {
    for gone in ["mv .git git", "rm .git/HEAD", "echo '[core' > .git/config", "rm -rf .git; git init -q .."] {
        let tree = Tree::new();
        let diff = tree.looked_at(&format!("{gone}; echo mine > src/a.rs"));
        assert!(!diff.unchecked.is_empty(), "{gone}: {diff:?}");
        assert_eq!(tree.names(&diff), ["src/a.rs"], "{gone}: {diff:?}");
    }
}

#[test]
fn what_is_written_anew_with_the_same_content_is_no_change_whatever_ends_its_lines() {
    let tree = Tree::new();
    tree.runs(
        "git config core.autocrlf true && rm src/a.rs && git checkout -q src/a.rs && grep -q $'\r' src/a.rs",
    );
    assert_eq!(tree.changed("cp src/a.rs x && mv x src/a.rs"), []);
    tree.runs("ln -s b.rs src/link.rs");
    tree.commits("Link");
    assert_eq!(tree.changed("rm src/link.rs && ln -s b.rs src/link.rs"), []);
    let changed = tree.changed("rm src/link.rs && ln -s a.rs src/link.rs");
    assert!(
        matches!(changed.as_slice(), [(name, PriorContent::Committed(_))] if name == "src/link.rs"),
        "{changed:?}"
    );
}

#[test]
fn a_command_whose_end_nobody_tells_is_looked_at_before_the_next_one() {
    let tree = Tree::new();
    tree.begins("killed");
    tree.runs("echo mine > src/a.rs");
    let diff = tree.begins("next");
    assert_eq!(tree.names(&diff), ["src/a.rs"], "{diff:?}");
    // Reported once. If the command goes on all the same, its further changes are reported, too.
    assert_eq!(tree.begins("third"), SnapshotDiff::default());
    tree.runs("echo mine > src/b.rs");
    assert_eq!(tree.names(&tree.ends("killed")), ["src/b.rs"]);
    assert_eq!((tree.ends("third"), tree.ends("next")), (SnapshotDiff::default(), SnapshotDiff::default()));
    assert_eq!(tree.snapshot.after("next"), None);
    // Changes while no command runs do not belong to a command.
    tree.runs("echo theirs > src/a.rs");
    assert_eq!(tree.begins("fourth"), SnapshotDiff::default());
    assert_eq!(tree.ends("fourth"), SnapshotDiff::default());
}

#[test]
fn what_is_left_over_is_looked_at_when_the_agent_stops_and_then_forgotten() {
    let tree = Tree::new();
    assert_eq!(tree.snapshot.left_over(true), SnapshotDiff::default());
    for call in 0..100 {
        tree.begins(&format!("killed {call}"));
    }
    tree.runs("echo mine > src/a.rs");
    assert_eq!(tree.names(&tree.snapshot.left_over(true)), ["src/a.rs"]);
    assert_eq!(tree.snapshot.left_over(true), SnapshotDiff::default());
    let files = fs::read_dir(tree.folder.path().join("run")).expect("it is there").count();
    assert!(files <= 4, "{files}");
    // A refused command leaves no entry.
    tree.begins("refused");
    tree.snapshot.cancel("refused");
    tree.runs("echo theirs > src/b.rs");
    assert_eq!(tree.snapshot.left_over(false), SnapshotDiff::default());
}

#[test]
fn other_repositories_in_folders_of_one_are_looked_into() {
    let tree = Tree::new();
    tree.runs("git init -q inner && cd inner && echo first > x.rs && git add x.rs && git -c user.name=Ana -c user.email=a@b commit -qm First");
    let changed = tree.changed("echo mine > inner/x.rs");
    assert!(
        matches!(changed.as_slice(), [(name, PriorContent::Committed(_))] if name == "inner/x.rs"),
        "{changed:?}"
    );
    // A repository that is made meanwhile hides nothing either.
    let changed = tree.changed("git init -q src && echo mine > src/a.rs && echo mine > src/new.rs");
    let names: Vec<&str> = changed.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"src/a.rs") && names.contains(&"src/new.rs"), "{changed:?}");
}

#[test]
fn names_that_are_no_text_are_files_like_others() {
    let tree = Tree::new();
    let odd = tree.root.join(OsStr::from_bytes(b"src/\xff\n.rs"));
    fs::write(&odd, "first\n").expect("it can be written");
    let diff = tree.looked_at("echo mine > src/$'\\xff\\n'.rs");
    assert_eq!(diff.changes.iter().map(|change| &change.path).collect::<Vec<_>>(), [&odd]);
    assert!(
        matches!(&diff.changes[0].prior, PriorContent::Kept(copy) if fs::read(copy).expect("it is there") == b"first\n")
    );
    tree.commits("Odd");
    let diff = tree.looked_at("touch src/*; echo mine > src/a.rs");
    assert_eq!(tree.names(&diff), ["src/a.rs"]);
    let diff = tree.looked_at("rm src/$'\\xff\\n'.rs");
    assert!(diff.changes.iter().any(|change| change.path == odd), "{diff:?}");
}

#[test]
fn a_command_that_leads_elsewhere_tells_nothing_of_what_is_there() {
    let (tree, elsewhere) = (Tree::new(), Tree::new());
    tree.begins("one");
    assert_eq!(tree.snapshot.before("two", elsewhere.trees(), Vec::new()), SnapshotDiff::default());
    elsewhere.write("src/a.rs", "mine\n");
    tree.write("src/b.rs", "mine\n");
    let diff = tree.ends("two");
    let paths: Vec<&Path> = diff.changes.iter().map(|change| change.path.as_path()).collect();
    assert_eq!(paths.len(), 2, "{diff:?}");
    assert!(paths.contains(&elsewhere.root.join("src/a.rs").as_path()), "{diff:?}");
    // A repository whose folder is gone is gone with all of its files.
    tree.runs("git init -q inner && echo first > inner/x.rs");
    assert_eq!(tree.changed("rm -rf inner").len(), 1);
}
