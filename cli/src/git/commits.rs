//! The files that a commit changes, or would change. It never parses output for people, which settings change.

use super::{Elapsed, Git};
use crate::{confined::read_bounded, error::Error};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes of a file of git that are read: the boundary of a shallow clone, or the heads that are merged.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// Commits of a fetch or of another repository that are read: there is a line for each branch and each tag.
const MOST_HEADS: usize = 1_000;

/// Options for differences: only names, including files in place of submodules.
const NAMES: [&str; 7] =
    ["-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"];

/// The same with a description before each name, so that no name can be taken for a commit.
const DESCRIBED: [&str; 7] =
    ["-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"];

/// The handling of a commit at the boundary of a shallow clone. Its changes are unknown, since its parents are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// It was fetched from the other side, and is skipped.
    LeftOut,
    /// It has to be checked, which is an error.
    Refused,
}

/// The files that the next commit changes, from the root of the work tree. For a merge, these are the files that differ
/// from git's own merge: others answer for the commits that changed the rest.
///
/// # Errors
/// When git fails.
pub(crate) fn staged(git: &Git) -> Result<Vec<String>, Error> {
    let against = |tree: &str| {
        let mut arguments = vec!["diff-index", "--cached", "--ita-invisible-in-index"];
        arguments.extend(NAMES);
        arguments.extend([tree, "--"]);
        git.entries(&arguments)
    };
    if !git.is_so(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]) {
        // The first commit is compared with nothing.
        return against(&git.text(&["hash-object", "-t", "tree", "--stdin"])?);
    }
    let mut files = against("HEAD")?;
    for head in merged_heads(git) {
        // The first line is the tree, even if there are conflicts, which the exit code reports.
        let merged = git.output(["merge-tree", "--write-tree", "--no-messages", "HEAD", &head])?;
        let merged = String::from_utf8_lossy(&merged.stdout).split(['\0', '\n']).next().map(str::to_owned);
        // An older git cannot merge trees: then these are the files that differ from both sides.
        let others = against(&merged.filter(|tree| is_id(tree)).unwrap_or(head))?;
        files.retain(|path| others.contains(path));
    }
    Ok(files)
}

/// The files that the commit that is being made changes, and the commit that it replaces, if there is one. Where
/// nothing is staged, it is HEAD that gets another message.
///
/// # Errors
/// When git fails.
pub(crate) fn being_made(git: &Git) -> Result<(Vec<String>, Option<Commit>), Error> {
    let files = staged(git)?;
    let has_head = || git.is_so(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]);
    if !files.is_empty() || !merged_heads(git).is_empty() || !has_head() {
        return Ok((files, None));
    }
    let head = commits(git, &["HEAD^!".to_owned()], Edge::LeftOut)?.pop();
    let files = head.as_ref().map(|head| head.files.clone());
    Ok((files.unwrap_or_default(), head))
}

/// Adds a line such as `Name: value` to the trailers of the message in a file, unless it is there.
///
/// # Errors
/// When git fails.
pub(crate) fn add_trailer(git: &Git, message: &str, trailer: &str) -> Result<(), Error> {
    let how = ["interpret-trailers", "--in-place", "--if-exists", "addIfDifferent", "--trailer", trailer];
    let mut arguments = how.to_vec();
    arguments.extend(["--", message]);
    git.bytes(&arguments).map(drop)
}

/// The commits that are being merged into this one.
fn merged_heads(git: &Git) -> Vec<String> {
    // Git asks a hook of its own about a merge before it writes the file.
    let from_environment =
        env::vars().filter_map(|(name, _)| name.strip_prefix("GITHEAD_").map(str::to_owned));
    let heads: BTreeSet<String> = listed(git, "MERGE_HEAD").into_iter().chain(from_environment).collect();
    heads.into_iter().filter(|head| is_id(head)).collect()
}

/// The commits of the last fetch from other repositories, also from URLs without a remote. Commits that were fetched
/// from this repository, or from another worktree of it, do not count, since nobody else has them.
pub(crate) fn fetched(git: &Git) -> Vec<String> {
    let text = file(git, "FETCH_HEAD");
    let mut is_own: BTreeMap<&str, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines().take(MOST_HEADS) {
        // A line has the commit, whether it is for merging, and its source.
        let mut fields = line.splitn(3, '\t');
        let commit = fields.next().filter(|word| is_id(word));
        let Some((commit, source)) = commit.zip(fields.nth(1).map(source)) else { continue };
        if !*is_own.entry(source).or_insert_with(|| is_this(git, source)) {
            found.push(commit.to_owned());
        }
    }
    found
}

