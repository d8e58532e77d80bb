//! What git says was changed, staged, committed or is ignored. Changes nothing.

use crate::{error::Error, run::Key};
use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::SystemTime,
};

/// Files that are looked at after a command: more than that is no work of one command.
const MAX_CHANGED: usize = 5_000;

/// What is not committed in the working tree of a folder, below it: absolute paths.
pub(crate) fn uncommitted(folder: &Path) -> Vec<PathBuf> {
    let Some(top) = git_in(folder, ["rev-parse", "--show-toplevel"]) else { return Vec::new() };
    let top = PathBuf::from(top.trim_end_matches('\n'));
    let arguments = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--", "."];
    let Some(status) = git_in(folder, arguments) else { return Vec::new() };
    // `XY path`, each ended by a NUL. A folder is another repository, or a worktree: its files are not of this one.
    status
        .split('\0')
        .filter_map(|entry| entry.get(3..))
        .filter(|path| !path.ends_with('/'))
        .take(MAX_CHANGED)
        .map(|path| top.join(path))
        .collect()
}

/// Those of these files that changed at or after a moment; of one that is gone, its folder did.
pub(crate) fn changed_since(paths: Vec<PathBuf>, moment: SystemTime) -> Vec<PathBuf> {
    let touched = |path: &Path| {
        let meta =
            fs::symlink_metadata(path).or_else(|_| fs::symlink_metadata(path.parent().unwrap_or(path)));
        // A folder that is gone as well was there a moment ago.
        meta.and_then(|meta| meta.modified()).map_or(true, |at| at >= moment)
    };
    paths.into_iter().filter(|path| touched(path)).collect()
}

/// These paths without those that git ignores: what is built belongs to nobody.
pub(crate) fn not_ignored(root: &Path, paths: Vec<String>) -> Vec<String> {
    if paths.is_empty() {
        return paths;
    }
    let ignored = ignored(root, &paths).unwrap_or_default();
    paths.into_iter().filter(|path| !ignored.contains(path)).collect()
}

fn ignored(root: &Path, paths: &[String]) -> Option<Vec<String>> {
    let mut child = Command::new("git")
        .args(["check-ignore", "-z", "--stdin"])
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let text: String = paths.iter().map(|path| format!("{path}\0")).collect();
    // In a thread of its own: git answers while it reads.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().ok()?;
    // A git that stopped reading has its reasons.
    let _ = writer.join();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// The files that the next commit changes: absolute paths. Of a merge, those that are in it otherwise than git
/// itself would have merged them: the rest was changed by commits that others answer for.
///
/// # Errors
/// When git cannot tell.
pub(crate) fn staged() -> Result<Vec<PathBuf>, Error> {
    let against = |tree: &str| {
        let mut arguments = vec!["diff", "--cached", "--name-only", "-z", "--no-renames"];
        arguments.extend((!tree.is_empty()).then_some(tree));
        arguments.push("--");
        named(&arguments)
    };
    let mut files = against("")?;
    for head in merged_heads() {
        // The first line is the tree, also where there are conflicts and git says so by its exit code.
        let merged = output(&["merge-tree", "--write-tree", "--no-messages", "HEAD", &head])?;
        let merged = String::from_utf8_lossy(&merged.stdout).split(['\0', '\n']).next().map(str::to_owned);
        let is_tree = |text: &String| text.len() >= 40 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        // An older git merges no trees: then it is what differs from both sides.
        let others = against(&merged.filter(is_tree).unwrap_or(head))?;
        files.retain(|path| others.contains(path));
    }
    Ok(files)
}

/// The commits that are being merged into this one.
fn merged_heads() -> Vec<String> {
    // Git asks a hook of its own about a merge before it writes the file.
    let asked = std::env::vars().filter_map(|(name, _)| name.strip_prefix("GITHEAD_").map(str::to_owned));
    let file = told(&["rev-parse", "--git-path", "MERGE_HEAD"]).unwrap_or_default();
    let text = fs::read_to_string(file.trim_end_matches('\n')).unwrap_or_default();
    let mut heads: Vec<String> = text.split_whitespace().map(str::to_owned).chain(asked).collect();
    heads.sort();
    heads.dedup();
    heads
}

/// The files that commits change: absolute paths. The arguments are those of `git log` that choose commits. What a
/// merge changes is what git itself would have merged otherwise.
///
/// # Errors
/// When git cannot tell.
pub(crate) fn committed(chosen: &[String]) -> Result<Vec<PathBuf>, Error> {
    let log = |options: &[&str]| {
        let mut arguments = vec!["log", "--format=", "--name-only", "-z", "--no-renames"];
        arguments.extend(options);
        arguments.extend(chosen.iter().map(String::as_str));
        arguments.push("--");
        named(&arguments)
    };
    // Git merges no more than two again; of several parents, what differs from all of them is looked at.
    match log(&["--max-parents=2", "--remerge-diff"]) {
        Ok(mut files) => {
            files.extend(log(&["--min-parents=3", "-c"])?);
            Ok(files)
        }
        // A git that does not know how says so; whatever else it cannot do, it cannot do this way either.
        Err(_) => log(&["-c"]),
    }
}

fn named(arguments: &[&str]) -> Result<Vec<PathBuf>, Error> {
    let top = PathBuf::from(told(&["rev-parse", "--show-toplevel"])?.trim_end_matches('\n'));
    let mut paths: Vec<PathBuf> = told(arguments)?
        .split('\0')
        .map(|path| path.trim_start_matches('\n'))
        .filter(|path| !path.is_empty())
        .map(|path| top.join(path))
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// What git prints in the current folder.
///
/// # Errors
/// When it fails, with what it says.
pub(crate) fn told(arguments: &[&str]) -> Result<String, Error> {
    let output = output(arguments)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it says nothing").trim_start_matches("fatal: ").to_owned();
        return Err(Error::misused(format!("git {} fails: {said}", arguments.first().unwrap_or(&""))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn output(arguments: &[&str]) -> Result<Output, Error> {
    let output = Command::new("git").args(arguments).output();
    output.map_err(|error| Error::local(format!("cannot run git: {error}")))
}

fn git_in<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let arguments = arguments.into_iter().map(OsStr::new);
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A mark of the moment in which a command starts: a file's own time, the clock that changed files have too.
pub(crate) struct Mark(PathBuf);

impl Mark {
    /// The mark of one use of a tool, in the folder of its run.
    pub(crate) fn new(folder: &Path, call: &str) -> Self {
        let name: String = call
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter))
            .take(80)
            .collect();
        Self(folder.join(format!("{name}.started")))
    }

    /// The command starts.
    pub(crate) fn set(&self) {
        // Without a mark nothing is compared afterwards; the command need not wait for that.
        if let Some(folder) = self.0.parent() {
            let _ = crate::config::atomic::make_private_folder(folder);
        }
        let _ = fs::write(&self.0, "");
    }

    /// When it started; known once.
    pub(crate) fn take(&self) -> Option<SystemTime> {
        let at = fs::metadata(&self.0).and_then(|meta| meta.modified()).ok();
        let _ = fs::remove_file(&self.0);
        at
    }
}

/// The word for a use of a tool that has no name.
pub(crate) fn unnamed(key: &Key) -> String {
    format!("{}-shell", key.kind())
}
