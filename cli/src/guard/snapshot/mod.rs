//! What work trees are like before a command, and what is different after it. Goes by content, and by inode and change
//! time, which no program sets as it likes; never by the time of modification, which `tar` and `touch` set.
//!
//! Git says which files there are, and keeps what they were. Whether one changed is looked at by itself as well: settings,
//! flags of the index and filters make git pass over changes.
//!
//! A run has one snapshot. Commands that run at the same time share it: what changed is told to the first that ends, and
//! the next one is compared with what is there then. A command whose end nobody told is looked at before the next one.
//!
//! - [`tree`]: what a work tree is like. [`compare`]: what became different. [`copies`]: what git could not give back.
//! - [`roots`]: which work trees are looked at. [`running_commands`]: which commands run.

mod compare;
mod copies;
pub(crate) mod roots;
mod running_commands;
#[cfg(all(test, unix))]
mod tests;
mod tree;

use crate::{config::atomic, git::WorkTree};
use copies::Copies;
use running_commands::RunningCommands;
use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tree::{ReadBudget, TreeState};

/// How long a look may take: its host waits ten seconds for all of the hook.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// What is left to whoever looks to write down how far they came, before nobody waits for them any more.
const GRACE: Duration = Duration::from_millis(500);

/// Files that one look tells of: more is no work of one command.
const MAX_CHANGES: usize = 10_000;

/// A file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileChange {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The root of its work tree.
    pub(crate) top: PathBuf,
    /// What brings it back.
    pub(crate) prior: PriorContent,
    /// Whether it came with another commit.
    pub(crate) is_from_other_commit: bool,
}

/// What a file was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PriorContent {
    /// As in this commit.
    Committed(String),
    /// As in this copy.
    Kept(PathBuf),
    /// The file did not exist.
    Missing,
    /// Something that was not kept.
    Unknown,
}

impl PriorContent {
    /// Whether it can still be had: a copy may have been thrown away, or be cut off by a crash.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Kept(copy) => copies::is_whole(copy),
            _ => true,
        }
    }
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SnapshotDiff {
    /// What is not as it was.
    pub(crate) changes: Vec<FileChange>,
    /// Why something was not looked at, in words that end a sentence.
    pub(crate) unchecked: Vec<String>,
}

impl SnapshotDiff {
    fn unchecked(why: impl Into<String>) -> Self {
        Self { changes: Vec::new(), unchecked: vec![why.into()] }
    }

    fn add(&mut self, other: Self) {
        self.changes.extend(other.changes);
        for reason in other.unchecked {
            if !self.unchecked.contains(&reason) {
                self.unchecked.push(reason);
            }
        }
        if self.changes.len() > MAX_CHANGES {
            self.changes.truncate(MAX_CHANGES);
            self.unchecked.push(format!("more than {MAX_CHANGES} files changed"));
        }
    }
}

/// The snapshot of a run, in the folder of the run.
#[derive(Clone, Debug)]
pub(crate) struct WorkTreeSnapshot {
    folder: PathBuf,
}

