//! Asks every oracle about an episode: what clients saw against the log, the answers of the rules against the model,
//! the feeds of all nodes and of the follower, the lengths of leases, and the holders of each path by themselves.

use super::{
    follower::FOLLOWER,
    log::{FolderContent, replay},
    nemesis::MAX_PPM,
};
use nexus_oracles::{
    Violation,
    history::{Ask, Beat, Operation, Record, SeenEvent, SessionEnd},
    model::Model,
    order::{LeaseTolerance, LoggedEntry, check_against_log, check_leases, check_node_streams},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The error of a time that a client measures, beside the rates of clocks.
const ERROR_US: u64 = 1_000;

/// The judgement of all oracles, with what they looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judgement {
    /// The promises that were broken.
    pub violations: Vec<String>,
    /// The operations of clients.
    pub operations: usize,
    /// Those that were carried out or refused.
    pub answered: usize,
    /// The entries of the log, if a node has all of it: otherwise nothing is compared with it.
    pub entries: Option<usize>,
    /// The entries whose answers the model has compared, and those that it does not know.
    pub modelled: (u64, u64),
    /// The beats and the ends of leases that were compared.
    pub leases: (usize, usize),
    /// The events of the longest feed, and those that the follower saw.
    pub events: (usize, usize),
}

/// The parts of a history.
#[derive(Default)]
struct Parts {
    operations: Vec<Operation>,
    beats: Vec<Beat>,
    ends: Vec<SessionEnd>,
    followed: Vec<SeenEvent>,
}

impl Parts {
    fn of(records: &[Record]) -> Self {
        let mut parts = Self::default();
        for record in records {
            match record {
                Record::Operation(operation) => parts.operations.push(operation.clone()),
                Record::Beat(beat) => parts.beats.push(beat.clone()),
                Record::SessionEnd(end) => parts.ends.push(end.clone()),
                Record::Event { node: FOLLOWER, event } => parts.followed.push(event.clone()),
                Record::Event { .. } | Record::Run(_) | Record::Fault { .. } => {}
            }
        }
        parts
    }
}

/// Judges an episode by what was seen and by what its nodes have on their disks.
pub fn judge(records: &[Record], folders: &[FolderContent]) -> Judgement {
    let parts = Parts::of(records);
    let mut violations: Vec<Violation> = Vec::new();
    let mut judgement = Judgement {
        operations: parts.operations.len(),
        answered: parts.operations.iter().filter(|operation| operation.answered().is_some()).count(),
        ..Judgement::default()
    };
    for (at, folder) in folders.iter().enumerate() {
        if let Some(broken) = &folder.broken {
            let message = format!("node {}: {broken}", at + 1);
            violations.push(Violation::new("state", "the state does not contradict itself", message));
        }
    }
    let seen: BTreeSet<(u64, u64)> = folders.iter().map(|folder| (folder.applied, folder.hash)).collect();
    if seen.len() != 1 {
        let message = format!("the last applied entries and hashes are {seen:?}");
        violations.push(Violation::new("state", "all nodes have the same state", message));
    }
    if let Some(log) = folders.iter().filter_map(|folder| folder.log.as_ref()).max_by_key(|log| log.len()) {
        let replayed = replay(log);
        let logged: Vec<LoggedEntry> = replayed
            .iter()
            .map(|entry| {
                let logged = LoggedEntry::of(entry.revision, &entry.proposal, &entry.answer);
                LoggedEntry { identity: logged.identity.map(without_fingerprint), ..logged }
            })
            .collect();
        violations.extend(check_against_log(&parts.operations, &logged));
        let mut model = Model::new();
        for entry in &replayed {
            violations.extend(model.step(entry.revision, &entry.proposal, Some(&entry.answer)).violations);
        }
        judgement.modelled = (model.checked(), model.uncovered_commands().values().sum());
        judgement.entries = Some(log.len());
    }
    let streams: BTreeMap<u64, Vec<SeenEvent>> =
        folders.iter().enumerate().map(|(at, folder)| (at as u64 + 1, folder.events.clone())).collect();
    violations.extend(check_node_streams(&streams, None, true));
    let longest = folders.iter().map(|folder| &folder.events).max_by_key(|events| events.len());
    if let Some(events) = longest {
        judgement.events = (events.len(), parts.followed.len());
        violations.extend(followed_wrongly(&parts, records, events));
    }
    let tolerance = LeaseTolerance { drift_ppm: 2 * MAX_PPM.unsigned_abs(), error_us: ERROR_US };
    let ends = unasked(&parts);
    judgement.leases = (parts.beats.len(), ends.len());
    violations.extend(check_leases(&parts.beats, &ends, tolerance));
    judgement.violations = violations.iter().map(ToString::to_string).collect();
    judgement
}

/// The identity of a request as its client knows it: the node adds a digest of the request.
fn without_fingerprint(identity: String) -> String {
    identity.split('#').next().map(str::to_owned).unwrap_or(identity)
}

/// The ends of sessions that nobody has asked for.
fn unasked(parts: &Parts) -> Vec<SessionEnd> {
    let ended = parts.operations.iter().filter(|operation| matches!(operation.ask, Ask::EndSession));
    let ended: BTreeSet<&str> = ended.filter_map(|operation| operation.session.as_deref()).collect();
    parts.ends.iter().filter(|end| !ended.contains(end.session.as_str())).cloned().collect()
}

/// Compares what the follower saw with the events of a node: of its project, each once, in order, and none left out.
fn followed_wrongly(parts: &Parts, records: &[Record], events: &[SeenEvent]) -> Vec<Violation> {
    let place = |event: &SeenEvent| (event.revision, event.seq);
    let followed: Vec<_> = parts.followed.iter().map(place).collect();
    let mut violations = Vec::new();
    if !followed.is_sorted() {
        let message = "the follower saw an event after a later one".to_owned();
        violations.push(Violation::new("streams", "events come once and in order", message));
    }
    let project = records.iter().find_map(|record| match record {
        Record::Operation(operation) => operation.project.clone(),
        _ => None,
    });
    let (Some(project), Some(first), Some(last)) = (project, followed.first(), followed.last()) else {
        return violations;
    };
    let is_of_project = |event: &&SeenEvent| event.text.contains(&project);
    let expected: BTreeSet<_> = events
        .iter()
        .filter(|event| (*first..=*last).contains(&place(event)))
        .filter(is_of_project)
        .map(place)
        .collect();
    let followed: BTreeSet<_> = followed.iter().copied().collect();
    let (lacking, alone) = (expected.difference(&followed).count(), followed.difference(&expected).count());
    if lacking + alone > 0 {
        let some: Vec<_> = expected.symmetric_difference(&followed).take(5).collect();
        let message =
            format!("the follower lacks {lacking} events and has {alone} that no node has: {some:?}");
        violations.push(Violation::new("streams", "no event is missing", message));
    }
    violations
}
