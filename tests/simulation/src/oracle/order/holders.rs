//! Who holds one feature or one path, without knowing the log: some order of the operations must explain every answer.
//! A path is compared with the same text alone: collisions of different patterns are the model's to judge.

use super::search::{Interval, Object, Searched, search};
use crate::{
    history::{Ask, Consistency, Held, Operation, OperationOutcome},
    oracle::Violation,
};
use std::collections::{BTreeMap, BTreeSet};

/// The name of this oracle in violations.
const ORACLE: &str = "holders";

/// What the search found about all features and paths of a history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HoldersReport {
    /// The features and paths whose history no order explains.
    pub violations: Vec<Violation>,
    /// The features and paths whose history is too long to decide.
    pub undecided: Vec<String>,
    /// The number of features and paths that were judged.
    pub judged: usize,
}

/// The sessions that hold one feature or path, each exclusively or not, and the newest fence that was ever granted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Holders {
    by: BTreeMap<String, bool>,
    newest: u64,
}

/// What an operation and its answer say about one feature or path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    /// The session got it, with this fence if it is known.
    Acquired { by: String, is_exclusive: bool, fence: Option<u64> },
    /// Some of these sessions are in the way.
    Refused { by: BTreeSet<String> },
    /// The session gave it back.
    Released { by: String },
    /// It was taken from whoever held it.
    Cleared,
    /// A read shows these holders.
    Shown { by: BTreeSet<String> },
}

impl Object for Holders {
    type Operation = Step;

    fn after(&self, step: &Step) -> Option<Self> {
        let mut after = self.clone();
        match step {
            Step::Acquired { by, is_exclusive, fence } => {
                let tolerates = |(other, held): (&String, &bool)| other == by || !(*held || *is_exclusive);
                if !self.by.iter().all(tolerates) {
                    return None;
                }
                let is_new = !self.by.contains_key(by);
                if let Some(fence) = fence {
                    if is_new && *fence <= self.newest {
                        return None;
                    }
                    after.newest = self.newest.max(*fence);
                }
                *after.by.entry(by.clone()).or_default() |= is_exclusive;
            }
            Step::Refused { by } => return by.iter().all(|by| self.by.contains_key(by)).then_some(after),
            Step::Released { by } => {
                after.by.remove(by);
            }
            Step::Cleared => after.by.clear(),
            Step::Shown { by } => return self.by.keys().eq(by).then_some(after),
        }
        Some(after)
    }
}

/// Checks each feature and each path of a history on its own. Nothing may be held at its beginning. A lease that runs
/// out must be in it as an [`Ask::EndSession`] of the session with an unknown outcome, called when the lease can run
/// out at the earliest.
pub fn check_holders(operations: &[Operation]) -> HoldersReport {
    let names: BTreeSet<(Option<&str>, &str)> = operations
        .iter()
        .flat_map(|operation| named(operation).into_iter().map(|name| (operation.project.as_deref(), name)))
        .collect();
    let mut report = HoldersReport { judged: names.len(), ..HoldersReport::default() };
    for (project, name) in names {
        let of_project = |operation: &&Operation| {
            operation.project.as_deref() == project || matches!(operation.ask, Ask::EndSession)
        };
        let history: Vec<(&Operation, Interval<Step>)> = operations
            .iter()
            .filter(of_project)
            .filter_map(|operation| Some((operation, interval(operation, name)?)))
            .collect();
        let intervals: Vec<Interval<Step>> = history.iter().map(|(_, interval)| interval.clone()).collect();
        match search(Holders::default(), &intervals) {
            Searched::Explained(_) => {}
            Searched::Undecided => report.undecided.push(name.to_owned()),
            Searched::Impossible { longest, next } => {
                let shown = |at: &usize| format!("  {}", history[*at].0);
                let last: Vec<String> = longest.iter().rev().take(5).rev().map(shown).collect();
                let next: Vec<String> = next.iter().map(shown).collect();
                let message = format!(
                    "{name}: no order explains the answers. After {} operations, the last of them\n{}\nnone of \
                     these can have got its answer:\n{}",
                    longest.len(),
                    last.join("\n"),
                    next.join("\n")
                );
                report.violations.push(Violation::new(ORACLE, "holders are linearizable", message));
            }
        }
    }
    report
}

