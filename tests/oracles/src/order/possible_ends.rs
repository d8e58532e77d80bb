//! The ends that sessions may have had without being asked.

use super::{LeaseTolerance, requests::requests};
use crate::history::{Ask, Operation, OperationOutcome};
use std::collections::BTreeMap;

/// An end of unknown outcome for each session of a history, called when its lease can run out at the earliest: this
/// long after the call of the last request that is known to have renewed it. `lease_us` is the length of the shortest
/// lease that a session can have, with the grace after it.
pub fn possible_ends(operations: &[Operation], lease_us: u64, tolerance: LeaseTolerance) -> Vec<Operation> {
    let mut earliest: BTreeMap<String, u64> = BTreeMap::new();
    for request in requests(operations) {
        let Some(session) = &request.session else { continue };
        // A session that nobody renews lives for a lease, too, but nobody knows from when on.
        let at = if renews(&request) { request.called_us + least(lease_us, tolerance) } else { 0 };
        let known = earliest.entry(session.clone()).or_default();
        *known = at.max(*known);
    }
    let clients = operations.iter().map(|operation| operation.client + 1).max().unwrap_or(0);
    let end = |(client, (session, called_us))| Operation {
        client,
        node: 0,
        node_start: None,
        called_us,
        returned_us: None,
        project: None,
        session: Some(session),
        identity: None,
        ask: Ask::EndSession,
        outcome: OperationOutcome::Unknown,
    };
    (clients..).zip(earliest).map(end).collect()
}

/// Whether a request has certainly renewed the lease of its session.
fn renews(request: &Operation) -> bool {
    let is_of_session = match &request.ask {
        Ask::Pick { .. }
        | Ask::PickNext
        | Ask::Release { .. }
        | Ask::Done { .. }
        | Ask::Claim { .. }
        | Ask::Unclaim { .. }
        | Ask::Beat
        | Ask::StartSession => true,
        Ask::Cancel { .. }
        | Ask::ForceRelease { .. }
        | Ask::EndSession
        | Ask::ReadHolders { .. }
        | Ask::Write { .. }
        | Ask::Read { .. } => false,
    };
    is_of_session && matches!(request.outcome, OperationOutcome::Ok(_))
}

const fn least(lease_us: u64, tolerance: LeaseTolerance) -> u64 {
    (lease_us - lease_us * tolerance.drift_ppm / 1_000_000).saturating_sub(tolerance.error_us)
}
