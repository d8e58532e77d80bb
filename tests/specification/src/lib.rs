//! A specification of Nexus, small enough to try everything that can happen: how claims, fences and leases stay right
//! while leaders change, clocks differ, nodes restart and requests are repeated.
//!
//! - [`machine`] is the state machine: what each node makes of the same log.
//! - [`cluster`] is everything around it that can go wrong, as steps, and the properties that hold after each of them.
//! - [`checker`] tries all orders of these steps, and shows a shortest way to a state where a property does not hold.
//!
//! There are three nodes, two agents and one file. Raft is as coarse as possible: an election and a replication are one
//! step each, and a replicated log is copied as a whole. Left out are snapshots, changes of the membership, patterns of
//! files, and the disk below the log; the tests of `raft-store` are about these.
//!
//! The tests plant one [`Mistake`] after the other, and the checker has to find each of them.

#![cfg(test)]

mod checker;
mod cluster;
mod machine;
mod tests;

/// A mistake in the design. Each breaks a property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    /// The design as it is.
    AsDesigned,
    /// A leader takes its own clock for cluster time, and does not continue from the last known time.
    LeaderUsesItsOwnClock,
    /// An agent trusts its claim for the whole length of the lease, although its clock may be slow.
    AgentIgnoresClockRates,
    /// A leader, deposed or not, checks a claim in its own log, and answers before a majority has the entry.
    AnswerComesBeforeTheCommit,
    /// A leader checks a claim when it proposes it, and applying the entry does not check it again.
    ClaimIsCheckedBeforeItIsLogged,
    /// A leader counts fences from the beginning of its term.
    FenceCountsFromTheTerm,
    /// A request that is applied twice is decided twice.
    RepliesAreNotCached,
    /// A heartbeat of a session that is over is answered as if there were something to renew.
    LateHeartbeatRenews,
    /// A node forgets its vote in a restart.
    VoteIsForgotten,
    /// A node forgets its last entry in a restart.
    EntryIsForgotten,
    /// A leader commits an entry of an earlier term because a majority has it (figure 8 of the paper on Raft).
    OldTermIsCommitted,
}
