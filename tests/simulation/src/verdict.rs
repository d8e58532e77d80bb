//! Judges a run: writes down what the clients saw as a history, and asks every oracle.

use crate::{
    record::Record,
    rot::Doubt,
    team::{
        agent::session_of,
        ask::{self, Outcome, What},
        people::LEASE,
    },
    world::STEP,
};
use nexus_api::cluster::{self, WriteRequest};
use nexus_domain::{
    Answer, Command, Event, Recorded, Refusal, Reply, Revision, entity::ClaimMode, pattern::Pattern,
    reply_cache::Request,
};
use nexus_oracles::{
    Violation,
    history::{
        Answered, Ask, Beat, Consistency, Held, Operation, OperationOutcome, SeenEvent, SessionEnd,
        SessionEndKind, feature_name, identity_of,
    },
    model::Model,
    order::{LeaseTolerance, LoggedEntry, check_against_log, check_leases, check_node_streams},
};
use std::collections::BTreeMap;

/// The clocks of the nodes are this much wrong at most, in parts of a million, and two of them twice as much.
const DRIFT_PPM: u64 = 2 * crate::faults::MAX_PPM.unsigned_abs();

/// The judgement of all oracles on a run.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// The promises that it has broken.
    pub violations: Vec<Violation>,
    /// The entries that the model has compared, and those that it does not know.
    pub modelled: (u64, u64),
    /// The answers that a node with a wrong memory may have given, and that nobody is held to.
    pub doubted: u64,
}

/// Asks every oracle. `streams` are the events as each node has them. `doubt` says from when to when the memory of a
/// node was wrong.
pub fn judge(
    operations: &[ask::Operation],
    record: &Record,
    streams: &BTreeMap<u64, Vec<Recorded>>,
    doubt: Option<&Doubt>,
) -> Judgement {
    let operations = &doubt.map_or_else(|| operations.to_vec(), |doubt| undoubted(operations, record, doubt));
    let history: Vec<Operation> = operations.iter().map(operation).collect();
    let doubted = operations.iter().filter(|operation| matches!(operation.outcome, Some(Outcome::Doubted)));
    let mut judgement = Judgement { doubted: doubted.count() as u64, ..Judgement::default() };
    let log: Vec<LoggedEntry> = record
        .entries
        .iter()
        .map(|(index, entry)| LoggedEntry::of(*index, &entry.proposal, &entry.answer))
        .collect();
    judgement.violations.extend(check_against_log(&history, &log));
    judgement.violations.extend(unnamed_writes(operations, record));
    replay(record, &mut judgement);
    judgement.violations.extend(lacking_events(streams, record));
    judgement.violations.extend(wrong_pages(operations, record));
    let seen = |events: &Vec<Recorded>| events.iter().map(SeenEvent::of).collect::<Vec<_>>();
    let streams = streams.iter().map(|(node, events)| (*node, seen(events))).collect();
    // Nodes add the lists of features to the events that they send, so that only nodes are compared with each other.
    judgement.violations.extend(check_node_streams(&streams, None, true));
    let (beats, ends) = (beats(operations), ends(record));
    let tolerance = LeaseTolerance { drift_ppm: DRIFT_PPM, error_us: 2 * STEP * 1_000 };
    judgement.violations.extend(check_leases(&beats, &ends, tolerance));
    judgement
}

/// The operations without what a node with a wrong memory may have said, as long as it had not found that out: answers
/// that are not those of the log, and whether a session lives, if it led; pages of events, if it was asked itself.
/// Nobody is exempt from the order of real time: a read and a revision come from the log.
fn undoubted(operations: &[ask::Operation], record: &Record, doubt: &Doubt) -> Vec<ask::Operation> {
    let mut all = operations.to_vec();
    let ended = doubt.ended.unwrap_or(u64::MAX);
    for operation in &mut all {
        let overlaps = operation.called <= ended && operation.returned.unwrap_or(u64::MAX) >= doubt.began;
        let is_asked = operation.node == doubt.place;
        if !overlaps || !(is_asked || doubt.has_led) {
            continue;
        }
        let is_doubted = match &operation.outcome {
            Some(Outcome::Answered(answer, _)) => {
                let logged = record.entries.get(&answer.revision);
                !logged.is_some_and(|entry| is_same_answer(&entry.answer, answer))
            }
            Some(Outcome::Beat(_)) => doubt.has_led,
            Some(Outcome::Events(_)) => is_asked,
            _ => false,
        };
        if is_doubted {
            operation.outcome = Some(Outcome::Doubted);
        }
    }
    all
}

/// Lets the model say what each answer has to be.
fn replay(record: &Record, judgement: &mut Judgement) {
    let mut model = Model::new();
    for (revision, entry) in &record.entries {
        judgement.violations.extend(model.step(*revision, &entry.proposal, Some(&entry.answer)).violations);
    }
    judgement.modelled = (model.checked(), model.uncovered_commands().values().sum());
}

