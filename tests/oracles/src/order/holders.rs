//! Decides who holds one feature or one path, without knowing the log: some order of the operations must explain every
//! answer.
//! A path is compared with the same text alone: collisions of different patterns are the model's to judge.

use super::search::{Interval, Object, Searched, search};
use crate::{
    Violation,
    history::{Answered, Ask, Consistency, FEATURE, Operation, OperationOutcome, feature_name},
};
use std::collections::{BTreeMap, BTreeSet};

/// The name of this oracle in violations.
const ORACLE: &str = "holders";

/// The findings of the search about all features and paths of a history.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HoldersReport {
    /// The features and paths whose history no order explains.
    pub violations: Vec<Violation>,
    /// The features and paths whose history is too long to decide.
    pub undecided: Vec<String>,
    /// The number of features and paths that were judged.
    pub judged: usize,
}

/// Why a session holds something: what gives it back again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Cause {
    /// A claim of the session, for a feature or alone.
    Claim(Option<String>),
    /// The pick of a feature; `None` if nobody knows of which.
    Pick(Option<String>),
}

/// The sessions that hold one feature or path, each exclusively or not, and the newest fence that was ever granted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Holders {
    by: BTreeMap<(String, Cause), bool>,
    newest: u64,
}

/// The part of an operation and its answer that is about one feature or path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    /// The session got it, with this fence if it is known.
    Acquired { by: String, cause: Cause, is_exclusive: bool, fence: Option<u64> },
    /// All of these sessions are in the way.
    Refused { by: BTreeSet<String> },
    /// The session gave a feature back; `None` stands for whichever session holds it.
    GivenBack { by: Option<String>, feature: String },
    /// The session gave its claims back.
    Unclaimed { by: String },
    /// The session is over.
    Ended { by: String },
    /// A read shows these holders.
    Shown { by: BTreeSet<String> },
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
                    Cause::Claim(of) => of.as_ref() == Some(feature),
                    Cause::Pick(of) => of.as_ref().is_none_or(|of| of == feature),
                };
                !is_it || by.as_ref().is_some_and(|by| by != holder)
            }),
            Step::Unclaimed { by } => {
                after.by.retain(|(holder, cause), _| holder != by || matches!(cause, Cause::Pick(_)));
            }
            Step::Ended { by } => after.by.retain(|(holder, _), _| holder != by),
        }
        Some(after)
    }
}

