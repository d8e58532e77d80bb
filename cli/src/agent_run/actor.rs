//! The run that a command belongs to: the one that is named, else the one that lives in a process above the command,
//! else the terminal's. Sends no request.

use super::{
    Process, RunKey, RunRecords, TERMINAL, inherited, owner,
    process::{Ancestor, Processes},
};
use crate::{error::Error, hosts::HOSTS};
use std::io::IsTerminal;
use uuid::Uuid;

/// The value of `--session` that means the engineer's default session, and no run.
const NOBODY: &str = "none";

/// The identity with which a command acts in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A session by its id, which something else keeps alive.
    Session(Uuid),
    /// A run, whose session is looked up or started.
    AgentRun {
        /// The key of the run.
        key: RunKey,
        /// The process that it lives in, where that is known.
        owner: Option<Process>,
    },
    /// The engineer, in the default session: there is neither a terminal nor an agent.
    Engineer,
}

impl Actor {
    /// The run, or the session, that was named.
    ///
    /// # Errors
    /// When the text names neither.
    pub(crate) fn named(text: &str, records: &RunRecords) -> Result<Self, Error> {
        if text == NOBODY {
            return Ok(Self::Engineer);
        }
        if let Ok(id) = text.parse() {
            let key = RunKey::of_session(id);
            return Ok(if records.folder_of(&key).exists() {
                Self::AgentRun { key, owner: None }
            } else {
                Self::Session(id)
            });
        }
        let key = RunKey::parse(text).ok_or_else(|| {
            Error::misused(format!("{text:?} is no session's id")).hint(
                "a session's id is a UUID, as nexus status --json lists them; an agent's own is HOST:ID, as in claude:1f3a…",
            )
        })?;
        Ok(Self::AgentRun { key, owner: None })
    }

    /// The run that this command belongs to.
    pub(crate) fn here(records: &RunRecords) -> Self {
        let mut processes = Processes::default();
        let ancestors = processes.ancestors();
        if let Some(key) = inherited::run_key(|key| records.folder_of(key).exists()) {
            return Self::inherited(key, &ancestors, records);
        }
        let terminal = processes.terminal();
        // A run that lives as long as a terminal is not the person who types there.
        let typed_in =
            terminal.as_ref().filter(|leader| std::io::stdin().is_terminal() && !owner::is_host(leader));
        let is_agents = |run: &Self| match run {
            Self::AgentRun { key, owner } => {
                key.kind() == TERMINAL || *owner != typed_in.map(|leader| leader.process)
            }
            _ => true,
        };
        if let Some(run) =
            recorded(&ancestors, records).filter(is_agents).or_else(|| by_program_name(&ancestors))
        {
            return run;
        }
        let is_typed = ancestors.iter().any(Ancestor::is_interactive_shell);
        let is_for_work =
            |leader: &Ancestor| is_typed || !leader.is_shell_with_command() || owner::is_settled(leader);
        // A terminal that was opened for one command is over with it.
        match terminal.filter(is_for_work) {
            Some(Ancestor { process, .. }) => {
                Self::AgentRun { key: RunKey::of_process(TERMINAL, process), owner: Some(process) }
            }
            None => Self::Engineer,
        }
    }

    /// The run whose key the environment has, unless another agent was started in between: it inherits the variable,
    /// but is a run of its own.
    fn inherited(key: RunKey, ancestors: &[Ancestor], records: &RunRecords) -> Self {
        let owner = records.owner_of(&key);
        let at = ancestors.iter().position(|ancestor| Some(ancestor.process) == owner).unwrap_or_default();
        let between = &ancestors[..at];
        let other =
            |run: &Self| matches!(run, Self::AgentRun { key: other, .. } if other.kind() != key.kind());
        recorded(between, records)
            .or_else(|| by_program_name(between).filter(other))
            .unwrap_or(Self::AgentRun { key, owner })
    }

    /// The run of a host's own session id, for a command that the host itself started, or that was started by hand.
    pub(crate) fn of_host(host: &str, session: &str, records: &RunRecords) -> Option<Self> {
        let key = RunKey::of_host(host, session)?;
        let mut processes = Processes::default();
        let ancestors = processes.ancestors();
        let bound = records.owner_of(&key);
        Some(Self::AgentRun { key, owner: owner::find(&ancestors, bound, &mut processes) })
    }

    /// Whether it is a run that lives in the process of an agent host.
    pub(crate) fn lives_in_host(&self) -> bool {
        matches!(self, Self::AgentRun { owner: Some(process), .. }
            if owner::is_host_process(*process, &mut Processes::default()))
    }
}

/// The run that has a record in the nearest of these processes.
fn recorded(ancestors: &[Ancestor], records: &RunRecords) -> Option<Actor> {
    let line: Vec<Process> = ancestors.iter().map(|ancestor| ancestor.process).collect();
    let (key, owner) = records.run_in_nearest(&line)?;
    Some(Actor::AgentRun { key, owner: Some(owner) })
}

/// The run of the nearest process whose name is that of an agent.
fn by_program_name(ancestors: &[Ancestor]) -> Option<Actor> {
    ancestors.iter().find_map(|ancestor| {
        let host = HOSTS.iter().find(|host| ancestor.is_called(host.program))?;
        let key = RunKey::of_process(host.program, ancestor.process);
        Some(Actor::AgentRun { key, owner: Some(ancestor.process) })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent_run::RunRecord;
    use uuid::Uuid;

    fn process(pid: u32) -> Process {
        Process { pid, started: 1 }
    }

    fn begun(records: &RunRecords, key: &str, pid: u32) -> RunKey {
        let key = RunKey::parse(key).unwrap();
        let mut record = RunRecord::new("an-agent".to_owned());
        record.bind(process(pid));
        records.change(&key, Uuid::from_u128(7), |_| Some(record)).unwrap();
        key
    }

    #[test]
    fn two_conversations_in_one_process_differ_by_their_inherited_name() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let one = begun(&records, "claude:one", 10);
        begun(&records, "claude:two", 10);
        let line = [Ancestor::new(process(30), "bash"), Ancestor::new(process(10), "claude")];
        let run = Actor::inherited(one.clone(), &line, &records);
        assert_eq!(run, Actor::AgentRun { key: one, owner: Some(process(10)) });
    }

    #[test]
    fn an_agent_that_another_one_started_is_itself() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let outer = begun(&records, "claude:outer", 10);
        let inner = begun(&records, "claude:inner", 20);
        let line = |name| {
            [(40, "bash"), (20, name), (15, "bash"), (10, "claude")]
                .map(|(pid, name)| Ancestor::new(process(pid), name))
        };
        let run = Actor::inherited(outer.clone(), &line("claude"), &records);
        assert_eq!(run, Actor::AgentRun { key: inner.clone(), owner: Some(process(20)) });
        // An agent without a record is known by the name of its program.
        records.change(&inner, Uuid::from_u128(7), |_| None).unwrap();
        let run = Actor::inherited(outer.clone(), &line("gemini"), &records);
        assert_eq!(
            run,
            Actor::AgentRun { key: RunKey::of_process("gemini", process(20)), owner: Some(process(20)) }
        );
        // A helper of the same name is the agent itself.
        let run = Actor::inherited(outer.clone(), &line("claude"), &records);
        assert_eq!(run, Actor::AgentRun { key: outer, owner: Some(process(10)) });
    }
}
