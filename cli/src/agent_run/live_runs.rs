//! The runs of a project whose processes are alive. Any command of the user may have written their records, so each is
//! compared with the process that it names, and reading them never blocks.

use super::{Process, Processes, RunKey, RunRecords, record::entries};
use uuid::Uuid;

/// Runs that are read at most. They are stored for a week, and nobody starts a thousand a day.
const MOST_RUNS: usize = 10_000;

/// A run in one project whose process is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveRun {
    /// The process that the run lives in.
    pub(crate) owner: Process,
    /// The session that it acts as.
    pub(crate) session: Uuid,
    /// Whether it is an agent's run, and not that of a terminal.
    pub(crate) is_agent: bool,
}

impl RunRecords {
    /// The runs of a project that have a session and whose process is alive. A process with a reused id does not count.
    pub(crate) fn live_runs(&self, project: Uuid) -> Vec<LiveRun> {
        let mut processes = Processes::default();
        let folders = entries(&self.folder).into_iter().take(MOST_RUNS);
        let keys = folders.filter_map(|folder| RunKey::of_folder(&folder.file_name()?.to_string_lossy()));
        let living = keys.filter_map(|key| {
            let record = self.read(&key, project).filter(|record| !record.session_id.is_nil())?;
            let owner = record.owner.filter(|owner| processes.lives(*owner))?;
            Some(LiveRun { owner, session: record.session_id, is_agent: key.is_of_agent() })
        });
        living.collect()
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent_run::RunRecord;
    use std::{fs, process::Command};

    #[test]
    fn a_record_counts_while_its_very_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let project = Uuid::from_u128(7);
        let own = Processes::default().find(std::process::id()).unwrap();
        let reused = Process { started: own.started + 7, ..own };
        let kept = |key: &str, owner: Option<Process>, session: u128| {
            let mut record = RunRecord::new("an-agent".to_owned());
            record.owner = owner;
            record.session_id = Uuid::from_u128(session);
            records.change(&RunKey::parse(key).unwrap(), project, |_| Some(record)).unwrap();
        };
        kept("claude:lives", Some(own), 1);
        kept("terminal:lives", Some(own), 2);
        kept("claude:reused", Some(reused), 3);
        kept("claude:nowhere", None, 4);
        kept("claude:nobody", Some(own), 0);
        // Nobody writes to it, ever.
        let pipe = records.file_of(&RunKey::parse("claude:pipe").unwrap(), project);
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut living = records.live_runs(project);
        living.sort_by_key(|run| run.session);
        let expected = [(1, true), (2, false)].map(|(session, is_agent)| LiveRun {
            owner: own,
            session: Uuid::from_u128(session),
            is_agent,
        });
        assert_eq!(living, expected);
    }
}
