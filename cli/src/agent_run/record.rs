//! The record of a run in a project: `runs/<run>/<project>.json` in the engineer's folder for Nexus. A run writes its
//! own folder alone, and a record is changed under its lock.

use super::{LostClaim, Process, RunKey, journal_file::is_journal, process::Processes};
use crate::{
    config::{atomic, home},
    confined::read_bounded,
    error::Error,
};
use nexus_api_types::session::{Metadata, Session};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// Records are deleted this long after their last change. Until then `nexus resume` can show what the run lost.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);

/// A run without a known process is over when its files did not change for this long.
const MAX_SILENCE: Duration = Duration::from_secs(86_400);

/// Lost claims that a record keeps, the latest ones: nobody reads more than fifty.
const MAX_LOST: usize = 50;

/// The longest record that is read: [`MAX_LOST`] texts, and some numbers.
const MAX_BYTES: u64 = 1 << 20;

/// The stored data of a run in one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRecord {
    /// The session that the run acts as; nil before the first one.
    pub(crate) session_id: Uuid,
    /// The name of its agent, which others see. No other run has the same.
    pub(crate) agent: String,
    /// The process that the run lives in.
    #[serde(default)]
    pub(crate) owner: Option<Process>,
    /// When the run was last bound to its process, in milliseconds of the Unix epoch.
    #[serde(default)]
    pub(crate) bound_at: u64,
    /// Counts the commands that claimed something for this run. A keep-alive process that saw fewer has to ask again
    /// what the session holds.
    #[serde(rename = "taken", default)]
    pub(crate) claim_generation: u64,
    /// The [`claim_generation`](Self::claim_generation) whose claims the keep-alive process has seen.
    #[serde(rename = "kept", default)]
    pub(crate) seen_claim_generation: u64,
    /// When the session was last known to live, in milliseconds of the Unix epoch.
    #[serde(default)]
    pub(crate) seen_at: u64,
    /// How long the session lives without a heartbeat, in milliseconds.
    #[serde(default)]
    pub(crate) lease_ms: u64,
    /// The folder, the branch and the name of the run, which a new session of it is started with.
    #[serde(default)]
    pub(crate) metadata: Metadata,
    /// Lost claims that could not be made again, until they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<LostClaim>,
}

impl RunRecord {
    /// The record of a run before its first session; `agent` is the name that it gets.
    pub(crate) const fn new(agent: String) -> Self {
        Self {
            session_id: Uuid::nil(),
            agent,
            owner: None,
            bound_at: 0,
            claim_generation: 0,
            seen_claim_generation: 0,
            seen_at: 0,
            lease_ms: 0,
            metadata: Metadata { git_branch: None, working_dir: None, client_version: None, name: None },
            lost: Vec::new(),
        }
    }

    /// The run acts as this session, which the cluster has just answered.
    pub(crate) fn set_session(&mut self, session: &Session) {
        self.session_id = session.id;
        self.metadata = session.metadata.clone();
        self.renew_lease(lease_ms(session));
    }

    /// The session is alive now, and stays so for `lease_ms` without a heartbeat.
    pub(crate) fn renew_lease(&mut self, lease_ms: u64) {
        self.seen_at = now_ms();
        self.lease_ms = lease_ms;
    }

    /// Whether the session is surely alive: its lease has not passed since it was last seen. Not if the wall clock was
    /// set back meanwhile.
    pub(crate) fn is_fresh(&self) -> bool {
        now_ms().checked_sub(self.seen_at).is_some_and(|gone| gone < self.lease_ms)
    }

    /// The same record, after which the cluster is asked whether the session is alive before anything is done as it.
    pub(crate) fn with_stale_lease(mut self) -> Self {
        self.renew_lease(0);
        self
    }

    /// The run lives in this process from now on.
    pub(crate) fn bind(&mut self, owner: Process) {
        self.owner = Some(owner);
        self.bound_at = now_ms();
    }

    /// Remembers what could not be claimed again.
    pub(crate) fn add_lost_claim(&mut self, lost: LostClaim) {
        self.lost.retain(|known| (known.is_feature, &known.what) != (lost.is_feature, &lost.what));
        self.lost.push(lost);
        let over = self.lost.len().saturating_sub(MAX_LOST);
        self.lost.drain(..over);
    }
}

