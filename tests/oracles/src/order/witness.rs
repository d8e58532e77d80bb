//! Linearizability by witness: the log says in which order the writes took effect, so that only the order of real time
//! has to be compared with it.

use crate::{
    Violation,
    history::{Consistency, LoggedEntry, Operation, OperationOutcome},
};
use std::collections::BTreeMap;

/// The name of this oracle in violations.
const ORACLE: &str = "order";

/// Checks operations against the log, which must be whole and in order:
/// - each write that was carried out is in it once, and got the answer that the log gives; a refused one may be in it;
/// - a write that was not applied is not in it;
/// - an operation that returned before another one was called has a lower index, or the same for a read;
/// - a read is linearizable, or never goes back for its client at its node.
pub fn check_against_log(operations: &[Operation], log: &[LoggedEntry]) -> Vec<Violation> {
    let mut by_identity: BTreeMap<&str, Vec<&LoggedEntry>> = BTreeMap::new();
    for entry in log {
        if let Some(identity) = &entry.identity {
            by_identity.entry(identity).or_default().push(entry);
        }
    }
    let mut violations = carried_out_twice(&by_identity);
    violations.extend(writes(operations, &by_identity));
    violations.extend(real_time(operations, &by_identity));
    violations.extend(stale_reads(operations));
    let last = log.iter().map(|entry| entry.index).max().unwrap_or(0);
    for operation in operations {
        if let Some(revision) = operation.revision().filter(|revision| *revision > last) {
            let message = format!("{operation}: index {revision} is beyond {last}, the end of the log");
            violations.push(violation("an answer reflects only what is in the log", message));
        }
    }
    violations
}

fn violation(promise: &str, message: String) -> Violation {
    Violation::new(ORACLE, promise, message)
}

fn carried_out_twice(by_identity: &BTreeMap<&str, Vec<&LoggedEntry>>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (identity, entries) in by_identity {
        let carried_out: Vec<u64> = entries
            .iter()
            .filter(|entry| entry.is_ok && entry.answered == entry.index)
            .map(|entry| entry.index)
            .collect();
        if carried_out.len() > 1 {
            let message = format!("request {identity} took effect at the indexes {carried_out:?}");
            violations.push(violation("a write takes effect once", message));
        }
    }
    violations
}

fn writes(operations: &[Operation], by_identity: &BTreeMap<&str, Vec<&LoggedEntry>>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let writes = operations.iter().filter(|operation| operation.ask.is_write());
    let writes = writes.filter_map(|operation| Some((operation, operation.identity.as_deref()?)));
    let may_be_logged = |identity: &str| {
        let of = operations.iter().filter(|operation| operation.identity.as_deref() == Some(identity));
        of.into_iter().any(|operation| operation.outcome != OperationOutcome::NotApplied)
    };
    for (operation, identity) in writes {
        let entries = by_identity.get(identity).map_or(&[][..], Vec::as_slice);
        let indexes: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
        match (&operation.outcome, operation.answered()) {
            (OperationOutcome::NotApplied, _) if !entries.is_empty() && !may_be_logged(identity) => {
                let message = format!("{operation}, but it is in the log at {indexes:?}");
                violations.push(violation("what was not applied is not in the log", message));
            }
            (outcome, Some(answered)) => {
                let is_ok = matches!(outcome, OperationOutcome::Ok(_));
                let fits = |entry: &&&LoggedEntry| {
                    entry.is_ok == is_ok
                        && answered.revision.is_none_or(|revision| revision == entry.answered)
                };
                let Some(entry) = entries.iter().find(fits) else {
                    // A node refuses some requests by itself.
                    if !is_ok && entries.is_empty() {
                        continue;
                    }
                    let message = format!("{operation}, but the log has this request at {indexes:?} only");
                    violations.push(violation("an acknowledged write is in the log", message));
                    continue;
                };
                if answered
                    .text
                    .as_ref()
                    .is_some_and(|text| entries.iter().filter(fits).all(|entry| entry.text != *text))
                {
                    let given = answered.text.as_deref().unwrap_or_default();
                    let message = format!(
                        "{operation}: the client got {given}, the log at {} has {}",
                        entry.index, entry.text
                    );
                    violations.push(violation("a client gets the answer of the log", message));
                }
            }
            (OperationOutcome::NotApplied | OperationOutcome::Unknown, _) => {}
            (OperationOutcome::Ok(_) | OperationOutcome::Refused(_), None) => {}
        }
    }
    violations
}