/// Checks each feature and each path of a history on its own. Nothing may be held at its beginning. A lease that runs
/// out must be in it as an [`Ask::EndSession`] of the session with an unknown outcome, called when the lease can run
/// out at the earliest. Features must keep their paths: what an update of a picked feature claims is not known here.
pub fn check_holders(operations: &[Operation]) -> HoldersReport {
    let names: BTreeSet<(Option<&str>, String)> = operations
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
            .filter_map(|operation| Some((operation, interval(operation, &name)?)))
            .collect();
        let intervals: Vec<Interval<Step>> = history.iter().map(|(_, interval)| interval.clone()).collect();
        match search(Holders::default(), &intervals) {
            Searched::Explained(_) => {}
            Searched::Undecided => report.undecided.push(name),
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

/// The features and paths that an operation is about, as answers name them.
fn named(operation: &Operation) -> Vec<String> {
    let asked: Vec<String> = match &operation.ask {
        Ask::Pick { feature }
        | Ask::Release { feature }
        | Ask::Done { feature }
        | Ask::Cancel { feature } => {
            vec![feature_name(feature)]
        }
        Ask::Claim { paths, .. } | Ask::Unclaim { paths: Some(paths) } => paths.clone(),
        Ask::ReadHolders { of, consistency: Consistency::Linearizable } => of.clone(),
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
        (_, Some(answered)) => answered.held.iter().map(|held| held.name.clone()).collect(),
    };
    [asked, answered].concat()
}

/// The part of an operation that is about one feature or path, and when it took effect; `None` if it has none.
fn interval(operation: &Operation, name: &str) -> Option<Interval<Step>> {
    let (step, returned) = match &operation.outcome {
        OperationOutcome::NotApplied => return None,
        OperationOutcome::Unknown => (unknown(operation, name)?, None),
        OperationOutcome::Ok(answered) => (carried_out(operation, answered, name)?, operation.returned_us),
        OperationOutcome::Refused(answered) => (refused(operation, answered, name)?, operation.returned_us),
    };
    Some(Interval { called: operation.called_us, returned, operation: step })
}

/// The sessions that an answer shows as holders.
fn holders(answered: &Answered, name: &str) -> BTreeSet<String> {
    let of_it = answered.held.iter().filter(|held| held.name == name);
    of_it.filter_map(|held| held.by.clone()).collect()
}

fn refused(operation: &Operation, answered: &Answered, name: &str) -> Option<Step> {
    let by = holders(answered, name);
    let wants = matches!(operation.ask, Ask::Pick { .. } | Ask::PickNext | Ask::Claim { .. });
    (wants && !by.is_empty()).then_some(Step::Refused { by })
}

fn carried_out(operation: &Operation, answered: &Answered, name: &str) -> Option<Step> {
    if matches!(operation.ask, Ask::ReadHolders { consistency: Consistency::Linearizable, .. }) {
        let is_asked = named(operation).iter().any(|asked| asked == name);
        return is_asked.then(|| Step::Shown { by: holders(answered, name) });
    }
    let own = answered.held.iter().find(|held| held.name == name && held.by == operation.session);
    let acquired = |cause| {
        let (by, own) = (operation.session.clone()?, own?);
        Some(Step::Acquired { by, cause, is_exclusive: own.exclusive, fence: own.fence })
    };
    match &operation.ask {
        Ask::Pick { feature } => acquired(Cause::Pick(Some(feature.clone()))),
        Ask::PickNext => {
            // The answer names the feature first.
            let feature = answered.held.first().and_then(|held| held.name.strip_prefix(FEATURE));
            acquired(Cause::Pick(feature.map(str::to_owned)))
        }
        Ask::Claim { feature, .. } => acquired(Cause::Claim(feature.clone())),
        _ => given_back(operation, name),
    }
}

/// The effect of an operation if it was carried out after all.
fn unknown(operation: &Operation, name: &str) -> Option<Step> {
    let is_asked = || named(operation).iter().any(|asked| asked == name);
    let acquired = |cause, is_exclusive| {
        Some(Step::Acquired { by: operation.session.clone()?, cause, is_exclusive, fence: None })
    };
    match &operation.ask {
        // It may have taken any path, and the next one may be any feature.
        Ask::Pick { feature } if is_asked() || !name.starts_with(FEATURE) => {
            acquired(Cause::Pick(Some(feature.clone())), true)
        }
        Ask::PickNext => acquired(Cause::Pick(None), true),
        Ask::Claim { feature, exclusive, .. } if is_asked() => {
            acquired(Cause::Claim(feature.clone()), *exclusive)
        }
        _ => given_back(operation, name),
    }
}

/// The effect of an operation that gives something back. Which paths belong to a feature is known from its pick.
fn given_back(operation: &Operation, name: &str) -> Option<Step> {
    let by = operation.session.clone();
    match &operation.ask {
        Ask::Release { feature } | Ask::Done { feature } => {
            Some(Step::GivenBack { by: Some(by?), feature: feature.clone() })
        }
        Ask::Cancel { feature } => Some(Step::GivenBack { by: None, feature: feature.clone() }),
        Ask::Unclaim { paths } => {
            let is_asked = paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path == name));
            is_asked.then_some(Step::Unclaimed { by: by? })
        }
        Ask::EndSession => Some(Step::Ended { by: by? }),
        Ask::Pick { .. }
        | Ask::PickNext
        | Ask::Claim { .. }
        | Ask::Beat
        | Ask::StartSession
        | Ask::ReadHolders { .. }
        | Ask::Write { .. }
        | Ask::Read { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Held;

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
        operation(by, Ask::Claim { paths: paths(), exclusive: true, feature: None }, times, outcome)
    }

    fn maybe_claims(by: &str, called: u64) -> Operation {
        operation(
            by,
            Ask::Claim { paths: paths(), exclusive: true, feature: None },
            (called, 0),
            OperationOutcome::Unknown,
        )
    }

    fn is_refused(by: &str, times: (u64, u64), holder: &str) -> Operation {
        let outcome = OperationOutcome::Refused(answered(held(Some(holder), None)));
        operation(by, Ask::Claim { paths: paths(), exclusive: true, feature: None }, times, outcome)
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
        assert!(
            report.violations[0].message.contains("db.rs by ben with fence 5"),
            "{}",
            report.violations[0]
        );
    }

    #[test]
    fn a_stale_read_a_wrong_refusal_and_a_lost_claim_are_found() {
        assert!(!is_good(&[claims("ana", (0, 10), 3), shows(None, (11, 12))]));
        assert!(!is_good(&[
            claims("ana", (0, 10), 3),
            releases("ana", (11, 12)),
            is_refused("ben", (13, 14), "ana")
        ]));
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
        assert!(is_good(&[
            maybe_claims("ana", 0),
            shows(Some("ana"), (5, 6)),
            end,
            claims("ben", (7, 8), 3)
        ]));
    }

    #[test]
    fn shared_claims_tolerate_each_other() {
        let shares = |by: &str, times| {
            let held = Held { exclusive: false, ..held(Some(by), None) };
            let ask = Ask::Claim { paths: paths(), exclusive: false, feature: None };
            operation(by, ask, times, OperationOutcome::Ok(answered(held)))
        };
        assert!(is_good(&[shares("ana", (0, 1)), shares("ben", (2, 3))]));
        assert!(!is_good(&[shares("ana", (0, 1)), claims("ben", (2, 3), 3)]));
    }

    #[test]
    fn a_feature_gives_its_paths_back() {
        let pick = |by: &str, times, fence| {
            let feature = Held { name: feature_name("a"), ..held(Some(by), Some(fence)) };
            let answered =
                Answered { held: vec![feature, held(Some(by), Some(fence))], ..Answered::default() };
            operation(by, Ask::PickNext, times, OperationOutcome::Ok(answered))
        };
        let done = |by: &str, times| {
            let ask = Ask::Done { feature: "a".to_owned() };
            operation(by, ask, times, OperationOutcome::Ok(Answered::default()))
        };
        assert!(is_good(&[pick("ana", (0, 1), 3), done("ana", (2, 3)), claims("ben", (4, 5), 6)]));
        assert!(!is_good(&[pick("ana", (0, 1), 3), claims("ben", (4, 5), 6)]));
        // Its session has claimed the path beside the feature, too.
        let both =
            [pick("ana", (0, 1), 3), claims("ana", (2, 3), 4), done("ana", (4, 5)), shows(None, (6, 7))];
        assert!(!is_good(&both));
        let unknown = operation("ana", Ask::PickNext, (0, 0), OperationOutcome::Unknown);
        let refused = is_refused("ben", (2, 3), "ana");
        assert!(is_good(&[unknown, refused, done("ana", (4, 5)), claims("ben", (6, 7), 8)]));
    }
}