/// The records of all runs of this engineer on this machine.
#[derive(Clone, Debug)]
pub(crate) struct RunRecords {
    pub(super) folder: PathBuf,
}

impl RunRecords {
    /// The records in the engineer's own folder.
    ///
    /// # Errors
    /// When there is no home folder.
    pub(crate) fn locate() -> Result<Self, Error> {
        Ok(Self { folder: home::of_profile()?.join("runs") })
    }

    /// The records in this folder.
    #[cfg(test)]
    pub(super) const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder of a run, where its journal and its snapshots are stored, too.
    pub(crate) fn folder_of(&self, key: &RunKey) -> PathBuf {
        self.folder.join(key.folder_name())
    }

    /// The file of a run's record. Files that belong to it have the same name with another extension.
    pub(crate) fn file_of(&self, key: &RunKey, project: Uuid) -> PathBuf {
        self.folder_of(key).join(format!("{project}.json"))
    }

    /// The record of a run; none where there is none, or the file is damaged.
    pub(crate) fn read(&self, key: &RunKey, project: Uuid) -> Option<RunRecord> {
        read(&self.file_of(key, project))
    }

    /// Replaces a record by what `change` makes of it, and removes it where that is none. Returns the new one.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was.
    pub(crate) fn change(
        &self,
        key: &RunKey,
        project: Uuid,
        change: impl FnOnce(Option<RunRecord>) -> Option<RunRecord>,
    ) -> Result<Option<RunRecord>, Error> {
        let file = self.file_of(key, project);
        change_file(&file, change)
            .map_err(|error| Error::local(format!("cannot write {}: {error}", file.display())))
    }

    /// The run that lives in the nearest of these processes, with that process. If there are several in one process, it
    /// is the one that was bound last.
    pub(crate) fn run_in_nearest(&self, processes: &[Process]) -> Option<(RunKey, Process)> {
        let mut best: Option<(usize, u64, RunKey)> = None;
        for (key, record) in self.all() {
            let Some(owner) = record.owner else { continue };
            let Some(at) = processes.iter().position(|process| *process == owner) else { continue };
            let is_better = best.as_ref().is_none_or(|(nearest, bound_at, _)| {
                at < *nearest || (at == *nearest && record.bound_at > *bound_at)
            });
            if is_better {
                best = Some((at, record.bound_at, key));
            }
        }
        best.map(|(at, _, key)| (key, processes[at]))
    }

    /// The process that a run lives in, by the record that was bound last in any project.
    pub(super) fn owner_of(&self, key: &RunKey) -> Option<Process> {
        let files = entries(&self.folder_of(key));
        let records = files.iter().filter(|file| is_record(file)).filter_map(|file| read(file));
        records.max_by_key(|record| record.bound_at)?.owner
    }

    /// The run that acts as this session, if there is one.
    pub(crate) fn of_session(&self, session: Uuid, project: Uuid) -> Option<RunKey> {
        let folders = entries(&self.folder);
        let keys =
            folders.iter().filter_map(|folder| RunKey::of_folder(&folder.file_name()?.to_string_lossy()));
        keys.into_iter()
            .find(|key| self.read(key, project).is_some_and(|record| record.session_id == session))
    }

