//! Requests that were sent again: operations with the same identity are one request, which takes effect once at most.

use crate::history::{Operation, OperationOutcome};
use std::collections::BTreeMap;

/// The requests of a history, each once. The answer to a retry is that of the first application, so that it may have
/// taken effect at any time since it was first sent. What certainly was not applied is left out.
pub(super) fn requests(operations: &[Operation]) -> Vec<Operation> {
    let mut retries: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let mut requests = Vec::new();
    for operation in operations.iter().filter(|operation| operation.outcome != OperationOutcome::NotApplied) {
        match &operation.identity {
            Some(identity) => retries.entry(identity).or_default().push(operation),
            None => requests.push(operation.clone()),
        }
    }
    requests.extend(retries.into_values().flat_map(|tries| once(&tries)));
    requests.sort_by_key(|operation| operation.called_us);
    requests
}

/// The different answers to one request, and what became of it if they do not say so.
fn once(tries: &[&Operation]) -> Vec<Operation> {
    let called_us = tries.iter().map(|operation| operation.called_us).min().unwrap_or(0);
    let mut answered: Vec<Operation> = Vec::new();
    for operation in tries.iter().filter(|operation| operation.answered().is_some()) {
        match answered.iter_mut().find(|known| is_same(known, operation)) {
            Some(known) => known.returned_us = known.returned_us.min(operation.returned_us),
            None => answered.push(Operation { called_us, ..(*operation).clone() }),
        }
    }
    // A retry may be refused although the request was carried out before: its sender has lost a right meanwhile.
    let is_carried_out = answered.iter().any(|known| matches!(known.outcome, OperationOutcome::Ok(_)));
    let unknown = tries.iter().find(|operation| operation.outcome == OperationOutcome::Unknown);
    if let Some(unknown) = unknown.filter(|_| !is_carried_out) {
        answered.push(Operation { called_us, returned_us: None, ..(*unknown).clone() });
    }
    answered
}

fn is_same(one: &Operation, other: &Operation) -> bool {
    let is_ok = |operation: &Operation| matches!(operation.outcome, OperationOutcome::Ok(_));
    let held = |operation: &Operation| operation.answered().map(|answered| answered.held.clone());
    is_ok(one) == is_ok(other) && held(one) == held(other)
}