/// Whether the log has the request of an operation.
fn is_logged(operation: &Operation, by_identity: &BTreeMap<&str, Vec<&LoggedEntry>>) -> bool {
    operation.identity.as_deref().is_some_and(|identity| by_identity.contains_key(identity))
}

/// Sweeps over all operations in the order of time, with the highest index that was acknowledged so far.
fn real_time(operations: &[Operation], by_identity: &BTreeMap<&str, Vec<&LoggedEntry>>) -> Vec<Violation> {
    // A retry has the index of its first application, which counts from the first call on.
    let mut first_call: BTreeMap<&str, u64> = BTreeMap::new();
    for operation in operations {
        if let Some(identity) = &operation.identity {
            let first = first_call.entry(identity).or_insert(operation.called_us);
            *first = operation.called_us.min(*first);
        }
    }
    let called = |operation: &Operation| match &operation.identity {
        Some(identity) => first_call[identity.as_str()],
        None => operation.called_us,
    };
    let mut returns: Vec<(u64, u64, &Operation)> = operations
        .iter()
        .filter_map(|operation| Some((operation.returned_us?, operation.revision()?, operation)))
        .collect();
    returns.sort_by_key(|(at, ..)| *at);
    let mut calls: Vec<(u64, u64, &Operation)> = operations
        .iter()
        .filter(|operation| operation.ask.consistency() != Some(Consistency::Stale))
        .filter(|operation| !operation.ask.is_write() || is_logged(operation, by_identity))
        .filter_map(|operation| Some((called(operation), operation.revision()?, operation)))
        .collect();
    calls.sort_by_key(|(at, ..)| *at);
    let (mut violations, mut returned) = (Vec::new(), returns.into_iter().peekable());
    let mut highest: Option<(u64, &Operation)> = None;
    for (at, revision, operation) in calls {
        while let Some((_, index, before)) = returned.next_if(|(returned_at, ..)| *returned_at < at) {
            if highest.is_none_or(|(highest, _)| index > highest) {
                highest = Some((index, before));
            }
        }
        let Some((index, before)) = highest else { continue };
        if operation.ask.is_write() && revision <= index {
            let message = format!("{operation}, after {before}");
            violations.push(violation("a later write has a higher index", message));
        }
        if !operation.ask.is_write() && revision < index {
            let message =
                format!("{operation} shows index {revision}, but {index} was acknowledged before: {before}");
            violations.push(violation("a linearizable read shows every acknowledged write", message));
        }
    }
    violations
}

