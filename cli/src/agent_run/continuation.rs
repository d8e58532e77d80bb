//! A run that goes on under another key in the same process: its host cleared the conversation, or resumed or branched
//! off an earlier one. It is the same agent, so it keeps what it holds, in every project.

use super::{Actor, Process, RunRecord, RunRecords, process::Processes};
use crate::error::Error;

/// Transfers the records of the run that lived in this actor's process to the actor's key.
///
/// # Errors
/// When a record cannot be written. Records that were not transferred yet stay as they were.
pub(crate) fn continue_as(records: &RunRecords, actor: &Actor) -> Result<(), Error> {
    let Actor::AgentRun { key, owner: Some(owner) } = actor else { return Ok(()) };
    // Only in the very process: an agent that another one started is another run.
    let Some((before, _)) = records.run_in_nearest(&[*owner]) else { return Ok(()) };
    if before == *key || before.kind() != key.kind() {
        return Ok(());
    }
    for project in records.projects_of(&before) {
        if records.read(key, project).is_none_or(|own| is_over(&own, *owner)) {
            records.transfer(&before, key, project)?;
        }
    }
    Ok(())
}

/// Whether a run is over: its process is gone, or it is a conversation in this process whose lease has passed.
fn is_over(own: &RunRecord, owner: Process) -> bool {
    match own.owner {
        Some(of) if of == owner => !own.is_fresh(),
        Some(of) => !Processes::default().lives(of),
        None => !own.is_fresh(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::agent_run::RunKey;
    use uuid::Uuid;

    const PROJECT: Uuid = Uuid::from_u128(7);
    const OTHER: Uuid = Uuid::from_u128(8);

    fn own() -> Process {
        Processes::default().find(std::process::id()).unwrap()
    }

    fn gone() -> Process {
        let own = own();
        Process { started: own.started + 7, ..own }
    }

    fn begun(records: &RunRecords, name: &str, project: Uuid, owner: Process, session: u128) -> RunKey {
        let key = RunKey::parse(name).unwrap();
        let mut record = RunRecord::new(format!("agent-{session}"));
        record.session_id = Uuid::from_u128(session);
        record.bind(owner);
        record.renew_lease(90_000);
        records.change(&key, project, |_| Some(record)).unwrap();
        key
    }

    fn session(records: &RunRecords, key: &RunKey, project: Uuid) -> Option<u128> {
        records.read(key, project).map(|record| record.session_id.as_u128())
    }

    fn goes_on(records: &RunRecords, name: &str, owner: Process) -> RunKey {
        let key = RunKey::parse(name).unwrap();
        continue_as(records, &Actor::AgentRun { key: key.clone(), owner: Some(owner) }).unwrap();
        key
    }

    #[test]
    fn a_run_goes_on_under_another_name_and_back_again_in_all_its_projects() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let one = begun(&records, "claude:one", PROJECT, own(), 1);
        begun(&records, "claude:one", OTHER, own(), 2);
        let two = goes_on(&records, "claude:two", own());
        assert_eq!((session(&records, &two, PROJECT), session(&records, &two, OTHER)), (Some(1), Some(2)));
        assert_eq!((session(&records, &one, PROJECT), session(&records, &one, OTHER)), (None, None));
        goes_on(&records, "claude:one", own());
        assert_eq!((session(&records, &one, PROJECT), session(&records, &two, PROJECT)), (Some(1), None));
    }

    #[test]
    fn a_conversation_of_a_process_that_is_gone_is_taken_up_with_what_its_successor_holds() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let old = begun(&records, "claude:old", PROJECT, gone(), 1);
        let now = begun(&records, "claude:now", PROJECT, own(), 2);
        goes_on(&records, "claude:old", own());
        assert_eq!((session(&records, &old, PROJECT), session(&records, &now, PROJECT)), (Some(2), None));
    }

    #[test]
    fn nobody_else_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let records = RunRecords::in_folder(folder.path().to_owned());
        let outer = begun(&records, "claude:outer", PROJECT, own(), 1);
        // In another process, as another program, and what is another conversation that lives.
        let inner = goes_on(&records, "claude:inner", gone());
        let codex = goes_on(&records, "codex:inner", own());
        assert_eq!((session(&records, &inner, PROJECT), session(&records, &codex, PROJECT)), (None, None));
        let beside = begun(&records, "claude:beside", PROJECT, own(), 2);
        goes_on(&records, "claude:outer", own());
        assert_eq!(
            (session(&records, &outer, PROJECT), session(&records, &beside, PROJECT)),
            (Some(1), Some(2))
        );
    }
}