/// The source in `branch 'main' of https://example.org/app`. If the text has no name, it is the source.
fn source(entry: &str) -> &str {
    let named = entry.split_once("' of ").filter(|(before, _)| before.contains('\''));
    named.map_or(entry, |(_, source)| source)
}

/// Whether the path of a fetched repository leads to this one.
fn is_this(git: &Git, source: &str) -> bool {
    let common = |git: &Git| {
        let folder = git.text(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).ok()?;
        fs::canonicalize(folder).ok()
    };
    let Some(own) = common(git) else { return false };
    let path = source.strip_prefix("file://").unwrap_or(source);
    // Git leaves out the suffix of a bare repository's name. The folder of the fetch is not known any more.
    let folders = [git.top().ok(), env::current_dir().ok(), Some(own.clone())];
    folders.into_iter().flatten().any(|folder| {
        let names = [path.to_owned(), format!("{path}.git")];
        let there = names.into_iter().map(|name| folder.join(name)).find(|path| path.is_dir());
        there.is_some_and(|path| common(&Git::at(&path)).as_ref() == Some(&own))
    })
}

/// Whether any commit of another repository is known here.
pub(crate) fn has_remotes(git: &Git) -> bool {
    git.text(&["for-each-ref", "--count=1", "refs/remotes"]).is_ok_and(|refs| !refs.is_empty())
}

/// The longest time for listing another repository: the person who pushes waits for it.
pub(crate) const LONGEST_LISTING: Duration = Duration::from_secs(10);

/// The commits that another repository lists. The result is `None` if it cannot be asked.
///
/// # Errors
/// When it does not answer within [`LONGEST_LISTING`].
pub(crate) fn listed_by(git: &Git, url: &str) -> Result<Vec<String>, Elapsed> {
    let refs = git.text_within(&["ls-remote", "--quiet", "--", url], LONGEST_LISTING)?.unwrap_or_default();
    let words = refs.lines().filter_map(|line| line.split_whitespace().next());
    Ok(words.filter(|word| is_id(word)).take(MOST_HEADS).map(str::to_owned).collect())
}

/// The commits among these that exist here.
pub(crate) fn known(git: &Git, commits: Vec<String>) -> Vec<String> {
    let commits: BTreeSet<String> = commits.into_iter().collect();
    let input = commits.iter().map(|commit| format!("{commit}^{{commit}}\n")).collect();
    let check = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
    let answer = git.entries_of(&check, input, |code| code == 0).unwrap_or_default();
    let lines = answer.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| line.strip_suffix(" commit")).map(str::to_owned).collect()
}

fn is_id(word: &str) -> bool {
    word.len() >= 40 && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The words in a file of git.
fn listed(git: &Git, name: &str) -> Vec<String> {
    file(git, name).split_whitespace().map(str::to_owned).collect()
}

/// The content of a file of git. It is empty if there is no such file.
fn file(git: &Git, name: &str) -> String {
    let file = git.text(&["rev-parse", "--path-format=absolute", "--git-path", name]).unwrap_or_default();
    read_bounded(Path::new(&file), MAX_LIST_BYTES).unwrap_or_default()
}

/// The files that commits change, from the root of the repository. The arguments choose commits as for `git rev-list`.
/// A merge changes the files that differ from git's own merge.
///
/// # Errors
/// When git fails, or a commit at the boundary of a shallow clone has to be checked.
pub(crate) fn committed(git: &Git, chosen: &[String], edge: Edge) -> Result<Vec<String>, Error> {
    let files = changes(git, chosen, edge)?.into_values().flatten();
    Ok(files.collect::<BTreeSet<String>>().into_iter().collect())
}

/// A commit with the files that it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The id of the commit.
    pub(crate) id: String,
    /// When its change was made, in seconds since 1970.
    pub(crate) authored: i64,
    /// When the commit was made, in seconds since 1970.
    pub(crate) committed: i64,
    /// The whole message, with its trailers.
    pub(crate) message: String,
    /// The files that it changes, as for [`committed`].
    pub(crate) files: Vec<String>,
}

/// The commits that change files, each with its files, as for [`committed`].
///
/// # Errors
/// The errors of [`committed`].
pub(crate) fn commits(git: &Git, chosen: &[String], edge: Edge) -> Result<Vec<Commit>, Error> {
    let changes = changes(git, chosen, edge)?;
    let input: String = changes.keys().map(|id| format!("{id}\n")).collect();
    read_objects(changes, &git.printed_of(&["cat-file", "--batch"], input.into_bytes())?)
}

