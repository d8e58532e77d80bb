//! Which files a commit changes, or would change. What git prints for people is not read: settings change it.

use super::{Elapsed, Git};
use crate::{confined::read_bounded, error::Error};
use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest list of what git keeps in a file of its own: the edge of a shallow clone, heads that are merged.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// Commits of a fetch, or of another repository, that count: there is a line for each branch and each tag.
const MOST_HEADS: usize = 1_000;

/// How differences are asked for: names alone, of files in submodules' places too.
const NAMES: [&str; 7] =
    ["-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"];

/// What is done about a commit at the edge of a shallow clone: what it changes cannot be told, as what was before it
/// is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// It came from the other side, and is left out.
    LeftOut,
    /// It is to be judged: that is an error.
    Refused,
}

/// The files that the next commit changes, from the root of the work tree. Of a merge, those that are in it otherwise
/// than git itself would have merged them: the rest was changed by commits that others answer for.
///
/// # Errors
/// When git cannot tell.
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
        // The first line is the tree, also where there are conflicts and git says so by its exit code.
        let merged = git.output(["merge-tree", "--write-tree", "--no-messages", "HEAD", &head])?;
        let merged = String::from_utf8_lossy(&merged.stdout).split(['\0', '\n']).next().map(str::to_owned);
        // An older git merges no trees: then it is what differs from both sides.
        let others = against(&merged.filter(|tree| is_id(tree)).unwrap_or(head))?;
        files.retain(|path| others.contains(path));
    }
    Ok(files)
}

/// The commits that are being merged into this one.
fn merged_heads(git: &Git) -> Vec<String> {
    // Git asks a hook of its own about a merge before it writes the file.
    let asked = env::vars().filter_map(|(name, _)| name.strip_prefix("GITHEAD_").map(str::to_owned));
    let heads: BTreeSet<String> = listed(git, "MERGE_HEAD").into_iter().chain(asked).collect();
    heads.into_iter().filter(|head| is_id(head)).collect()
}

/// The commits that were fetched last, also from where no remote has a name.
pub(crate) fn fetched(git: &Git) -> Vec<String> {
    // Each line begins with one.
    let words = listed(git, "FETCH_HEAD").into_iter();
    words.filter(|word| is_id(word)).take(MOST_HEADS).collect()
}

/// Whether anything is known here of what other repositories have.
pub(crate) fn has_remotes(git: &Git) -> bool {
    git.text(&["for-each-ref", "--count=1", "refs/remotes"]).is_ok_and(|refs| !refs.is_empty())
}

/// How long another repository may take to say what it has: whoever pushes waits for it.
pub(crate) const LONGEST_LISTING: Duration = Duration::from_secs(10);

/// The commits that another repository says it has; none when it cannot be asked.
///
/// # Errors
/// When it does not answer within [`LONGEST_LISTING`].
pub(crate) fn listed_by(git: &Git, url: &str) -> Result<Vec<String>, Elapsed> {
    let refs = git.text_within(&["ls-remote", "--quiet", "--", url], LONGEST_LISTING)?.unwrap_or_default();
    let words = refs.lines().filter_map(|line| line.split_whitespace().next());
    Ok(words.filter(|word| is_id(word)).take(MOST_HEADS).map(str::to_owned).collect())
}

/// Those of these commits that are here.
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

/// The words in a file of git's.
fn listed(git: &Git, name: &str) -> Vec<String> {
    let file = git.text(&["rev-parse", "--path-format=absolute", "--git-path", name]).unwrap_or_default();
    let text = read_bounded(Path::new(&file), MAX_LIST_BYTES).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The files that commits change, from the root of the repository. The arguments are those of `git rev-list` that
/// choose commits. What a merge changes is what git itself would have merged otherwise.
///
/// # Errors
/// When git cannot tell, or a commit at the edge of a shallow clone is to be judged.
pub(crate) fn committed(git: &Git, chosen: &[String], edge: Edge) -> Result<Vec<String>, Error> {
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
        // Git merges no more than two again; of several parents, what differs from all of them is looked at.
        let list = if line.split(' ').count() > 3 { &mut many } else { &mut simple };
        *list += &format!("{commit}\n");
    }
    let changed = |commits: &String, how: &str| {
        let mut arguments = vec!["diff-tree", "--stdin", "--root", "--no-commit-id", how];
        arguments.extend(NAMES);
        git.entries_of(&arguments, commits.clone(), |code| code == 0)
    };
    // A git that does not know how says so; whatever else it cannot do, it cannot do this way either.
    let mut files = changed(&simple, "--remerge-diff").or_else(|_| changed(&simple, "-c"))?;
    files.extend(changed(&many, "-c")?);
    let files: BTreeSet<String> = files.into_iter().collect();
    Ok(files.into_iter().collect())
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
