//! What the leader lets into the log while space is low: what ends or gives back always, what grows
//! only while a quorum has room for it. Never decides about reads; they go on.
//!
//! A leader whose own disk is nearly full hands leadership to a voter that has room. A follower that is
//! nearly full is shown, and taken for lost in advance: it may stop, but it must not be needed.

use crate::{disk::mib, node::Node};
use nexus_domain::{Command, NodeId, Proposal, RulesVersion, decide::TOO_NEW};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// A leader that could not hand over refuses what grows for this long before it tries again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// How long one hand-over may hold up what else a leader does.
const HAND_OVER: Duration = Duration::from_secs(2);

/// What is refused now, and why.
#[derive(Default)]
pub(crate) struct Admission(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    refusal: Option<Arc<str>>,
    hand_over_failed: Option<Instant>,
}

impl Admission {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing that grows is let in; none when it is.
    pub(crate) fn refusal(&self) -> Option<Arc<str>> {
        self.lock().refusal.clone()
    }
}

/// Whether a command makes the cluster keep more than before. What is not known to end something
/// counts as growth: a new command is refused on a full disk until someone has thought about it.
const fn grows(command: &Command) -> bool {
    !matches!(
        command,
        Command::Tick
            | Command::Heartbeats { .. }
            | Command::ReleaseFeature { .. }
            | Command::CompleteFeature { .. }
            | Command::CancelFeature { .. }
            | Command::DeleteFeature { .. }
            | Command::DeleteProject { .. }
            | Command::DeleteEngineer { .. }
            | Command::ReleasePaths { .. }
            | Command::RefreshClaims { .. }
            | Command::ForceRelease { .. }
            | Command::EndSession { .. }
            | Command::RevokeKey { .. }
            | Command::ChangeRole { .. }
            | Command::RemoveMember { .. }
            | Command::RedeemTicket { .. }
            // What an operator needs to get out of it: a node with a larger disk, less history.
            | Command::UpdateSettings { .. }
            | Command::CreateJoinToken { .. }
            | Command::AdmitNode { .. }
            | Command::FormCluster { .. }
            // Of an operation on the cluster, which is done by then.
            | Command::KeepAnswer { .. }
            | Command::RaiseRules(_)
    )
}

/// A voter, as far as its disk matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voter {
    HasRoom,
    IsLow,
    /// It cannot help to a quorum now.
    IsSilent,
}

/// Whether the voters with room are a quorum, or are none for other reasons than space.
fn quorum_has_room(voters: &[Voter]) -> bool {
    let count = |kind| voters.iter().filter(|voter| **voter == kind).count();
    count(Voter::IsLow) == 0 || count(Voter::HasRoom) > voters.len() / 2
}

impl Node {
    /// Why this proposal is not let in now. One that was applied before is: it only gets its answer.
    pub(crate) fn refuses(&self, proposal: &Proposal) -> Option<Arc<str>> {
        if self.is_too_new(&proposal.command) {
            return Some(TOO_NEW.into());
        }
        if !grows(&proposal.command) {
            return None;
        }
        let refusal = self.admission.refusal()?;
        let published = self.published();
        let is_retry = proposal.request.as_ref().is_some_and(|request| published.state.has_answered(request));
        (!is_retry).then_some(refusal)
    }

    /// Whether not every member knows this command yet.
    pub(crate) fn is_too_new(&self, command: &Command) -> bool {
        let since = command.since();
        since > RulesVersion::FIRST && since > self.published().state.rules()
    }

    /// A node that does not lead refuses nothing.
    pub(crate) fn admit_all(&self) {
        let mut admission = self.admission.lock();
        admission.refusal = None;
        admission.hand_over_failed = None;
    }

