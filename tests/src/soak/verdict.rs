//! Asks every oracle about an episode: what clients saw against the log, the answers of the rules against the model,
//! the feeds of all nodes and of the follower, the lengths of leases, and the holders of each path by themselves.

use super::{
    agent::{GRACE_MS, LEASE_MS},
    log::{FolderContent, Replayed, replay},
    nemesis::MAX_PPM,
};
use nexus_domain::Reply;
use nexus_oracles::{
    Violation,
    history::{
        Ask, Beat, Held, LoggedEntry, Operation, OperationOutcome, Record, SeenEvent, SessionEnd,
        feature_name,
    },
    model::Model,
    order::{
        LeaseTolerance, check_against_log, check_holders, check_leases, check_node_streams, possible_ends,
    },
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How much shorter a lease may look to its holder: by the rates of clocks, and by how exactly a client measures.
pub const TOLERANCE: LeaseTolerance =
    LeaseTolerance { drift_ppm: 2 * MAX_PPM.unsigned_abs(), error_us: 1_000 };

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
    /// The features, paths and sessions that were judged without the log, and those that were left undecided.
    pub opinions: (usize, usize),
    /// The beats and the ends of leases that were compared.
    pub leases: (usize, usize),
    /// The events of the longest feed, and those that the follower saw.
    pub events: (usize, usize),
}

/// Everything that is known about an episode.
#[derive(Clone)]
pub struct Evidence {
    /// The records of clients and observers.
    pub records: Vec<Record>,
    /// The folders of the nodes.
    pub folders: Vec<FolderContent>,
    /// The log of a node that has all of it, with what the rules make of it.
    replayed: Option<Arc<[Replayed]>>,
}

impl Evidence {
    /// The evidence of an episode whose nodes have stopped. What oracles need beside it is added to the records, so
    /// that their file is enough to judge the episode again.
    pub fn new(mut records: Vec<Record>, folders: Vec<FolderContent>) -> Self {
        let logs = folders.iter().filter_map(|folder| folder.log.as_ref());
        let replayed: Option<Arc<[Replayed]>> =
            logs.max_by_key(|log| log.len()).map(|log| replay(log).into());
        let parts = Parts::of(&records);
        records.retain(|record| !matches!(record, Record::SessionEnd(_)));
        records.extend(unasked(&parts).into_iter().map(Record::SessionEnd));
        let ends = possible_ends(&parts.operations, (LEASE_MS + GRACE_MS) * 1_000, TOLERANCE);
        records.extend(ends.into_iter().map(Record::Operation));
        records.extend(replayed.iter().flat_map(|replayed| replayed.iter()).map(|entry| {
            let logged = LoggedEntry::of(entry.revision, &entry.proposal, &entry.answer);
            Record::Entry(LoggedEntry { identity: logged.identity.map(without_fingerprint), ..logged })
        }));
        for (at, folder) in folders.iter().enumerate() {
            let node = at as u64 + 1;
            records.extend(folder.events.iter().map(|event| Record::Event { node, event: event.clone() }));
        }
        Self { records, folders, replayed }
    }
}

/// The parts of a history.
#[derive(Default)]
struct Parts {
    operations: Vec<Operation>,
    beats: Vec<Beat>,
    ends: Vec<SessionEnd>,
    followed: Vec<SeenEvent>,
    log: Vec<LoggedEntry>,
}

impl Parts {
    fn of(records: &[Record]) -> Self {
        let mut parts = Self::default();
        for record in records {
            match record {
                Record::Operation(operation) => parts.operations.push(operation.clone()),
                Record::Beat(beat) => parts.beats.push(beat.clone()),
                Record::SessionEnd(end) => parts.ends.push(end.clone()),
                Record::Followed(event) => parts.followed.push(event.clone()),
                Record::Entry(entry) => parts.log.push(entry.clone()),
                Record::Event { .. } | Record::Run(_) | Record::Fault { .. } => {}
            }
        }
        parts
    }
}

/// Judges an episode.
pub fn judge(evidence: &Evidence) -> Judgement {
    let Evidence { records, folders, replayed } = evidence;
    let parts = Parts::of(records);
    let mut violations = contradictions(evidence);
    let opinion = check_holders(&parts.operations);
    violations.extend(opinion.violations);
    let mut model = Model::new();
    for entry in replayed.iter().flat_map(|replayed| replayed.iter()) {
        violations.extend(model.step(entry.revision, &entry.proposal, Some(&entry.answer)).violations);
    }
    Judgement {
        violations: violations.iter().map(ToString::to_string).collect(),
        // The ends that leases may have had are nobody's operations.
        operations: parts.operations.iter().filter(|operation| operation.node > 0).count(),
        answered: parts.operations.iter().filter(|operation| operation.answered().is_some()).count(),
        entries: replayed.as_ref().map(|replayed| replayed.len()),
        modelled: (model.checked(), model.uncovered_commands().values().sum()),
        opinions: (opinion.judged, opinion.undecided.len()),
        leases: (parts.beats.len(), parts.ends.len()),
        events: (longest(folders).len(), parts.followed.len()),
    }
}

