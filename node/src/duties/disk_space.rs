//! Decides which writes the leader takes while disk space is low: those that end or release something always, those
//! that store more only while a quorum has room for them. Never refuses reads.
//!
//! A leader whose own disk is nearly full hands leadership to a voter that has room. A follower whose disk is nearly
//! full is reported, and counts as lost in advance: it may stop, but the quorum must not depend on it.

use crate::{
    membership::change::Membership,
    node::{MemberProgress, Node},
    proposer::Proposer,
    watch::{
        disk::{Disk, mib},
        reports::Reports,
    },
};
use nexus_domain::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// A leader that could not hand over refuses writes that store more for this long before it tries again.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(10);
/// How long one hand-over may delay the leader's other duties.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// The disk of a voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VoterDisk {
    HasRoom,
    IsLow,
    /// The voter does not answer, and is not part of a quorum now.
    IsSilent,
}

/// Whether the voters with room are a quorum, or space is not the reason why there is none.
fn quorum_has_room(voters: &[VoterDisk]) -> bool {
    let count = |kind| voters.iter().filter(|voter| **voter == kind).count();
    count(VoterDisk::IsLow) == 0 || count(VoterDisk::HasRoom) > voters.len() / 2
}

/// Decides whether writes that store more are let in, from tick to tick.
pub(crate) struct SpaceAdmission {
    node: Node,
    disk: Arc<Disk>,
    proposer: Arc<Proposer>,
    membership: Arc<Membership>,
    reports: Arc<Reports>,
    /// When this leader last failed to hand over.
    hand_over_failed: Option<Instant>,
}

impl SpaceAdmission {
    pub(crate) fn new(
        node: Node,
        disk: Arc<Disk>,
        proposer: Arc<Proposer>,
        membership: Arc<Membership>,
        reports: Arc<Reports>,
    ) -> Self {
        Self { node, disk, proposer, membership, reports, hand_over_failed: None }
    }

    /// Lets everything in, on a node that does not lead.
    pub(super) fn clear(&mut self) {
        self.hand_over_failed = None;
        self.proposer.refuse_growth(None);
    }

    /// Decides, on the leader, whether writes that store more are refused. Called regularly.
    pub(super) async fn update(&mut self) {
        let refusal = self.refusal().await;
        let was_refused = self.proposer.refuse_growth(refusal.clone());
        match refusal {
            Some(why) if !was_refused => tracing::error!(%why, "writes that store more are refused"),
            None if was_refused => tracing::info!("writes that store more are taken again"),
            Some(_) | None => {}
        }
    }

    /// Why writes that store more have to be refused now, if they have to. Hands leadership over where that helps.
    async fn refusal(&mut self) -> Option<String> {
        if !self.disk.is_low() {
            return self.others_are_low();
        }
        let failed_lately = self.hand_over_failed.is_some_and(|at| at.elapsed() < HAND_OVER_PAUSE);
        let successor = self.reports.successors().next().filter(|_| !failed_lately);
        match successor {
            Some(to) if self.hand_over(to).await => None,
            _ => Some(self.own_disk_is_low()),
        }
    }

    async fn hand_over(&mut self, to: NodeId) -> bool {
        tracing::warn!(%to, "this node's disk is nearly full: handing leadership to one that has room");
        if let Ok(Ok(_)) = timeout(HAND_OVER_TIMEOUT, self.membership.transfer_leader(Some(to))).await {
            return true;
        }
        self.hand_over_failed = Some(Instant::now());
        false
    }

    fn own_disk_is_low(&self) -> String {
        format!(
            "the disk of node {} is nearly full: {} MiB are free, {} MiB are kept back. {LOW_DISK_ADVICE}",
            self.node.id,
            mib(self.disk.free()),
            mib(self.disk.low_mark()),
        )
    }

    fn others_are_low(&self) -> Option<String> {
        let mut low = Vec::new();
        let members = self.node.members();
        let disk_of = |voter: &MemberProgress| {
            if voter.id == self.node.id {
                return VoterDisk::HasRoom;
            }
            if !voter.is_alive {
                return VoterDisk::IsSilent;
            }
            match self.reports.of(voter.id).filter(|report| report.disk_low) {
                Some(report) => {
                    low.push(format!("node {} with {} MiB free", voter.id, mib(report.disk_free)));
                    VoterDisk::IsLow
                }
                None => VoterDisk::HasRoom,
            }
        };
        let voters: Vec<VoterDisk> = members.iter().filter(|member| member.is_voter).map(disk_of).collect();
        (!quorum_has_room(&voters)).then(|| {
            format!("no quorum without a disk that is nearly full: {}. {LOW_DISK_ADVICE}", low.join(", "))
        })
    }
}

const LOW_DISK_ADVICE: &str = "Free space there or give it a larger disk; until then reading, heartbeats, release, done \
                          and cancel go on, and nothing new is taken";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_must_not_depend_on_a_disk_that_is_nearly_full() {
        use VoterDisk::{HasRoom, IsLow, IsSilent};
        assert!(quorum_has_room(&[HasRoom, HasRoom, IsLow]));
        assert!(!quorum_has_room(&[HasRoom, IsLow, IsLow]));
        assert!(!quorum_has_room(&[HasRoom, IsLow, IsSilent]));
        assert!(quorum_has_room(&[HasRoom, HasRoom, HasRoom, IsLow, IsSilent]));
        // There is no quorum for another reason than space.
        assert!(quorum_has_room(&[HasRoom, IsSilent, IsSilent]));
        assert!(quorum_has_room(&[HasRoom]));
    }
}