/// The features and paths that an operation is about.
fn named(operation: &Operation) -> Vec<&str> {
    let asked: Vec<&str> = match &operation.ask {
        Ask::Pick { feature } | Ask::Release { feature } | Ask::Done { feature } | Ask::Cancel { feature } => {
            vec![feature]
        }
        Ask::Claim { paths, .. } | Ask::Unclaim { paths: Some(paths) } => {
            paths.iter().map(String::as_str).collect()
        }
        Ask::ReadHolders { of, consistency: Consistency::Linearizable } => of.iter().map(String::as_str).collect(),
        Ask::PickNext
        | Ask::Unclaim { paths: None }
        | Ask::ReadHolders { .. }
        | Ask::Beat
        | Ask::StartSession
        | Ask::EndSession
        | Ask::Write { .. }
        | Ask::Read { .. } => Vec::new(),
    };
    let answered = match (&operation.ask, operation.answered()) {
        (Ask::ReadHolders { .. }, _) | (_, None) => Vec::new(),
        (_, Some(answered)) => answered.held.iter().map(|held| held.name.as_str()).collect(),
    };
    [asked, answered].concat()
}

/// What an operation says about one feature or path, and when it took effect; `None` if it says nothing.
fn interval(operation: &Operation, name: &str) -> Option<Interval<Step>> {
    let returned = match operation.outcome {
        OperationOutcome::NotApplied => return None,
        OperationOutcome::Unknown => None,
        OperationOutcome::Ok(_) | OperationOutcome::Refused(_) => Some(operation.returned_us?),
    };
    let operation_step = step(operation, name)?;
    Some(Interval { called: operation.called_us, returned, operation: operation_step })
}