    /// On the leader, now and then: decides what is let in, and hands over where that helps.
    pub(crate) async fn mind_the_disk(&self) {
        let refusal = if self.disk.is_low() {
            let failed_lately =
                self.admission.lock().hand_over_failed.is_some_and(|at| at.elapsed() < TRY_AGAIN);
            let successor = self.successors().next().filter(|_| !failed_lately);
            match successor {
                Some(to) if self.hand_over_for_room(to).await => None,
                _ => Some(self.own_disk_is_low()),
            }
        } else {
            self.others_are_low()
        };
        let mut admission = self.admission.lock();
        if admission.refusal.is_some() != refusal.is_some() {
            match &refusal {
                Some(why) => tracing::error!(%why, "writes that grow are refused"),
                None => tracing::info!("writes that grow are let in again"),
            }
        }
        admission.refusal = refusal.map(Arc::from);
    }

    async fn hand_over_for_room(&self, to: NodeId) -> bool {
        tracing::warn!(%to, "this node's disk is nearly full: handing leadership to one that has room");
        if let Ok(Ok(_)) = timeout(HAND_OVER, self.transfer_leader(Some(to))).await {
            return true;
        }
        self.admission.lock().hand_over_failed = Some(Instant::now());
        false
    }

    fn own_disk_is_low(&self) -> String {
        format!(
            "the disk of node {} is nearly full: {} MiB are free, {} MiB are kept back. {WHAT_TO_DO}",
            self.id,
            mib(self.disk.free()),
            mib(self.disk.low_mark()),
        )
    }

    fn others_are_low(&self) -> Option<String> {
        let mut low = Vec::new();
        let voters: Vec<Voter> = self
            .voters_heard()
            .map(|(id, is_alive)| {
                if id == self.id {
                    return Voter::HasRoom;
                }
                if !is_alive {
                    return Voter::IsSilent;
                }
                match self.reports.of(id).filter(|report| report.disk_low) {
                    Some(report) => {
                        low.push(format!("node {id} with {} MiB free", mib(report.disk_free)));
                        Voter::IsLow
                    }
                    None => Voter::HasRoom,
                }
            })
            .collect();
        (!quorum_has_room(&voters)).then(|| {
            format!("no quorum without a disk that is nearly full: {}. {WHAT_TO_DO}", low.join(", "))
        })
    }
}

const WHAT_TO_DO: &str = "Free space there or give it a larger disk; until then reading, heartbeats, release, done \
                          and cancel go on, and nothing new is taken";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_must_not_depend_on_a_disk_that_is_nearly_full() {
        use Voter::{HasRoom, IsLow, IsSilent};
        assert!(quorum_has_room(&[HasRoom, HasRoom, IsLow]));
        assert!(!quorum_has_room(&[HasRoom, IsLow, IsLow]));
        assert!(!quorum_has_room(&[HasRoom, IsLow, IsSilent]));
        assert!(quorum_has_room(&[HasRoom, HasRoom, HasRoom, IsLow, IsSilent]));
        // Without a quorum for other reasons, space is not what is in the way.
        assert!(quorum_has_room(&[HasRoom, IsSilent, IsSilent]));
        assert!(quorum_has_room(&[HasRoom]));
    }

    #[test]
    fn what_ends_something_is_no_growth() {
        let project = nexus_domain::ProjectId::MIN;
        let slug: nexus_domain::short_text::Slug = nexus_domain::short_text::Slug::parse("a").unwrap();
        assert!(!grows(&Command::Tick));
        assert!(!grows(&Command::ReleaseFeature { project, slug: slug.clone() }));
        let digest = nexus_domain::entity::TokenDigest([7; 32]);
        assert!(!grows(&Command::RedeemTicket { digest }), "it uses one up");
        assert!(grows(&Command::IssueTicket { digest }));
        let role = nexus_domain::entity::Role::Readonly;
        assert!(!grows(&Command::ChangeRole { engineer: nexus_domain::EngineerId::MIN, role }));
        assert!(!grows(&Command::DeleteProject { project }));
        assert!(!grows(&Command::DeleteEngineer { engineer: nexus_domain::EngineerId::MIN }));
        assert!(grows(&Command::PickFeature { project, slug: slug.clone() }));
        assert!(grows(&Command::ReadyFeature { project, slug }));
    }
}