/// Compares what a client was sent of the feed, page by page, with the events that the entries had: nothing that was
/// not committed, and nothing left out.
fn wrong_pages(operations: &[ask::Operation], record: &Record) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in operations {
        let (What::Events(from), Some(Outcome::Events(page))) = (&operation.what, &operation.outcome) else {
            continue;
        };
        let from = (*from).max(page.oldest);
        let sent: Vec<_> = page.events.iter().map(|event| (event.revision, event.seq)).collect();
        if page.next < from {
            continue;
        }
        let entries = record.entries.range(from..page.next);
        let expected: Vec<_> = entries
            .flat_map(|(_, entry)| entry.events.iter().map(|event| (event.revision, event.seq)))
            .collect();
        if sent != expected {
            let message = format!(
                "node {} sent from {from} to {} at {} ms the events {sent:?}, and not {expected:?}",
                operation.node, page.next, operation.called
            );
            violations.push(Violation::new(
                "streams",
                "a page has every committed event and no other one",
                message,
            ));
        }
    }
    violations
}

/// Compares the events of each node with those that the entries had, by their positions and kinds. A node may lack the
/// beginning, which was pruned.
fn lacking_events(streams: &BTreeMap<u64, Vec<Recorded>>, record: &Record) -> Vec<Violation> {
    let place = |event: &Recorded| (event.revision, event.seq, std::mem::discriminant(&event.event));
    let last = streams.values().filter_map(|events| events.last()).map(|event| event.revision).max();
    let entries = record.entries.iter().filter(|(index, _)| Some(**index) <= last);
    let all: Vec<_> = entries.flat_map(|(_, entry)| entry.events.iter().map(place)).collect();
    let mut violations = Vec::new();
    for (node, events) in streams {
        let found: Vec<_> = events.iter().map(place).collect();
        if !all.ends_with(&found) || found.is_empty() && !all.is_empty() {
            let lacking = all.iter().filter(|event| !found.contains(event)).map(|(at, seq, _)| (at.0, *seq));
            let lacking: Vec<_> = lacking.collect();
            let message =
                format!("node {node} has {} events of {}, and lacks {lacking:?}", found.len(), all.len());
            violations.push(Violation::new("streams", "no event is missing", message));
        }
    }
    violations
}

/// Writes without a key: each is in the log once, with the answer that was given. The node names them, so that clients
/// do not know by which name; no two of a run are equal.
fn unnamed_writes(operations: &[ask::Operation], record: &Record) -> Vec<Violation> {
    let mut violations = Vec::new();
    for operation in operations {
        let What::Write(write) = &operation.what else { continue };
        if write.request.is_some() {
            continue;
        }
        let is_same = |entry: &&crate::record::Entry| {
            entry.proposal.command == write.command
                && (entry.proposal.actor, entry.proposal.acting) == (write.actor, write.acting)
        };
        let Some(Outcome::Answered(answer, _)) = &operation.outcome else { continue };
        let logged = record.entries.get(&answer.revision).filter(is_same);
        let is_logged = logged.is_some_and(|entry| is_same_answer(&entry.answer, answer));
        if !is_logged {
            let message = format!("{}: index {} has {logged:?}", shown(operation), answer.revision);
            violations.push(Violation::new("order", "an acknowledged write is in the log", message));
        }
        // Only a command with an id of its own is told from another one of the same client.
        if let Command::StartSession(_) | Command::CreateFeature(_) = write.command {
            // A node that sends it again gets the first answer.
            let took_effect = record
                .entries
                .iter()
                .filter(|(index, entry)| is_same(entry) && entry.answer.revision == **index);
            let indexes: Vec<u64> = took_effect.map(|(index, _)| index.0).collect();
            if indexes.len() > 1 {
                let message = format!("{} took effect at {indexes:?}", shown(operation));
                violations.push(Violation::new("order", "a write takes effect once", message));
            }
        }
    }
    violations
}

fn is_same_answer(logged: &Answer, given: &Answer) -> bool {
    logged.is_cut || given.is_cut || logged.outcome == given.outcome
}

fn shown(operation: &ask::Operation) -> String {
    let ask::Operation { agent, node, what, called, returned, .. } = operation;
    format!("agent {agent} asked node {node} at {called} ms, answered at {returned:?}: {what:?}")
}

fn micros(millis: u64) -> u64 {
    millis * 1_000
}