/// Asks every oracle but the model and the second opinion, which take longest: the records and the folders of the
/// nodes must not contradict each other.
pub fn contradictions(Evidence { records, folders, replayed }: &Evidence) -> Vec<Violation> {
    let parts = Parts::of(records);
    let mut violations = wrong_states(folders);
    if let Some(replayed) = replayed {
        violations.extend(check_against_log(&parts.operations, &parts.log));
        violations.extend(wrong_grants(&parts.operations, replayed));
    }
    let streams: BTreeMap<u64, Vec<SeenEvent>> =
        folders.iter().enumerate().map(|(at, folder)| (at as u64 + 1, folder.events.clone())).collect();
    violations.extend(check_node_streams(&streams, None, true));
    violations.extend(followed_wrongly(&parts, records, longest(folders)));
    violations.extend(check_leases(&parts.beats, &parts.ends, TOLERANCE));
    violations
}

/// The events of the node that has most of them.
fn longest(folders: &[FolderContent]) -> &[SeenEvent] {
    folders
        .iter()
        .map(|folder| folder.events.as_slice())
        .max_by_key(|events| events.len())
        .unwrap_or_default()
}

/// States that contradict themselves or each other.
fn wrong_states(folders: &[FolderContent]) -> Vec<Violation> {
    let mut violations = Vec::new();
    // The nodes are stopped one after the other, so that one may have applied more than another one.
    let mut hashes: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (at, folder) in folders.iter().enumerate() {
        hashes.entry(folder.applied).or_default().insert(folder.hash);
        if let Some(broken) = &folder.broken {
            let message = format!("node {}: {broken}", at + 1);
            violations.push(Violation::new("state", "the state does not contradict itself", message));
        }
    }
    for (applied, hashes) in hashes.iter().filter(|(_, hashes)| hashes.len() > 1) {
        let message = format!("at index {applied} nodes have the hashes {hashes:?}");
        violations.push(Violation::new("state", "all nodes have the same state", message));
    }
    violations
}

/// Compares what the answers to picks and claims grant with what the log grants.
fn wrong_grants(operations: &[Operation], replayed: &[Replayed]) -> Vec<Violation> {
    let by_revision: BTreeMap<u64, &Replayed> =
        replayed.iter().map(|entry| (entry.revision.0, entry)).collect();
    let mut violations = Vec::new();
    for operation in operations {
        let OperationOutcome::Ok(answered) = &operation.outcome else { continue };
        let Some(revision) = answered.revision else { continue };
        let granted = by_revision.get(&revision).map(|entry| &entry.answer.outcome);
        let is_granted = match (&operation.ask, granted) {
            (Ask::Pick { .. } | Ask::PickNext, Some(Ok(Reply::Picked { feature, session }))) => {
                answered.held.first().is_some_and(|held| {
                    held.name == feature_name(feature.slug.as_str())
                        && held.by == Some(session.id.to_string())
                        && held.fence == Some(revision)
                })
            }
            (Ask::Claim { .. }, Some(Ok(Reply::Claimed(session)))) => {
                let is_own = |held: &Held| {
                    held.by == Some(session.id.to_string())
                        && held.fence.is_some_and(|fence| fence <= revision)
                };
                !answered.held.is_empty() && answered.held.iter().all(is_own)
            }
            (Ask::Pick { .. } | Ask::PickNext | Ask::Claim { .. }, _) => false,
            _ => true,
        };
        if !is_granted {
            let message = format!("{operation}, but index {revision} says {granted:?}");
            violations.push(Violation::new("order", "an answer grants what the log grants", message));
        }
    }
    violations
}

/// The identity of a request as its client knows it: the node adds a digest of the request.
fn without_fingerprint(identity: String) -> String {
    identity.split('#').next().map(str::to_owned).unwrap_or(identity)
}

/// The ends of sessions that nobody has asked for.
fn unasked(parts: &Parts) -> Vec<SessionEnd> {
    let may_have_ended = |operation: &&Operation| {
        matches!(operation.ask, Ask::EndSession)
            && matches!(operation.outcome, OperationOutcome::Ok(_) | OperationOutcome::Unknown)
    };
    let ended = parts.operations.iter().filter(may_have_ended);
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