fn step(operation: &Operation, name: &str) -> Option<Step> {
    let held: Vec<&Held> = operation
        .answered()
        .map(|answered| answered.held.iter().filter(|held| held.name == name).collect())
        .unwrap_or_default();
    let holders = || held.iter().filter_map(|held| held.by.clone()).collect::<BTreeSet<String>>();
    let is_named = named(operation).contains(&name);
    let session = operation.session.clone();
    match (&operation.ask, &operation.outcome) {
        (Ask::ReadHolders { consistency: Consistency::Linearizable, .. }, OperationOutcome::Ok(_)) => {
            is_named.then(|| Step::Shown { by: holders() })
        }
        (Ask::Pick { .. } | Ask::PickNext | Ask::Claim { .. }, OperationOutcome::Refused(_)) => {
            let by = holders();
            (!by.is_empty()).then_some(Step::Refused { by })
        }
        // A pick with an unknown outcome may have acquired paths that nobody knows: it is about the feature alone.
        (Ask::Pick { .. } | Ask::PickNext | Ask::Claim { .. }, OperationOutcome::Ok(_) | OperationOutcome::Unknown)
            if is_named =>
        {
            let own = held.iter().find(|held| held.by == session);
            let is_exclusive = match &operation.ask {
                Ask::Claim { exclusive, .. } => *exclusive,
                _ => own.is_none_or(|held| held.exclusive),
            };
            let fence = own.and_then(|held| held.fence);
            Some(Step::Acquired { by: session?, is_exclusive, fence })
        }
        (
            Ask::Release { .. } | Ask::Done { .. } | Ask::Unclaim { paths: Some(_) },
            OperationOutcome::Ok(_) | OperationOutcome::Unknown,
        ) if is_named => Some(Step::Released { by: session? }),
        (Ask::Unclaim { paths: None } | Ask::EndSession, OperationOutcome::Ok(_) | OperationOutcome::Unknown) => {
            Some(Step::Released { by: session? })
        }
        (Ask::Cancel { .. }, OperationOutcome::Ok(_) | OperationOutcome::Unknown) if is_named => Some(Step::Cleared),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Answered;

    fn held(by: Option<&str>, fence: Option<u64>) -> Held {
        Held { name: "db.rs".to_owned(), by: by.map(str::to_owned), exclusive: true, fence }
    }

    fn operation(session: &str, ask: Ask, times: (u64, u64), outcome: OperationOutcome) -> Operation {
        Operation {
            client: 0,
            node: 1,
            node_start: None,
            called_us: times.0,
            returned_us: (outcome != OperationOutcome::Unknown).then_some(times.1),
            project: None,
            session: Some(session.to_owned()),
            identity: None,
            ask,
            outcome,
        }
    }

    fn answered(held: Held) -> Answered {
        Answered { held: vec![held], ..Answered::default() }
    }

    fn paths() -> Vec<String> {
        vec!["db.rs".to_owned()]
    }

    fn claims(by: &str, times: (u64, u64), fence: u64) -> Operation {
        let outcome = OperationOutcome::Ok(answered(held(Some(by), Some(fence))));
        operation(by, Ask::Claim { paths: paths(), exclusive: true }, times, outcome)
    }

    fn maybe_claims(by: &str, called: u64) -> Operation {
        operation(by, Ask::Claim { paths: paths(), exclusive: true }, (called, 0), OperationOutcome::Unknown)
    }

    fn is_refused(by: &str, times: (u64, u64), holder: &str) -> Operation {
        let outcome = OperationOutcome::Refused(answered(held(Some(holder), None)));
        operation(by, Ask::Claim { paths: paths(), exclusive: true }, times, outcome)
    }

    fn releases(by: &str, times: (u64, u64)) -> Operation {
        let outcome = OperationOutcome::Ok(Answered::default());
        operation(by, Ask::Unclaim { paths: Some(paths()) }, times, outcome)
    }

    fn shows(holder: Option<&str>, times: (u64, u64)) -> Operation {
        let ask = Ask::ReadHolders { of: paths(), consistency: Consistency::Linearizable };
        operation("reader", ask, times, OperationOutcome::Ok(answered(held(holder, None))))
    }

    fn is_good(history: &[Operation]) -> bool {
        let report = check_holders(history);
        assert!(report.undecided.is_empty());
        report.violations.is_empty()
    }

    #[test]
    fn a_good_history_passes() {
        assert!(is_good(&[
            claims("ana", (0, 10), 3),
            is_refused("ben", (1, 20), "ana"),
            shows(Some("ana"), (11, 12)),
            releases("ana", (21, 30)),
            // It returns late, and took effect while the release was under way.
            claims("ben", (22, 40), 5),
            shows(Some("ben"), (41, 42)),
        ]));
    }

    #[test]
    fn two_holders_are_found() {
        let two = [claims("ana", (0, 10), 3), claims("ben", (11, 20), 5)];
        let report = check_holders(&two);
        assert_eq!((report.violations.len(), report.judged), (1, 1));
        assert!(report.violations[0].message.contains("db.rs by ben with fence 5"), "{}", report.violations[0]);
    }

    #[test]
    fn a_stale_read_a_wrong_refusal_and_a_lost_claim_are_found() {
        assert!(!is_good(&[claims("ana", (0, 10), 3), shows(None, (11, 12))]));
        assert!(!is_good(&[claims("ana", (0, 10), 3), releases("ana", (11, 12)), is_refused("ben", (13, 14), "ana")]));
        assert!(!is_good(&[is_refused("ben", (1, 2), "ana"), claims("ana", (3, 10), 3)]));
    }

    #[test]
    fn a_fence_that_does_not_grow_is_found() {
        let history =
            |fence| [claims("ana", (0, 10), 3), releases("ana", (11, 12)), claims("ben", (13, 14), fence)];
        assert!(is_good(&history(4)));
        assert!(!is_good(&history(3)));
    }

    #[test]
    fn an_unknown_claim_may_have_happened_late_or_never() {
        assert!(is_good(&[maybe_claims("ana", 0), shows(None, (5, 6)), shows(Some("ana"), (7, 8))]));
        assert!(is_good(&[maybe_claims("ana", 0), claims("ben", (5, 6), 3)]));
        assert!(!is_good(&[maybe_claims("ana", 0), shows(Some("ana"), (5, 6)), claims("ben", (7, 8), 3)]));
        // Unless the lease of its session may have run out.
        let end = operation("ana", Ask::EndSession, (6, 0), OperationOutcome::Unknown);
        assert!(is_good(&[maybe_claims("ana", 0), shows(Some("ana"), (5, 6)), end, claims("ben", (7, 8), 3)]));
    }

    #[test]
    fn shared_claims_tolerate_each_other() {
        let shares = |by: &str, times| {
            let held = Held { exclusive: false, ..held(Some(by), None) };
            let ask = Ask::Claim { paths: paths(), exclusive: false };
            operation(by, ask, times, OperationOutcome::Ok(answered(held)))
        };
        assert!(is_good(&[shares("ana", (0, 1)), shares("ben", (2, 3))]));
        assert!(!is_good(&[shares("ana", (0, 1)), claims("ben", (2, 3), 3)]));
    }
}
