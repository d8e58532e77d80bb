//! The part of an operation and its answer that is about one feature or one path.

use super::search::Interval;
use crate::history::{Answered, Ask, Consistency, FEATURE, Held, Operation, OperationOutcome, feature_name};
use std::collections::{BTreeMap, BTreeSet};

/// Why a session holds something: what gives it back again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Cause {
    /// A claim of the session, for a feature or alone.
    Claim(Option<String>),
    /// The pick of a feature; `None` if nobody knows of which.
    Pick(Option<String>),
}

/// A change of who holds one feature or path, or an answer that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The session got it, with this fence if it is known.
    Acquired { by: String, cause: Cause, is_exclusive: bool, fence: Option<u64> },
    /// All of these sessions are in the way.
    Refused { by: BTreeSet<String> },
    /// The session gave a feature back; `None` stands for whichever session holds it.
    GivenBack { by: Option<String>, feature: String },
    /// The same, and it may be the feature that the session picked without hearing which.
    MaybeGivenBack { by: Option<String> },
    /// The session gave its claims back.
    Unclaimed { by: String },
    /// Everybody lost it.
    TakenAway,
    /// The session is over.
    Ended { by: String },
    /// A read shows these holders.
    Shown { by: BTreeSet<String> },
}

/// The features and paths that an operation is about, as answers name them.
pub(super) fn named(operation: &Operation) -> Vec<String> {
    let asked: Vec<String> = match &operation.ask {
        Ask::Pick { feature }
        | Ask::Release { feature }
        | Ask::Done { feature }
        | Ask::Cancel { feature } => {
            vec![feature_name(feature)]
        }
        Ask::Claim { paths, .. } | Ask::Unclaim { paths: Some(paths) } | Ask::ForceRelease { paths } => {
            paths.clone()
        }
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

/// Whether an operation asks about this feature or path.
fn asks_about(operation: &Operation, name: &str) -> bool {
    let paths = match &operation.ask {
        Ask::Pick { feature }
        | Ask::Release { feature }
        | Ask::Done { feature }
        | Ask::Cancel { feature } => return name.strip_prefix(FEATURE) == Some(feature),
        Ask::Claim { paths, .. } | Ask::Unclaim { paths: Some(paths) } | Ask::ForceRelease { paths } => paths,
        Ask::ReadHolders { of, .. } => of,
        Ask::PickNext
        | Ask::Unclaim { paths: None }
        | Ask::Beat
        | Ask::StartSession
        | Ask::EndSession
        | Ask::Write { .. }
        | Ask::Read { .. } => return false,
    };
    paths.iter().any(|path| path == name)
}

/// The knowledge that the history as a whole gives about a single operation.
pub(super) struct Known {
    /// The paths of each feature that somebody is known to have picked.
    paths: BTreeMap<String, BTreeSet<String>>,
    /// The sessions that may have picked a feature without hearing which.
    picked_unknown: BTreeSet<String>,
}

impl Known {
    pub(super) fn of(requests: &[&Operation]) -> Self {
        let mut known = Self { paths: BTreeMap::new(), picked_unknown: BTreeSet::new() };
        for request in requests {
            match (&request.ask, &request.outcome) {
                (Ask::Pick { .. } | Ask::PickNext, OperationOutcome::Ok(answered)) => {
                    if let Some(feature) = picked(answered) {
                        let paths = answered.held.iter().map(|held| held.name.clone()).collect();
                        known.paths.insert(feature, paths);
                    }
                }
                (Ask::PickNext, OperationOutcome::Unknown) => {
                    known.picked_unknown.extend(request.session.clone());
                }
                _ => {}
            }
        }
        known
    }

    /// The parts of an operation that are about one feature or path, and when each took effect.
    pub(super) fn steps(&self, operation: &Operation, name: &str) -> Vec<Interval<Step>> {
        let (step, returned) = match &operation.outcome {
            OperationOutcome::NotApplied => (None, None),
            OperationOutcome::Unknown => (self.unknown(operation, name), None),
            OperationOutcome::Ok(answered) => (carried_out(operation, answered, name), operation.returned_us),
            OperationOutcome::Refused(answered) => {
                (refused(operation, answered, name), operation.returned_us)
            }
        };
        let called = operation.called_us;
        let mut steps = Vec::new();
        // Nobody knows whether it is the feature of a pick whose answer was lost.
        if let Some(Step::GivenBack { by, .. }) = &step
            && by.as_ref().map_or(!self.picked_unknown.is_empty(), |by| self.picked_unknown.contains(by))
        {
            let operation = Step::MaybeGivenBack { by: by.clone() };
            steps.push(Interval { called, returned: None, operation });
        }
        steps.extend(step.map(|operation| Interval { called, returned, operation }));
        steps
    }

    /// The effect of an operation if it was carried out after all.
    fn unknown(&self, operation: &Operation, name: &str) -> Option<Step> {
        let acquired = |cause, is_exclusive| {
            Some(Step::Acquired { by: operation.session.clone()?, cause, is_exclusive, fence: None })
        };
        let feature_of_name = name.strip_prefix(FEATURE);
        match &operation.ask {
            Ask::Pick { feature } if feature_of_name.is_some() => {
                let is_asked = feature_of_name == Some(feature);
                is_asked.then(|| acquired(Cause::Pick(Some(feature.clone())), true))?
            }
            // Nobody knows in which way: shared fits all that exclusive fits.
            Ask::Pick { feature } => {
                let may_be_of_it = self.paths.get(feature).is_none_or(|paths| paths.contains(name));
                may_be_of_it.then(|| acquired(Cause::Pick(Some(feature.clone())), false))?
            }
            Ask::PickNext => {
                acquired(Cause::Pick(feature_of_name.map(str::to_owned)), feature_of_name.is_some())
            }
            Ask::Claim { feature, exclusive, .. } if asks_about(operation, name) => {
                acquired(Cause::Claim(feature.clone()), *exclusive)
            }
            _ => given_back(operation, name),
        }
    }
}

/// The feature of a pick: the answer names it first.
fn picked(answered: &Answered) -> Option<String> {
    answered.held.first().and_then(|held| held.name.strip_prefix(FEATURE)).map(str::to_owned)
}

/// The sessions that an answer shows as holders.
fn holders(answered: &Answered, name: &str) -> BTreeSet<String> {
    let of_it = answered.held.iter().filter(|held| held.name == name);
    of_it.filter_map(|held| held.by.clone()).collect()
}

fn refused(operation: &Operation, answered: &Answered, name: &str) -> Option<Step> {
    let by = holders(answered, name);
    let names_holders = matches!(
        operation.ask,
        Ask::Pick { .. } | Ask::PickNext | Ask::Claim { .. } | Ask::Release { .. } | Ask::Done { .. }
    );
    (names_holders && !by.is_empty()).then_some(Step::Refused { by })
}

fn carried_out(operation: &Operation, answered: &Answered, name: &str) -> Option<Step> {
    let own = || answered.held.iter().find(|held| held.name == name && held.by == operation.session);
    let acquired = |cause, Held { exclusive, fence, .. }: &Held| {
        let by = operation.session.clone()?;
        Some(Step::Acquired { by, cause, is_exclusive: *exclusive, fence: *fence })
    };
    match &operation.ask {
        Ask::ReadHolders { consistency: Consistency::Linearizable, .. } => {
            asks_about(operation, name).then(|| Step::Shown { by: holders(answered, name) })
        }
        Ask::Pick { feature } => acquired(Cause::Pick(Some(feature.clone())), own()?),
        Ask::PickNext => acquired(Cause::Pick(picked(answered)), own()?),
        Ask::Claim { feature, .. } => acquired(Cause::Claim(feature.clone()), own()?),
        _ => given_back(operation, name),
    }
}

/// The effect of an operation that gives something back. Which paths belong to a feature is known from its pick.
fn given_back(operation: &Operation, name: &str) -> Option<Step> {
    let by = operation.session.clone();
    match &operation.ask {
        Ask::Release { feature } | Ask::Done { feature } => {
            Some(Step::GivenBack { by, feature: feature.clone() })
        }
        Ask::Cancel { feature } => Some(Step::GivenBack { by: None, feature: feature.clone() }),
        Ask::Unclaim { paths } => {
            let is_asked = paths.is_none() || asks_about(operation, name);
            is_asked.then_some(Step::Unclaimed { by: by? })
        }
        Ask::ForceRelease { .. } => asks_about(operation, name).then_some(Step::TakenAway),
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