    /// Moves a record to another run, with all that its session holds. No two runs ever name the same session for long,
    /// or two processes would keep it alive.
    ///
    /// # Errors
    /// When it cannot be written; then nothing has changed.
    pub(crate) fn transfer(&self, from: &RunKey, to: &RunKey, project: Uuid) -> Result<(), Error> {
        let mut failed = None;
        // First the new one: a keep-alive process that finds its record gone looks for the run that has the session
        // now.
        self.change(from, project, |record| {
            let record = record?;
            // The losses of the other one are still to be shown.
            let moved = self.change(to, project, |before| {
                let mut record = record.clone();
                before
                    .into_iter()
                    .flat_map(|before| before.lost)
                    .for_each(|lost| record.add_lost_claim(lost));
                Some(record)
            });
            failed = moved.err();
            failed.is_some().then_some(record)
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// The projects in which there is a record of a run.
    pub(super) fn projects_of(&self, key: &RunKey) -> Vec<Uuid> {
        let files = entries(&self.folder_of(key));
        let records = files.iter().filter(|file| is_record(file));
        records.filter_map(|file| file.file_stem()?.to_str()?.parse().ok()).collect()
    }

    fn all(&self) -> Vec<(RunKey, RunRecord)> {
        let mut found = Vec::new();
        for folder in entries(&self.folder) {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(key) = name.as_deref().and_then(RunKey::of_folder) else { continue };
            let files = entries(&folder);
            let records = files.iter().filter(|file| is_record(file));
            found.extend(records.filter_map(|file| Some((key.clone(), read(file)?))));
        }
        found
    }

    /// The folders of runs that have a file of this kind and are over in the project: their process is gone, or their
    /// session was ended.
    pub(crate) fn folders_of_ended_runs(
        &self,
        project: Uuid,
        is_of_kind: impl Fn(&Path) -> bool,
    ) -> Vec<PathBuf> {
        let mut processes = Processes::default();
        let mut is_over = |folder: &Path, key: &RunKey| match self.read(key, project) {
            Some(RunRecord { owner: Some(owner), .. }) => !processes.lives(owner),
            None if key.is_of_host() => true,
            _ => is_older(folder, MAX_SILENCE),
        };
        let mut found = Vec::new();
        for folder in entries(&self.folder) {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(key) = name.as_deref().and_then(RunKey::of_folder) else { continue };
            if entries(&folder).iter().any(|file| is_of_kind(file)) && is_over(&folder, &key) {
                found.push(folder);
            }
        }
        found
    }

    /// Deletes the folders of runs that did not change for a week, unless there is a journal in them.
    pub(crate) fn delete_old(&self) {
        for folder in entries(&self.folder) {
            if is_older(&folder, RETENTION) && !entries(&folder).iter().any(|file| is_journal(file)) {
                // Another command may do the same at this moment.
                let _ = fs::remove_dir_all(folder);
            }
        }
    }
}

/// Whether no file in a folder changed for this long.
fn is_older(folder: &Path, than: Duration) -> bool {
    let touched = entries(folder).iter().filter_map(|file| fs::metadata(file).ok()?.modified().ok()).max();
    touched.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > than)
}

/// How long a session lives without another heartbeat, in milliseconds.
pub(crate) fn lease_ms(session: &Session) -> u64 {
    let lease = session.expires_at.as_millis() - session.last_heartbeat.as_millis();
    u64::try_from(lease).unwrap_or_default()
}

/// Reads a record; none where there is none, or it is damaged. Never blocks, even where the file is a pipe.
pub(crate) fn read(file: &Path) -> Option<RunRecord> {
    serde_json::from_str(&read_bounded(file, MAX_BYTES).ok()?).ok()
}

/// Replaces a record under its lock.
pub(crate) fn change_file(
    file: &Path,
    change: impl FnOnce(Option<RunRecord>) -> Option<RunRecord>,
) -> io::Result<Option<RunRecord>> {
    if let Some(folder) = file.parent() {
        atomic::make_private_folder(folder)?;
    }
    let lock = File::create(file.with_extension("lock"))?;
    lock.lock()?;
    let before = read(file);
    let after = change(before.clone());
    match &after {
        Some(record) if before.as_ref() != Some(record) => {
            let text = serde_json::to_vec_pretty(record).expect("a record has only text keys");
            atomic::write(file, &text)?;
        }
        None if before.is_some() => fs::remove_file(file)?,
        _ => {}
    }
    Ok(after)
}

fn is_record(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "json")
}

pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(owner: Option<Process>, bound_at: u64) -> RunRecord {
        RunRecord {
            session_id: Uuid::from_u128(1),
            agent: "claude-1".to_owned(),
            owner,
            bound_at,
            claim_generation: 0,
            seen_claim_generation: 0,
            seen_at: now_ms(),
            lease_ms: 90_000,
            metadata: Metadata::default(),
            lost: Vec::new(),
        }
    }

    fn kept(records: &RunRecords, key: &str, record: RunRecord) -> RunKey {
        let key = RunKey::parse(key).unwrap();
        records.change(&key, Uuid::from_u128(7), |_| Some(record)).unwrap();
        key
    }

