//! Judges a run: writes down what the clients saw as a history, and asks every oracle.

use crate::{
    history::{LEASE_TOLERANCE, beats, micros, operation},
    record::Record,
    rot::Doubt,
    second_opinion,
    team::ask::{self, Outcome, What},
};
use nexus_domain::{Answer, Command, Event, Recorded};
use nexus_oracles::{
    Violation,
    history::{LoggedEntry, Operation, SeenEvent, SessionEnd, SessionEndKind},
    model::Model,
    order::{check_against_log, check_leases, check_node_streams},
};
use std::collections::BTreeMap;

/// The judgement of all oracles on a run.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// The promises that it has broken.
    pub violations: Vec<Violation>,
    /// The entries that the model has compared, and those that it does not know.
    pub modelled: (u64, u64),
    /// The answers that a node with a wrong memory may have given, and that nobody is held to.
    pub doubted: u64,
    /// The features, paths and sessions that the second opinion has judged, and those that it left undecided.
    pub opinions: (u64, u64),
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
    judgement.violations.extend(check_leases(&beats, &ends, LEASE_TOLERANCE));
    let opinion = second_opinion::judge(operations);
    judgement.opinions = (opinion.judged as u64, opinion.undecided.len() as u64);
    judgement.violations.extend(opinion.violations);
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

/// The sessions whose leases ended by themselves.
pub fn ends(record: &Record) -> Vec<SessionEnd> {
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
