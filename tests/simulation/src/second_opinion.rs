//! A second opinion about a run: whether some order of what the clients asked explains all that they heard about who
//! holds what, and about which sessions live. It knows neither the log nor what the nodes have applied, nor the rules'
//! own code.

use crate::{
    history::{LEASE_TOLERANCE, micros, operation},
    team::{ask, people::LEASE},
};
use nexus_oracles::{
    history::Operation,
    order::{HoldersReport, check_holders, possible_ends},
};

/// Judges what the clients saw.
pub fn judge(operations: &[ask::Operation]) -> HoldersReport {
    check_holders(&history(operations))
}

/// All that may change a holder: what the clients asked, and the ends of leases. In these runs nobody is removed, no
/// project is deleted and no feature changes its paths.
pub fn history(operations: &[ask::Operation]) -> Vec<Operation> {
    let mut history: Vec<Operation> = operations.iter().map(operation).collect();
    let ends = possible_ends(&history, micros(LEASE), LEASE_TOLERANCE);
    history.extend(ends);
    history
}
