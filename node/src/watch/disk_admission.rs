//! Decides which writes the leader takes while disk space is low: those that end or release something always, those
//! that store more only while a quorum has room for them. Never refuses reads.
//!
//! A leader whose own disk is nearly full hands leadership to a voter that has room. A follower whose disk is nearly
//! full is reported, and counts as lost in advance: it may stop, but the quorum must not depend on it.

use crate::{node::Node, watch::disk::mib};
use nexus_domain::{Command, NodeId, Proposal, RulesVersion, decide::TOO_NEW};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// A leader that could not hand over refuses writes that store more for this long before it tries again.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(10);
/// How long one hand-over may delay the leader's other duties.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Why writes that store more are refused now, if they are.
#[derive(Default)]
pub(crate) struct DiskAdmission(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    refusal: Option<Arc<str>>,
    hand_over_failed: Option<Instant>,
}

impl DiskAdmission {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why writes that store more are refused; none when they are taken.
    pub(crate) fn refusal(&self) -> Option<Arc<str>> {
        self.lock().refusal.clone()
    }
}

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

impl Node {
    /// Why this proposal is refused now, if it is. A retry of one that was applied is never refused: it only gets its
    /// answer.
    pub(crate) fn refusal_of(&self, proposal: &Proposal) -> Option<Arc<str>> {
        if self.is_too_new(&proposal.command) {
            return Some(TOO_NEW.into());
        }
        if !proposal.command.facts().grows {
            return None;
        }
        let refusal = self.disk_admission.refusal()?;
        let published = self.published();
        let is_retry = proposal.request.as_ref().is_some_and(|request| published.state.has_answered(request));
        (!is_retry).then_some(refusal)
    }

    /// Whether the command needs a rules version that not every member knows yet.
    pub(crate) fn is_too_new(&self, command: &Command) -> bool {
        let since = command.facts().since;
        since > RulesVersion::FIRST && since > self.published().state.rules()
    }

    /// Clears the refusal, on a node that does not lead.
    pub(crate) fn clear_disk_refusal(&self) {
        let mut admission = self.disk_admission.lock();
        admission.refusal = None;
        admission.hand_over_failed = None;
    }

    /// Decides, on the leader, whether writes that store more are refused, and hands leadership over where that helps.
    /// Called regularly.
    pub(crate) async fn update_disk_admission(&self) {
        let refusal = if self.disk.is_low() {
            let failed_lately =
                self.disk_admission.lock().hand_over_failed.is_some_and(|at| at.elapsed() < HAND_OVER_PAUSE);
            let successor = self.successors().next().filter(|_| !failed_lately);
            match successor {
                Some(to) if self.hand_over_for_room(to).await => None,
                _ => Some(self.own_disk_is_low()),
            }
        } else {
            self.others_are_low()
        };
        let mut admission = self.disk_admission.lock();
        if admission.refusal.is_some() != refusal.is_some() {
            match &refusal {
                Some(why) => tracing::error!(%why, "writes that store more are refused"),
                None => tracing::info!("writes that store more are taken again"),
            }
        }
        admission.refusal = refusal.map(Arc::from);
    }

    async fn hand_over_for_room(&self, to: NodeId) -> bool {
        tracing::warn!(%to, "this node's disk is nearly full: handing leadership to one that has room");
        if let Ok(Ok(_)) = timeout(HAND_OVER_TIMEOUT, self.transfer_leader(Some(to))).await {
            return true;
        }
        self.disk_admission.lock().hand_over_failed = Some(Instant::now());
        false
    }

    fn own_disk_is_low(&self) -> String {
        format!(
            "the disk of node {} is nearly full: {} MiB are free, {} MiB are kept back. {LOW_DISK_ADVICE}",
            self.id,
            mib(self.disk.free()),
            mib(self.disk.low_mark()),
        )
    }

    fn others_are_low(&self) -> Option<String> {
        let mut low = Vec::new();
        let voters: Vec<VoterDisk> = self
            .voters_with_liveness()
            .map(|(id, is_alive)| {
                if id == self.id {
                    return VoterDisk::HasRoom;
                }
                if !is_alive {
                    return VoterDisk::IsSilent;
                }
                match self.reports.of(id).filter(|report| report.disk_low) {
                    Some(report) => {
                        low.push(format!("node {id} with {} MiB free", mib(report.disk_free)));
                        VoterDisk::IsLow
                    }
                    None => VoterDisk::HasRoom,
                }
            })
            .collect();
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