/// A client that reads the same node again must not see an earlier state.
fn stale_reads(operations: &[Operation]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut by_view: BTreeMap<_, Vec<&Operation>> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| !operation.ask.is_write()) {
        let view = (operation.client, operation.node, operation.node_start);
        by_view.entry(view).or_default().push(operation);
    }
    for reads in by_view.values_mut() {
        reads.sort_by_key(|operation| operation.called_us);
        let mut newest: Option<(u64, &Operation)> = None;
        for read in reads.iter() {
            let Some(revision) = read.revision() else { continue };
            match newest {
                Some((seen, before)) if revision < seen => {
                    let message = format!("{read} shows index {revision} after {seen}: {before}");
                    violations.push(violation("a node never shows a client an earlier state again", message));
                }
                _ => newest = Some((revision, read)),
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Answered, Ask};

    fn entry(index: u64, identity: &str) -> LoggedEntry {
        let (identity, text) = (Some(identity.to_owned()), format!("answer {index}"));
        LoggedEntry { index, identity, answered: index, is_ok: true, text }
    }

    fn answered(revision: u64, text: Option<&str>) -> OperationOutcome {
        let text = text.map(str::to_owned);
        OperationOutcome::Ok(Answered { revision: Some(revision), text, ..Answered::default() })
    }

    fn operation(
        client: u64,
        identity: Option<&str>,
        ask: Ask,
        times: (u64, u64),
        outcome: OperationOutcome,
    ) -> Operation {
        Operation {
            client,
            node: 1,
            node_start: None,
            called_us: times.0,
            returned_us: Some(times.1),
            project: None,
            session: None,
            identity: identity.map(str::to_owned),
            ask,
            outcome,
        }
    }

    fn write(client: u64, identity: &str, times: (u64, u64), index: u64) -> Operation {
        let text = format!("answer {index}");
        let ask = Ask::Pick { feature: "a".to_owned() };
        operation(client, Some(identity), ask, times, answered(index, Some(&text)))
    }

    fn read(client: u64, consistency: Consistency, times: (u64, u64), index: u64) -> Operation {
        let ask = Ask::Read { name: "features".to_owned(), consistency };
        operation(client, None, ask, times, answered(index, None))
    }

    fn promises(operations: &[Operation], log: &[LoggedEntry]) -> Vec<String> {
        check_against_log(operations, log).into_iter().map(|violation| violation.promise).collect()
    }

    fn log() -> Vec<LoggedEntry> {
        let mut log = vec![entry(1, "a"), entry(2, "b"), entry(3, "c")];
        // The retry of a got the first answer.
        log.push(LoggedEntry { index: 4, answered: 1, ..entry(1, "a") });
        log
    }

    #[test]
    fn a_good_history_passes() {
        let mut pending = operation(5, Some("d"), Ask::PickNext, (1, 2), OperationOutcome::Unknown);
        pending.returned_us = None;
        let history = [
            write(0, "a", (0, 10), 1),
            write(1, "b", (5, 20), 2),
            read(2, Consistency::Linearizable, (21, 22), 2),
            read(2, Consistency::Stale, (23, 24), 2),
            read(3, Consistency::Stale, (23, 24), 1),
            write(0, "c", (21, 30), 3),
            // It is sent again after all of that.
            write(0, "a", (40, 50), 1),
            operation(4, Some("never"), Ask::PickNext, (0, 9), OperationOutcome::NotApplied),
            pending,
        ];
        assert_eq!(check_against_log(&history, &log()), []);
    }

    #[test]
    fn a_lost_write_a_changed_answer_and_a_write_from_nowhere_are_found() {
        let lost = [write(0, "lost", (0, 10), 2)];
        assert_eq!(promises(&lost, &log()), ["an acknowledged write is in the log"]);
        let elsewhere = [write(0, "a", (0, 10), 2)];
        assert_eq!(promises(&elsewhere, &log()), ["an acknowledged write is in the log"]);
        let ask = Ask::Pick { feature: "a".to_owned() };
        let changed = [operation(0, Some("a"), ask, (0, 10), answered(1, Some("another answer")))];
        assert_eq!(promises(&changed, &log()), ["a client gets the answer of the log"]);
        let beyond = [read(0, Consistency::Stale, (0, 1), 9)];
        assert_eq!(promises(&beyond, &log()), ["an answer reflects only what is in the log"]);
    }

    #[test]
    fn a_write_that_takes_effect_twice_is_found() {
        let twice = [entry(1, "a"), entry(2, "a")];
        assert_eq!(promises(&[write(0, "a", (0, 10), 1)], &twice), ["a write takes effect once"]);
    }

    #[test]
    fn a_write_in_the_log_that_was_not_applied_is_found() {
        let not_applied = operation(0, Some("b"), Ask::PickNext, (0, 9), OperationOutcome::NotApplied);
        assert_eq!(
            promises(std::slice::from_ref(&not_applied), &log()),
            ["what was not applied is not in the log"]
        );
        // Unless the client has sent the same request again, which may have put it there.
        assert!(promises(&[not_applied, write(0, "b", (10, 20), 2)], &log()).is_empty());
    }

    #[test]
    fn a_reordered_write_is_found() {
        let reordered = [write(0, "b", (0, 10), 2), write(1, "a", (11, 20), 1)];
        assert_eq!(promises(&reordered, &log()), ["a later write has a higher index"]);
        let found = check_against_log(&reordered, &log()).remove(0).message;
        assert!(found.contains("client 1 asked node 1 at 11 us"), "{found}");
    }

    #[test]
    fn a_stale_answer_to_a_linearizable_read_is_found() {
        let stale = [write(0, "b", (0, 10), 2), read(1, Consistency::Linearizable, (11, 20), 1)];
        assert_eq!(promises(&stale, &log()), ["a linearizable read shows every acknowledged write"]);
        // It began before the write was acknowledged.
        let concurrent = [write(0, "b", (0, 10), 2), read(1, Consistency::Linearizable, (10, 20), 1)];
        assert!(promises(&concurrent, &log()).is_empty());
    }

    #[test]
    fn a_stale_read_that_goes_back_is_found() {
        let back = [read(0, Consistency::Stale, (0, 1), 2), read(0, Consistency::Stale, (2, 3), 1)];
        assert_eq!(promises(&back, &log()), ["a node never shows a client an earlier state again"]);
        let mut elsewhere = back.clone();
        elsewhere[1].node = 2;
        assert!(promises(&elsewhere, &log()).is_empty());
    }
}
