//! Feeds of events: without gaps, in order, the same on all nodes, with fences that only grow.

use crate::{Violation, history::SeenEvent};
use std::collections::BTreeMap;

/// The name of this oracle in violations.
const ORACLE: &str = "streams";

fn violation(promise: &str, message: String) -> Violation {
    Violation::new(ORACLE, promise, message)
}

/// Checks one stream. A whole one has the events of all projects, so that every entry's events are numbered from 0
/// without a gap; that of one project lacks those of others.
pub fn check_stream(name: &str, events: &[SeenEvent], is_whole: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut before: Option<(u64, u32)> = None;
    let mut fences: BTreeMap<&str, u64> = BTreeMap::new();
    let mut newest = 0;
    for event in events {
        let (revision, seq) = (event.revision, event.seq);
        if before.is_some_and(|before| before >= (revision, seq)) {
            let message = format!("{name} has event {revision}.{seq} after {}", shown(before));
            violations.push(violation("events come once and in order", message));
        }
        let expected = match before {
            Some((last, seq)) if last == revision => seq + 1,
            _ => 0,
        };
        if is_whole && seq > expected {
            let message = format!(
                "{name} lacks event {revision}.{expected}, and has {revision}.{seq} after {}",
                shown(before)
            );
            violations.push(violation("no event is missing", message));
        }
        for (what, fence) in &event.acquired {
            let last = fences.insert(what, *fence);
            if last.is_some_and(|last| *fence <= last) || *fence < newest {
                let last = last.map_or(newest, |last| last.max(newest));
                let message =
                    format!("{name}: event {revision}.{seq} grants {what} with fence {fence}, after {last}");
                violations.push(violation("fences only grow", message));
            }
            newest = newest.max(*fence);
        }
        before = Some((revision, seq));
    }
    violations
}

/// Checks the streams of several nodes: each on its own, and each against the reference, which is what the log gives or
/// the longest of them. A stream may begin later and end earlier than the reference, but lacks nothing between.
pub fn check_node_streams(
    streams: &BTreeMap<u64, Vec<SeenEvent>>,
    reference: Option<&[SeenEvent]>,
    is_whole: bool,
) -> Vec<Violation> {
    let mut violations: Vec<Violation> = streams
        .iter()
        .flat_map(|(node, events)| check_stream(&format!("node {node}"), events, is_whole))
        .collect();
    let longest = || streams.values().max_by_key(|events| events.len()).map(Vec::as_slice);
    let Some(reference) = reference.or_else(longest) else { return violations };
    for (node, events) in streams {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { continue };
        let place = |event: &SeenEvent| (event.revision, event.seq);
        let between = |event: &&SeenEvent| (place(first)..=place(last)).contains(&place(event));
        let expected: BTreeMap<(u64, u32), &SeenEvent> =
            reference.iter().filter(between).map(|event| (place(event), event)).collect();
        let seen: BTreeMap<(u64, u32), &SeenEvent> =
            events.iter().map(|event| (place(event), event)).collect();
        for (at, event) in &expected {
            match seen.get(at) {
                None => {
                    let message = format!("node {node} has no event {}.{}: {}", at.0, at.1, event.text);
                    violations.push(violation("no event is missing", message));
                }
                Some(other) if other.text != event.text => {
                    let message = format!(
                        "node {node} has event {}.{} as {}, others as {}",
                        at.0, at.1, other.text, event.text
                    );
                    violations.push(violation("all nodes send the same events", message));
                }
                Some(_) => {}
            }
        }
        // The longest stream may be shorter at its ends than another one.
        let ends = reference.first().zip(reference.last()).map(|(first, last)| place(first)..=place(last));
        for (at, event) in seen.iter().filter(|(at, _)| !expected.contains_key(at)) {
            if ends.as_ref().is_some_and(|ends| ends.contains(at)) {
                let message = format!("node {node} alone has event {}.{}: {}", at.0, at.1, event.text);
                violations.push(violation("all nodes send the same events", message));
            }
        }
    }
    violations
}

fn shown(place: Option<(u64, u32)>) -> String {
    place.map_or_else(|| "nothing".to_owned(), |(revision, seq)| format!("{revision}.{seq}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: u64, seq: u32) -> SeenEvent {
        SeenEvent { revision, seq, acquired: Vec::new(), text: format!("event {revision}.{seq}") }
    }

    fn stream() -> Vec<SeenEvent> {
        let mut events = vec![event(1, 0), event(1, 1), event(4, 0), event(5, 0), event(5, 1), event(5, 2)];
        events[1].acquired = vec![("db.rs".to_owned(), 1), ("x.rs".to_owned(), 1)];
        events[4].acquired = vec![("db.rs".to_owned(), 5)];
        events
    }

    fn promises(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|violation| violation.promise).collect()
    }

    fn of_nodes(first: Vec<SeenEvent>, second: Vec<SeenEvent>) -> Vec<String> {
        promises(check_node_streams(&BTreeMap::from([(1, first), (2, second)]), None, true))
    }

    #[test]
    fn the_same_streams_pass_and_one_may_begin_late_and_end_early() {
        assert!(of_nodes(stream(), stream()).is_empty());
        assert!(of_nodes(stream(), stream()[2..4].to_vec()).is_empty());
    }

    #[test]
    fn a_gap_is_found_within_an_entry_and_between_entries() {
        let without = |at: usize| {
            let mut events = stream();
            events.remove(at);
            events
        };
        assert_eq!(of_nodes(stream(), without(4)), ["no event is missing"; 2]);
        assert_eq!(of_nodes(without(2), stream()), ["no event is missing"]);
        // One project's stream has gaps in its numbers, but lacks nothing.
        assert!(check_stream("project", &without(4), false).is_empty());
    }

    #[test]
    fn repeated_reordered_and_different_events_are_found() {
        let mut twice = stream();
        twice.insert(2, event(1, 1));
        assert_eq!(promises(check_stream("a", &twice, true)), ["events come once and in order"]);
        let mut swapped = stream();
        swapped.swap(2, 3);
        assert!(
            promises(check_stream("a", &swapped, true)).contains(&"events come once and in order".to_owned())
        );
        let mut different = stream();
        different[2].text = "something else".to_owned();
        assert_eq!(of_nodes(stream(), different), ["all nodes send the same events"]);
    }

    #[test]
    fn a_fence_that_does_not_grow_is_found() {
        let mut events = stream();
        events[4].acquired = vec![("db.rs".to_owned(), 1)];
        assert_eq!(promises(check_stream("a", &events, true)), ["fences only grow"]);
    }
}