/// The commits in the output of `cat-file --batch`, which has one object for each entry of `changes`.
fn read_objects(changes: BTreeMap<String, Vec<String>>, printed: &[u8]) -> Result<Vec<Commit>, Error> {
    let mut rest = printed;
    let mut commits = Vec::new();
    for (id, files) in changes {
        let unreadable = || Error::local(format!("git does not show the commit {id}"));
        // A line with the id, the kind and the length, and then the object.
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(unreadable)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let length: usize = head
            .strip_prefix(&format!("{id} commit "))
            .and_then(|length| length.parse().ok())
            .ok_or_else(unreadable)?;
        // The length is what git says, and may be any number.
        let (object, after) = rest[end + 1..].split_at_checked(length).ok_or_else(unreadable)?;
        rest = after.get(1..).unwrap_or_default();
        commits.push(parsed(id, &String::from_utf8_lossy(object), files));
    }
    Ok(commits)
}

/// A commit from its object: lines of fields, an empty line, and the message.
fn parsed(id: String, object: &str, files: Vec<String>) -> Commit {
    let (fields, message) = object.split_once("\n\n").unwrap_or((object, ""));
    // `author Ana <ana@example.com> 1700000000 +0100`
    let time = |role: &str| {
        let line = fields.lines().find_map(|line| line.strip_prefix(role))?;
        line.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok()
    };
    let (authored, committed) = (time("author "), time("committer "));
    Commit {
        id,
        authored: authored.unwrap_or_default(),
        committed: committed.unwrap_or_default(),
        message: message.to_owned(),
        files,
    }
}

/// The files that each commit changes, by the ids of the commits. One that changes none is left out.
fn changes(git: &Git, chosen: &[String], edge: Edge) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut arguments = vec!["rev-list", "--parents"];
    arguments.extend(chosen.iter().map(String::as_str));
    arguments.push("--");
    let listed = git.text(&arguments)?;
    let shallow = self::listed(git, "shallow");
    let (mut simple, mut many) = (String::new(), String::new());
    for line in listed.lines() {
        let commit = line.split(' ').next().unwrap_or_default();
        if shallow.iter().any(|edge| edge == commit) {
            match edge {
                Edge::LeftOut => continue,
                Edge::Refused => return Err(too_shallow(commit)),
            }
        }
        // Git can repeat a merge of two parents only. With more parents, the files that differ from all of them count.
        let list = if line.split(' ').count() > 3 { &mut many } else { &mut simple };
        *list += &format!("{commit}\n");
    }
    let changed = |commits: &String, how: &str| {
        let mut arguments = vec!["diff-tree", "--stdin", "--root", how];
        arguments.extend(DESCRIBED);
        git.entries_of(&arguments, commits.clone(), |code| code == 0)
    };
    // An older git does not know `--remerge-diff` and fails. Any other failure repeats with `-c`.
    let mut entries = changed(&simple, "--remerge-diff").or_else(|_| changed(&simple, "-c"))?;
    entries.extend(changed(&many, "-c")?);
    Ok(by_commit(entries))
}

/// Sorts the output of `diff-tree --raw` by commits: the id of each, and then a description and a name for each file.
fn by_commit(entries: Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut commit = String::new();
    let mut entries = entries.into_iter();
    while let Some(entry) = entries.next() {
        if entry.starts_with(':') {
            changes.entry(commit.clone()).or_default().extend(entries.next());
        } else {
            commit = entry;
        }
    }
    changes
}

/// Reads bytes as the output of each of these calls of git.
#[cfg(any(test, fuzzing))]
pub(super) fn read_all(printed: &[u8]) -> Vec<Commit> {
    let text = String::from_utf8_lossy(printed);
    for line in text.lines() {
        source(line);
    }
    let ids = text.lines().filter_map(|line| line.split(' ').next()).filter(|id| is_id(id));
    let changes = by_commit(super::call::entries(printed));
    let asked = ids.map(|id| (id.to_owned(), Vec::new())).take(3).chain(changes).collect();
    read_objects(asked, printed).unwrap_or_default()
}

fn too_shallow(commit: &str) -> Error {
    let short: String = commit.chars().take(12).collect();
    Error::misused(format!(
        "the clone is too shallow: what was before {short} is not there, so that nobody can tell what it changes"
    ))
    .hint("fetch more of its history: git fetch --deepen=50, or fetch-depth: 0 in the CI's checkout")
}

