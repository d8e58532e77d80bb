//! Decides who holds one feature or one path, and whether one session lives, without knowing the log: some order of the
//! operations must explain every answer.
//! A path is compared with the same text alone: collisions of different patterns are the model's to judge.

use super::{
    lives::{Life, session_name, sign},
    requests::requests,
    search::{Interval, Object, Searched, search_within},
    steps::{Cause, Known, Step, named},
};
use crate::{
    Violation,
    history::{Ask, Operation, OperationOutcome},
};
use std::collections::{BTreeMap, BTreeSet};

/// The name of this oracle in violations.
pub const HOLDERS: &str = "holders";
/// Configurations of one object that are looked at before it is left undecided. A good history needs about as many as
/// it has operations.
const MAX_CONFIGURATIONS: usize = 50_000;
/// Operations before the impossible ones that a violation shows.
const MOST_SHOWN: usize = 5;

/// The findings of the search about all features, paths and sessions of a history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HoldersReport {
    /// The objects whose history no order explains.
    pub violations: Vec<Violation>,
    /// The objects whose history takes too long to decide.
    pub undecided: Vec<String>,
    /// The number of features, paths and sessions that were judged, with the undecided ones.
    pub judged: usize,
}

/// The sessions that hold one feature or path, each exclusively or not, and the newest fence that was ever granted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Holders {
    by: BTreeMap<(String, Cause), bool>,
    newest: u64,
}

impl Object for Holders {
    type Operation = Step;

    fn after(&self, step: &Step) -> Option<Self> {
        let mut after = self.clone();
        let holders: BTreeSet<&String> = self.by.keys().map(|(by, _)| by).collect();
        match step {
            Step::Acquired { by, cause, is_exclusive, fence } => {
                let tolerates =
                    |((other, _), held): (&(String, Cause), &bool)| other == by || !(*held || *is_exclusive);
                if !self.by.iter().all(tolerates) {
                    return None;
                }
                if let Some(fence) = fence {
                    // What the session holds already keeps its fence.
                    if !holders.contains(by) && *fence <= self.newest {
                        return None;
                    }
                    after.newest = self.newest.max(*fence);
                }
                *after.by.entry((by.clone(), cause.clone())).or_default() |= is_exclusive;
            }
            Step::Refused { by } => return by.iter().all(|by| holders.contains(by)).then_some(after),
            Step::Shown { by } => return holders.into_iter().eq(by).then_some(after),
            Step::GivenBack { by, feature } => after.by.retain(|(holder, cause), _| {
                let is_it = match cause {
                    Cause::Claim(of) | Cause::Pick(of) => of.as_ref() == Some(feature),
                };
                !is_it || by.as_ref().is_some_and(|by| by != holder)
            }),
            Step::MaybeGivenBack { by } => after.by.retain(|(holder, cause), _| {
                *cause != Cause::Pick(None) || by.as_ref().is_some_and(|by| by != holder)
            }),
            Step::Unclaimed { by } => {
                after.by.retain(|(holder, cause), _| holder != by || matches!(cause, Cause::Pick(_)));
            }
            Step::TakenAway => after.by.clear(),
            Step::Ended { by } => after.by.retain(|(holder, _), _| holder != by),
        }
        Some(after)
    }

    fn observes(step: &Step) -> bool {
        matches!(step, Step::Refused { .. } | Step::Shown { .. })
    }
}

/// Checks each feature, each path and each session of a history on its own, as far as `MAX_CONFIGURATIONS` go.
///
/// The history must have every operation that may change a holder, whatever came of it:
/// - Nothing may be held at its beginning.
/// - A lease that runs out is an [`Ask::EndSession`] of the session with an unknown outcome, called when the lease and
///   the grace can run out at the earliest: [`possible_ends`](super::possible_ends) adds them.
/// - So is everything else that ends a session unasked: the deletion of its engineer or its project, and the removal of
///   its engineer from the project. It is called when that was asked, and not called again by a lease.
/// - A cancelled feature is an [`Ask::Cancel`], a forced release an [`Ask::ForceRelease`], whoever asked for it.
/// - The answer to a pick names all paths of the feature, each exclusive or not.
/// - Features must keep their paths: an update of a picked feature claims and releases some, which is not known here.
///
/// A session is judged if its start is in the history with its name, and its refusals have
/// [`SESSION_NOT_FOUND`](crate::history::SESSION_NOT_FOUND).
pub fn check_holders(operations: &[Operation]) -> HoldersReport {
    let requests = requests(operations);
    let mut report = HoldersReport::default();
    check_things(&requests, &mut report);
    check_sessions(&requests, &mut report);
    report
}

fn check_things(requests: &[Operation], report: &mut HoldersReport) {
    let projects: BTreeSet<Option<&str>> =
        requests.iter().map(|request| request.project.as_deref()).collect();
    for project in projects {
        let of_project = |request: &&Operation| {
            request.project.as_deref() == project || matches!(request.ask, Ask::EndSession)
        };
        let requests: Vec<&Operation> = requests.iter().filter(of_project).collect();
        let known = Known::of(&requests);
        let names: BTreeSet<String> = requests.iter().flat_map(|request| named(request)).collect();
        for name in names {
            let steps = requests.iter().flat_map(|request| {
                known.steps(request, &name).into_iter().map(move |step| (*request, step))
            });
            judge(&name, Holders::default(), steps.collect(), report);
        }
    }
}

fn check_sessions(requests: &[Operation], report: &mut HoldersReport) {
    let mut by_session: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for request in requests {
        if let Some(session) = &request.session {
            by_session.entry(session).or_default().push(request);
        }
    }
    for (session, requests) in by_session {
        if requests.iter().any(|request| request.ask == Ask::StartSession) {
            let signs = requests.into_iter().filter_map(|request| Some((request, sign(request)?)));
            judge(&session_name(session), Life::default(), signs.collect(), report);
        }
    }
}

/// Searches an order that explains the history of one object.
fn judge<S: Object>(
    name: &str,
    object: S,
    history: Vec<(&Operation, Interval<S::Operation>)>,
    report: &mut HoldersReport,
) {
    let (operations, intervals): (Vec<&Operation>, Vec<Interval<S::Operation>>) = history.into_iter().unzip();
    report.judged += 1;
    match search_within(object, &intervals, MAX_CONFIGURATIONS) {
        Searched::Explained(_) => {}
        Searched::Undecided => report.undecided.push(name.to_owned()),
        Searched::Impossible { longest, next } => {
            let shown = |at: &usize| format!("  {}", about(operations[*at], name));
            let last: Vec<String> =
                longest[longest.len().saturating_sub(MOST_SHOWN)..].iter().map(shown).collect();
            let next: Vec<String> = next.iter().map(shown).collect();
            let message = format!(
                "{name}: no order explains the answers. After {} operations, the last of them\n{}\nnone of these can \
                 have got its answer:\n{}",
                longest.len(),
                last.join("\n"),
                next.join("\n")
            );
            report.violations.push(Violation::new(HOLDERS, "some order explains all answers", message));
        }
    }
}

/// An operation without what it says about other things: a read names everything that there is.
fn about(operation: &Operation, name: &str) -> Operation {
    let mut operation = operation.clone();
    if let Ask::ReadHolders { of, .. } = &mut operation.ask {
        of.retain(|of| of == name);
    }
    if let OperationOutcome::Ok(answered) | OperationOutcome::Refused(answered) = &mut operation.outcome {
        answered.held.retain(|held| held.name == name);
    }
    operation
}