/// An operation as histories have it.
fn operation(from: &ask::Operation) -> Operation {
    let (ask, session, identity) = match &from.what {
        What::Write(write) => {
            let keyed = write.request.clone().map(|keyed| identity_of(&Request::Keyed(keyed)));
            (asked(write), session_of(write), keyed)
        }
        What::Read(consistency) => {
            let consistency = match consistency {
                cluster::Consistency::Linearizable => Consistency::Linearizable,
                cluster::Consistency::Stale => Consistency::Stale,
            };
            (Ask::Read { name: "state".to_owned(), consistency }, None, None)
        }
        What::Beat(session) => (Ask::Beat, Some(*session), None),
        What::Events(_) => {
            (Ask::Read { name: "events".to_owned(), consistency: Consistency::Stale }, None, None)
        }
    };
    let outcome = match &from.outcome {
        Some(Outcome::Answered(answer, _)) => answered(answer, &from.what),
        Some(Outcome::Read(revision)) => {
            OperationOutcome::Ok(Answered { revision: Some(revision.0), ..Answered::default() })
        }
        Some(Outcome::Beat(_) | Outcome::Events(_)) => OperationOutcome::Ok(Answered::default()),
        Some(Outcome::NotApplied) => OperationOutcome::NotApplied,
        Some(Outcome::Unknown | Outcome::Silence | Outcome::Doubted) | None => OperationOutcome::Unknown,
    };
    Operation {
        client: from.agent as u64,
        node: from.node as u64,
        node_start: Some(from.node_start),
        called_us: micros(from.called),
        returned_us: from.returned.map(micros),
        project: None,
        session: session.map(|session| session.to_string()),
        identity,
        ask,
        outcome,
    }
}

fn asked(write: &WriteRequest) -> Ask {
    let text = |paths: &[Pattern]| paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
    match &write.command {
        Command::PickFeature(pick) => Ask::Pick { feature: pick.slug.to_string() },
        Command::PickNext(_) => Ask::PickNext,
        Command::ReleaseFeature(release) => Ask::Release { feature: release.slug.to_string() },
        Command::CompleteFeature(complete) => Ask::Done { feature: complete.slug.to_string() },
        Command::ClaimPaths(claim) => Ask::Claim {
            paths: text(&claim.paths),
            exclusive: claim.mode == ClaimMode::Exclusive,
            feature: None,
        },
        Command::ReleasePaths(release) => Ask::Unclaim { paths: release.paths.as_deref().map(text) },
        Command::StartSession(_) => Ask::StartSession,
        Command::EndSession(_) => Ask::EndSession,
        other => Ask::Write { name: other.name().to_owned() },
    }
}

fn answered(answer: &Answer, what: &What) -> OperationOutcome {
    let held = match (&answer.outcome, what) {
        (Ok(reply), What::Write(write)) => held(reply, write, answer.revision),
        (Err(refusal), _) => in_the_way(refusal),
        _ => Vec::new(),
    };
    let found =
        Answered {
            revision: Some(answer.revision.0),
            code: answer.outcome.as_ref().err().map(|refusal| {
                format!("{refusal:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
            }),
            held,
            text: (!answer.is_cut).then(|| format!("{:?}", answer.outcome)),
        };
    if answer.outcome.is_ok() { OperationOutcome::Ok(found) } else { OperationOutcome::Refused(found) }
}

fn held(reply: &Reply, write: &WriteRequest, revision: Revision) -> Vec<Held> {
    let of =
        |name: String, by: String, exclusive| Held { name, by: Some(by), exclusive, fence: Some(revision.0) };
    match (reply, &write.command) {
        (Reply::Picked { feature, session }, _) => {
            let by = session.id.to_string();
            let mut all = vec![of(feature_name(feature.slug.as_str()), by.clone(), true)];
            all.extend(feature.touches.iter().map(|path| of(path.as_str().to_owned(), by.clone(), true)));
            all.extend(feature.reads.iter().map(|path| of(path.as_str().to_owned(), by.clone(), false)));
            all
        }
        (Reply::Claimed(session), Command::ClaimPaths(claim)) => {
            let exclusive = claim.mode == ClaimMode::Exclusive;
            claim
                .paths
                .iter()
                .map(|path| of(path.as_str().to_owned(), session.id.to_string(), exclusive))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn in_the_way(refusal: &Refusal) -> Vec<Held> {
    match refusal {
        Refusal::FilesClaimed { conflicts } => conflicts
            .iter()
            .map(|conflict| Held {
                name: conflict.path.as_str().to_owned(),
                by: Some(conflict.by.holder.session.to_string()),
                exclusive: false,
                fence: None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The heartbeats that were acknowledged. Clients have the true time.
fn beats(operations: &[ask::Operation]) -> Vec<Beat> {
    let acknowledged = |operation: &ask::Operation| match (&operation.what, &operation.outcome) {
        (What::Beat(session), Some(Outcome::Beat(true))) => Some(Beat {
            session: session.to_string(),
            sent_us: micros(operation.called),
            acknowledged_us: micros(operation.returned?),
            revision: None,
            cluster_ms: None,
            lease_ms: LEASE,
            grace_ms: 0,
        }),
        _ => None,
    };
    operations.iter().filter_map(acknowledged).collect()
}

/// The sessions whose leases ended by themselves.
fn ends(record: &Record) -> Vec<SessionEnd> {
    let mut ends = Vec::new();
    for (revision, entry) in &record.entries {
        for event in &entry.events {
            if let Event::SessionDisconnected(session) = &event.event {
                ends.push(SessionEnd {
                    session: session.id.to_string(),
                    kind: SessionEndKind::Lease,
                    at_us: Some(micros(entry.applied_at)),
                    revision: Some(revision.0),
                    cluster_ms: Some(entry.proposal.stamp.cluster.0),
                });
            }
        }
    }
    ends
}