    #[test]
    fn a_command_finds_the_run_of_the_process_that_started_it() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let process = |pid| Process { pid, started: 5 };
        kept(&records, "claude:a", record(Some(process(10)), 1));
        let resumed = kept(&records, "claude:b", record(Some(process(10)), 2));
        let inner = kept(&records, "codex:c", record(Some(process(20)), 1));
        kept(&records, "session:d", record(None, 9));
        assert_eq!(records.run_in_nearest(&[process(30), process(10)]), Some((resumed, process(10))));
        assert_eq!(records.run_in_nearest(&[process(20), process(10)]), Some((inner, process(20))));
        assert_eq!(
            records.run_in_nearest(&[Process { pid: 10, started: 6 }]),
            None,
            "the number is used again"
        );
    }

    #[test]
    fn a_run_that_goes_on_under_another_name_leaves_one_record_of_its_session() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let project = Uuid::from_u128(7);
        let before = kept(&records, "claude:before", record(Some(Process { pid: 10, started: 5 }), 1));
        let after = RunKey::parse("claude:after").unwrap();
        records.transfer(&before, &after, project).unwrap();
        assert_eq!(records.read(&before, project), None);
        assert_eq!(records.of_session(Uuid::from_u128(1), project), Some(after.clone()));
        assert_eq!(records.owner_of(&after), Some(Process { pid: 10, started: 5 }));
        // There is nothing more to hand over, and what is there stays.
        records.transfer(&before, &after, project).unwrap();
        assert!(records.read(&after, project).is_some());
    }

    #[test]
    fn two_that_change_a_record_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let key = kept(&records, "claude:a", record(None, 0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let more = |before: Option<RunRecord>| {
                            before.map(|before| RunRecord { bound_at: before.bound_at + 1, ..before })
                        };
                        records.change(&key, Uuid::from_u128(7), more).unwrap();
                    }
                });
            }
        });
        assert_eq!(records.read(&key, Uuid::from_u128(7)).unwrap().bound_at, 40);
    }

    #[test]
    fn what_a_run_left_is_found_once_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let own = Processes::default().find(std::process::id()).unwrap();
        let gone = Process { started: own.started + 7, ..own };
        let left = |key: &RunKey| fs::write(records.folder_of(key).join("x.journal"), "x").unwrap();
        for key in [
            kept(&records, "claude:lives", record(Some(own), 1)),
            kept(&records, "claude:gone", record(Some(gone), 1)),
            kept(&records, "session:unknown", record(None, 1)),
            kept(&records, "codex:nothing", record(Some(gone), 1)),
        ] {
            if key.kind() != "codex" {
                left(&key);
            }
        }
        let ended = kept(&records, "claude:ended", record(Some(own), 1));
        left(&ended);
        records.change(&ended, Uuid::from_u128(7), |_| None).unwrap();
        let is_journal = |file: &Path| file.extension().is_some_and(|end| end == "journal");
        let mut found = records.folders_of_ended_runs(Uuid::from_u128(7), is_journal);
        found.sort();
        let expected =
            ["claude:ended", "claude:gone"].map(|key| records.folder_of(&RunKey::parse(key).unwrap()));
        assert_eq!(found, expected);
    }

    #[test]
    fn an_old_run_is_forgotten_unless_it_left_something() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let old = SystemTime::now() - RETENTION - Duration::from_secs(60);
        for (key, name) in [("claude:a", "x.started"), ("claude:b", "x.journal")] {
            let key = RunKey::parse(key).unwrap();
            fs::create_dir_all(records.folder_of(&key)).unwrap();
            let file = File::create(records.folder_of(&key).join(name)).unwrap();
            file.set_modified(old).unwrap();
        }
        records.delete_old();
        let left = |key: &str| records.folder_of(&RunKey::parse(key).unwrap()).exists();
        assert!(!left("claude:a") && left("claude:b"));
    }

    #[test]
    fn a_session_is_trusted_for_one_lease_and_no_clock_that_went_back() {
        let fresh = record(None, 0);
        assert!(fresh.is_fresh());
        assert!(!RunRecord { seen_at: now_ms() - 90_001, ..fresh.clone() }.is_fresh());
        assert!(!RunRecord { seen_at: now_ms() + 90_000, ..fresh }.is_fresh());
    }
}
