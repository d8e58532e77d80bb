//! Asks every oracle that needs nothing but the records of a run: whoever has the file of a history can judge it again.

use crate::{
    Violation,
    history::{Beat, LoggedEntry, Operation, Record, SeenEvent, SessionEnd},
    order::{
        LeaseTolerance, check_against_log, check_holders, check_leases, check_node_streams, check_stream,
        possible_ends,
    },
};
use std::collections::BTreeMap;

/// The circumstances of a run that its records do not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Circumstances {
    /// The lease with the grace after it, in microseconds: for a history that lacks the ends that leases may have had.
    pub lease_us: Option<u64>,
    /// How much shorter a lease may look to its holder.
    pub tolerance: LeaseTolerance,
    /// Whether the feeds have the events of one project only, so that their numbers have gaps.
    pub is_one_project: bool,
}

/// The finding of one oracle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The name of the oracle, as its violations have it.
    pub oracle: &'static str,
    /// The number and kind of things that it has judged, in words; `None` if the history has nothing to judge.
    pub judged: Option<String>,
    /// The number of things about which it could not decide.
    pub undecided: usize,
    /// The promises that were broken.
    pub violations: Vec<Violation>,
}

/// The records of a run, by their kinds.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The operations of clients, each with what came of it.
    pub operations: Vec<Operation>,
    feeds: BTreeMap<u64, Vec<SeenEvent>>,
    followed: Vec<SeenEvent>,
    beats: Vec<Beat>,
    ends: Vec<SessionEnd>,
    log: Vec<LoggedEntry>,
}

impl Records {
    /// Sorts records by their kinds.
    pub fn of(records: Vec<Record>) -> Self {
        let mut all = Self::default();
        for record in records {
            match record {
                Record::Operation(operation) => all.operations.push(operation),
                Record::Event { node, event } => all.feeds.entry(node).or_default().push(event),
                Record::Followed(event) => all.followed.push(event),
                Record::Beat(beat) => all.beats.push(beat),
                Record::SessionEnd(end) => all.ends.push(end),
                Record::Entry(entry) => all.log.push(entry),
                Record::Run(_) | Record::Fault { .. } => {}
            }
        }
        all.log.sort_by_key(|entry| entry.index);
        all
    }

    /// Asks every oracle.
    pub fn check(&self, circumstances: &Circumstances) -> Vec<Finding> {
        vec![
            self.holders(circumstances),
            self.order(),
            self.feeds(circumstances),
            self.leases(circumstances.tolerance),
        ]
    }

    fn holders(&self, circumstances: &Circumstances) -> Finding {
        let mut operations = self.operations.clone();
        if let Some(lease_us) = circumstances.lease_us {
            operations.extend(possible_ends(&operations, lease_us, circumstances.tolerance));
        }
        let report = check_holders(&operations);
        let judged = (report.judged > 0).then(|| {
            let undecided = report.undecided.len();
            format!("{} operations on {} objects, {undecided} undecided", operations.len(), report.judged)
        });
        let undecided = report.undecided.len();
        Finding { oracle: "holders", judged, undecided, violations: report.violations }
    }

    fn order(&self) -> Finding {
        let judged = (!self.log.is_empty())
            .then(|| format!("{} operations, {} entries of the log", self.operations.len(), self.log.len()));
        let violations = match judged {
            Some(_) => check_against_log(&self.operations, &self.log),
            None => Vec::new(),
        };
        Finding { oracle: "order", judged, undecided: 0, violations }
    }

    fn feeds(&self, circumstances: &Circumstances) -> Finding {
        let events: usize = self.feeds.values().map(Vec::len).sum();
        let judged = (events > 0).then(|| format!("{events} events from {} nodes", self.feeds.len()));
        let mut violations = check_node_streams(&self.feeds, None, !circumstances.is_one_project);
        violations.extend(check_stream("the client that follows", &self.followed, false));
        Finding { oracle: "streams", judged, undecided: 0, violations }
    }

    fn leases(&self, tolerance: LeaseTolerance) -> Finding {
        let is_enough = !self.ends.is_empty() && !self.beats.is_empty();
        let judged = is_enough.then(|| format!("{} ends, {} beats", self.ends.len(), self.beats.len()));
        let violations = check_leases(&self.beats, &self.ends, tolerance);
        Finding { oracle: "leases", judged, undecided: 0, violations }
    }
}
