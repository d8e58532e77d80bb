//! The snapshot of a run: taken before a command, and compared after it. It answers in time even when a disk or git
//! takes too long.

use super::{
    change::SnapshotDiff,
    compare,
    copies::Copies,
    roots,
    run_folder::replace,
    running_commands::RunningCommands,
    tree::{Contents, ReadBudget, TreeState},
};
use crate::{config::atomic, git::WorkTree};
use std::{
    fmt::Display,
    fs,
    path::PathBuf,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long it may read work trees: hosts wait ten seconds for the whole hook.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// The time after [`LOOK_TIMEOUT`] to store what was found, before the hook goes on without it.
const GRACE: Duration = Duration::from_millis(500);

/// The snapshot of a run, in the folder of the run.
#[derive(Clone, Debug)]
pub(crate) struct WorkTreeSnapshot {
    folder: PathBuf,
}

impl WorkTreeSnapshot {
    /// The snapshot of the run that has this folder.
    pub(crate) const fn of_run(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Takes a snapshot of work trees before a command. Returns what earlier commands changed whose end was not
    /// reported. `unchecked` are reasons that are known already. It returns in time even when a disk or git takes too
    /// long.
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
            // Without the states before there is nothing to compare with: why they are missing is reported at once.
            snapshot.write(&now)?;
            running.settle();
            seen.extend(unchecked);
            running.begin(call, seen)?;
            Ok(diff)
        })
    }

    /// The changes since the command began, or since the last snapshot during it. The result is `None` for an unknown
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

    /// The changes of commands whose end was not reported. With `is_last` the agent is done, so that none of them still
    /// runs.
    pub(crate) fn left_over(&self, is_last: bool) -> SnapshotDiff {
        // Most hooks find none, and need not take the lock.
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

    /// Forgets a command that does not run after all.
    pub(crate) fn cancel(&self, call: &str) {
        let call = call.to_owned();
        self.with_deadline(move |snapshot, _| {
            let mut running = RunningCommands::lock(&snapshot.folder)?;
            running.end(&call);
            running.write()?;
            Ok(SnapshotDiff::default())
        });
    }

    /// Whether this is the first call with that name in the whole run.
    pub(crate) fn is_first(&self, note: &str) -> bool {
        atomic::make_private_folder(&self.folder).is_ok()
            && fs::File::create_new(self.folder.join(format!("shell.{note}"))).is_ok()
    }

    /// Compares with the last snapshot. Where commands still run, the present state becomes the next snapshot.
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

    /// Reads the states of work trees, those of the last snapshot included where running commands need them. Returns
    /// the reasons why parts could not be read, too.
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
        // First all files, then their contents: reading those may take longer than there is time for.
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

    /// Stores states. They are not synced to disk: after a crash of the machine no command from before it runs.
    fn write(&self, states: &[TreeState]) -> Result<(), String> {
        let text =
            serde_json::to_vec(states).map_err(|error| format!("what was there cannot be noted: {error}"))?;
        replace(&self.file(), &text)
    }

    /// Does the work in a thread, and waits for it until [`GRACE`] after its deadline.
    fn with_deadline(
        &self,
        work: impl FnOnce(&Self, Instant) -> Result<SnapshotDiff, String> + Send + 'static,
    ) -> SnapshotDiff {
        let (sender, receiver) = mpsc::sync_channel(1);
        let snapshot = self.clone();
        let end = Instant::now() + LOOK_TIMEOUT;
        thread::spawn(move || {
            let diff = work(&snapshot, end).unwrap_or_else(SnapshotDiff::unchecked);
            // The hook may have gone on without it.
            let _ = sender.send(diff);
        });
        receiver.recv_timeout(LOOK_TIMEOUT + GRACE).unwrap_or_else(|_| {
            SnapshotDiff::unchecked(format!("it took more than {} s", LOOK_TIMEOUT.as_secs()))
        })
    }
}