impl WorkTreeSnapshot {
    /// Of the run that has this folder.
    pub(crate) const fn of_run(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Looks at work trees before a command. Gives what commands changed whose end nobody told. `gaps` is what is
    /// known already not to be looked at. The command need not wait for a disk or a git that takes too long.
    pub(crate) fn before(&self, call: &str, trees: Vec<WorkTree>, unchecked: Vec<String>) -> SnapshotDiff {
        let call = call.to_owned();
        self.with_deadline(move |snapshot, end| {
            let mut running = RunningCommands::lock(&snapshot.folder)?;
            let states = snapshot.states();
            let known = states.as_deref().unwrap_or_default();
            let (now, mut seen) = snapshot.observe(known, running.is_any(), trees, end, Contents::Kept);
            let diff = match &states {
                _ if !running.is_unsettled() => SnapshotDiff::default(),
                Ok(states) => compare::changes(states, &now, &snapshot.copies(), end),
                Err(why) => SnapshotDiff::unchecked(why.clone()),
            };
            // Without it there is nothing to compare with: what it says is then told at once.
            snapshot.write(&now)?;
            running.settle();
            seen.extend(unchecked);
            running.begin(call, seen)?;
            Ok(diff)
        })
    }

    /// What is not as it was when the command began, or since it was looked at last. None where nothing is known of the
    /// command.
    pub(crate) fn after(&self, call: &str) -> Option<SnapshotDiff> {
        let call = call.to_owned();
        let (sender, receiver) = mpsc::sync_channel(1);
        let diff = self.with_deadline(move |snapshot, end| {
            let mut running = RunningCommands::lock(&snapshot.folder)?;
            let is_known = running.is_any();
            let _ = sender.send(is_known);
            if !is_known {
                return Ok(SnapshotDiff::default());
            }
            let unchecked = running.end(&call);
            let mut diff = snapshot.settle(running.is_any(), end);
            diff.add(SnapshotDiff { changes: Vec::new(), unchecked });
            running.write()?;
            Ok(diff)
        });
        receiver.try_recv().unwrap_or(true).then_some(diff)
    }

    /// What commands changed whose end nobody told. `is_last` when the agent is done: no command of its runs.
    pub(crate) fn left_over(&self, is_last: bool) -> SnapshotDiff {
        // Most hooks find none, and need no other look.
        if !RunningCommands::may_be_any(&self.folder) {
            return SnapshotDiff::default();
        }
        self.with_deadline(move |snapshot, end| {
            let mut running = RunningCommands::lock(&snapshot.folder)?;
            if !(running.is_unsettled() || is_last && running.is_any()) {
                return Ok(SnapshotDiff::default());
            }
            let diff = snapshot.settle(!is_last, end);
            if is_last {
                running.end_all();
            } else {
                running.settle();
            }
            running.write()?;
            Ok(diff)
        })
    }

    /// The command does not run.
    pub(crate) fn cancel(&self, call: &str) {
        let call = call.to_owned();
        self.with_deadline(move |snapshot, _| {
            let mut running = RunningCommands::lock(&snapshot.folder)?;
            running.end(&call);
            running.write()?;
            Ok(SnapshotDiff::default())
        });
    }

    /// Notes something once for the whole run; gives whether this was the first time.
    pub(crate) fn is_first(&self, note: &str) -> bool {
        atomic::make_private_folder(&self.folder).is_ok()
            && fs::File::create_new(self.folder.join(format!("shell.{note}"))).is_ok()
    }

    /// Compares with what was seen last, and remembers what is there now where somebody compares with it.
    fn settle(&self, is_compared_again: bool, end: Instant) -> SnapshotDiff {
        let states = match self.states() {
            Ok(states) => states,
            Err(why) => return SnapshotDiff::unchecked(why),
        };
        let contents = if is_compared_again { Contents::Kept } else { Contents::Unread };
        let (now, _) = self.observe(&states, true, Vec::new(), end, contents);
        let mut diff = compare::changes(&states, &now, &self.copies(), end);
        if is_compared_again && let Err(error) = self.write(&now) {
            diff.unchecked.push(error);
        }
        diff
    }

    /// What trees are like, with those that were looked at before where commands are under way that go by them; and why
    /// something could not be looked at.
    fn observe(
        &self,
        before: &[TreeState],
        is_any: bool,
        mut trees: Vec<WorkTree>,
        end: Instant,
        contents: Contents,
    ) -> (Vec<TreeState>, Vec<String>) {
        if is_any {
            let known = before.iter().map(TreeState::work_tree).filter(|tree| !trees.contains(tree));
            let known: Vec<WorkTree> = known.collect();
            trees.extend(known);
        }
        let copies = self.copies();
        let mut budget = ReadBudget::new(end, contents == Contents::Kept);
        let mut states: Vec<TreeState> = Vec::new();
        let mut unchecked = Vec::new();
        let mut at = 0;
        while at < trees.len() {
            if at == roots::MAX_TREES || Instant::now() >= end {
                unchecked.push(format!(
                    "{} of {} work trees were not looked at in time",
                    trees.len() - at,
                    trees.len()
                ));
                break;
            }
            let tree = &trees[at];
            let known = before.iter().find(|state| state.is_of(tree));
            let state = TreeState::take(tree, known, end, contents);
            for inner in state.repositories().filter_map(|path| WorkTree::at(&path)) {
                if !trees.contains(&inner) {
                    trees.push(inner);
                }
            }
            unchecked.extend(state.unchecked_reason());
            states.push(state);
            at += 1;
        }
        // What is there comes before what it contains: that may take longer than there is time for.
        for state in &mut states {
            let known = before.iter().find(|known| known.is_of(&state.work_tree()));
            state.read(known, &copies, &mut budget);
        }
        if budget.has_written {
            copies.clear();
        }
        (states, unchecked)
    }

    fn copies(&self) -> Copies {
        Copies::in_folder(self.folder.join("kept"))
    }

    fn file(&self) -> PathBuf {
        self.folder.join("shell.seen")
    }

    fn states(&self) -> Result<Vec<TreeState>, String> {
        let cannot = |error: &dyn Display| format!("what was noted before cannot be read ({error})");
        let text = fs::read(self.file()).map_err(|error| cannot(&error))?;
        serde_json::from_slice(&text).map_err(|error| cannot(&error))
    }

    /// Remembers states. After a crash of the machine no command of before it runs: there is nothing to wait for a
    /// disk for.
    fn write(&self, states: &[TreeState]) -> Result<(), String> {
        let text =
            serde_json::to_vec(states).map_err(|error| format!("what was there cannot be noted: {error}"))?;
        replace(&self.file(), &text)
    }

    /// Does it elsewhere, and waits for it so long.
    fn with_deadline(
        &self,
        work: impl FnOnce(&Self, Instant) -> Result<SnapshotDiff, String> + Send + 'static,
    ) -> SnapshotDiff {
        let (sender, receiver) = mpsc::sync_channel(1);
        let snapshot = self.clone();
        let end = Instant::now() + LOOK_TIMEOUT;
        thread::spawn(move || {
            let diff = work(&snapshot, end).unwrap_or_else(SnapshotDiff::unchecked);
            // Whoever waited may be gone.
            let _ = sender.send(diff);
        });
        receiver.recv_timeout(LOOK_TIMEOUT + GRACE).unwrap_or_else(|_| {
            SnapshotDiff::unchecked(format!("it took more than {} s", LOOK_TIMEOUT.as_secs()))
        })
    }
}

/// Whether contents are read that git could not give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// They are, and copies kept of them.
    Kept,
    /// Nobody will compare with this look.
    Unread,
}

/// Replaces a file of the run's own whole.
fn replace(path: &Path, text: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let new = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = atomic::make_private_folder(folder)
        .and_then(|()| atomic::write_new(&new, text))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        format!("{} cannot be written: {error}", path.display())
    })
}

/// Milliseconds of the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