/// Paths of the repository in a work tree.
pub(crate) fn in_tree(top: &Path, files: Vec<String>) -> Vec<PathBuf> {
    files.into_iter().map(|file| top.join(file)).collect()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    fn run(at: &Path, line: &str) {
        let mut command = Command::new("bash");
        command.args(["-ec", line]).current_dir(at).env("HOME", at).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@example.com");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }

    #[test]
    fn what_was_fetched_from_this_repository_is_nothing_that_others_have() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        run(
            root,
            "git init -q -b main app && cd app && git commit -q --allow-empty -m one && git branch feature",
        );
        run(
            root,
            "git clone -q app other && cd other && git commit -q --allow-empty -m two && git branch 'it'\\''s-of-them'",
        );
        run(&root.join("app"), "git worktree add -q ../linked feature && git init -q --bare ../bare.git");
        let git = Git::at(&root.join("app"));
        for own in [".", "../linked", "../app/.git", "./", "file://$PWD", "$PWD/../linked"] {
            run(&root.join("app"), &format!("git fetch -q {own} feature"));
            assert_eq!(fetched(&git), [""; 0], "{own}");
        }
        for other in ["../other main", "../other \"it's-of-them\"", "file://$PWD/../other HEAD"] {
            run(&root.join("app"), &format!("git fetch -q {other}"));
            assert_eq!(fetched(&git).len(), 1, "{other}");
        }
        run(&root.join("app"), "git push -q ../bare.git main && git fetch -q ../bare.git main");
        assert_eq!(fetched(&git).len(), 1);
    }

    #[test]
    fn each_commit_has_its_own_files_times_and_message_whatever_they_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        run(root, "git init -q -b main && echo 1 > a && git add . && GIT_AUTHOR_DATE=@1700000000 git commit -q -m 'One

            Nexus-Receipt: x'");
        let git = Git::at(root);
        let first = git.text(&["rev-parse", "HEAD"]).unwrap();
        // A file that is called like a commit, and one like a description.
        run(
            root,
            &format!(
                "echo 2 > {first} && echo 2 > :a && git add . && git commit -q -m Two && git commit -q --allow-empty -m Three"
            ),
        );
        run(
            root,
            "git checkout -q -b side HEAD~2 && echo 3 > b && git add . && git commit -q -m Side && git checkout -q main",
        );
        run(
            root,
            "git merge -q --no-ff --no-commit side && echo evil > c && git add . && git commit -q -m Merge",
        );
        let found = commits(&git, &["HEAD".to_owned()], Edge::Refused).unwrap();
        let of = |subject: &str| found.iter().find(|commit| commit.message.starts_with(subject)).unwrap();
        assert_eq!(of("One").files, ["a"]);
        assert_eq!(of("One").authored, 1_700_000_000);
        assert!(of("One").message.contains("Nexus-Receipt: x"));
        let mut two = vec![first, ":a".to_owned()];
        two.sort();
        let mut files = of("Two").files.clone();
        files.sort();
        assert_eq!(files, two);
        assert_eq!(of("Side").files, ["b"]);
        assert_eq!(of("Merge").files, ["c"]);
        assert_eq!(found.len(), 4, "one that changes nothing is left out");
    }

    #[test]
    fn an_ordinary_merge_is_nobodys_change_whatever_a_person_has_set() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        run(
            root,
            "git init -q -b main && mkdir src && seq 40 > src/a && seq 50 90 > src/b && git add . && git commit -q -m one
             git checkout -q -b theirs && git mv src/a src/moved && sed -i s/^3$/three/ src/b && git commit -q -am theirs
             git checkout -q main && sed -i s/^30$/thirty/ src/a && sed -i s/^80$/eighty/ src/b && git commit -q -am ours
             git merge -q --no-edit theirs",
        );
        for (name, value) in [
            ("diff.renames", "false"),
            ("merge.conflictStyle", "diff3"),
            ("merge.default", "ours"),
            ("merge.directoryRenames", "true"),
            ("merge.renameLimit", "1"),
            ("merge.renames", "false"),
            ("merge.renormalize", "true"),
        ] {
            run(root, &format!("git config {name} {value}"));
            let changed = committed(&Git::at(root), &["HEAD^!".to_owned()], Edge::Refused).unwrap();
            assert_eq!(changed, [""; 0], "{name}={value}");
            // The result is the same before the merge is committed.
            run(root, "git -c merge.default=text -c merge.renames=true reset -q --hard HEAD^1");
            run(root, "git -c merge.default=text -c merge.renames=true merge -q --no-commit theirs");
            assert_eq!(staged(&Git::at(root)).unwrap(), [""; 0], "{name}={value}");
            run(root, &format!("git commit -q -m merged && git config --unset {name}"));
        }
    }
}
