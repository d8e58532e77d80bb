//! Moves leadership to the member with the highest priority, once it has been well for some time, and away from a
//! drained one. A member whose network comes and goes gets it back less and less soon: each move costs the cluster a
//! moment without a leader.

use crate::{membership::change::Membership, node::Node, watch::reports::Reports};
use nexus_domain::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

/// A member has to be well for this long without a break.
const MIN_PATIENCE: Duration = Duration::from_secs(5);
/// The longest that it ever has to.
const MAX_PATIENCE: Duration = Duration::from_secs(300);
/// A member that lost leadership this soon after it got it has to be well for twice as long the next time.
const TOO_SOON: Duration = Duration::from_secs(60);
/// The time without a move after which earlier moves are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// The shortest time between two moves.
const PAUSE: Duration = Duration::from_secs(30);
/// Shortest limit of the wait for a member to take over. Until it does, nothing else is proposed either.
const MIN_MOVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A member with a higher priority than the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Preferred {
    id: NodeId,
    priority: u8,
    /// Whether it could lead well now.
    is_well: bool,
}

/// Decides when to move, from observations alone.
#[derive(Debug)]
struct Preference {
    /// The best member that is well, and since when.
    candidate: Option<(NodeId, Instant)>,
    patience: Duration,
    moved: Option<Instant>,
}

impl Preference {
    fn new() -> Self {
        Self { candidate: None, patience: MIN_PATIENCE, moved: None }
    }

    /// This node leads from now on, perhaps again.
    fn leads_anew(&mut self, now: Instant) {
        self.candidate = None;
        let Some(ago) = self.moved.map(|moved| now.saturating_duration_since(moved)) else { return };
        if ago < TOO_SOON {
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
        } else if ago >= FORGOTTEN_AFTER {
            self.patience = MIN_PATIENCE;
        }
    }

    /// The member that should lead, if it is time to move.
    fn next(&mut self, now: Instant, preferred: &[Preferred]) -> Option<NodeId> {
        let well = preferred.iter().filter(|member| member.is_well);
        let best = well.max_by_key(|member| (member.priority, std::cmp::Reverse(member.id)));
        let Some(best) = best.map(|best| best.id) else {
            self.candidate = None;
            return None;
        };
        let (_, since) = *self.candidate.insert(match self.candidate {
            Some((id, since)) if id == best => (id, since),
            _ => (best, now),
        });
        let is_due = now.saturating_duration_since(since) >= self.patience
            && self.moved.is_none_or(|moved| now.saturating_duration_since(moved) >= PAUSE);
        if is_due {
            self.moved = Some(now);
        }
        is_due.then_some(best)
    }
}

/// Moves leadership while this node leads.
pub(super) struct PreferredLeader {
    node: Node,
    membership: Arc<Membership>,
    reports: Arc<Reports>,
    preference: Preference,
}

impl PreferredLeader {
    pub(super) fn new(node: Node, membership: Arc<Membership>, reports: Arc<Reports>) -> Self {
        Self { node, membership, reports, preference: Preference::new() }
    }

    /// This node leads from now on.
    pub(super) fn leads_anew(&mut self) {
        self.preference.leads_anew(Instant::now());
    }

    /// Moves leadership if it is time for that. Called regularly.
    pub(super) async fn check(&mut self) {
        // A drained leader, which was elected all the same, prefers everybody to itself.
        let own = (!self.node.is_draining()).then(|| self.reports.priority_of(self.node.id));
        let mut preferred = Vec::new();
        for member in self.node.members() {
            let priority = self.reports.priority_of(member.id);
            if member.id != self.node.id && Some(priority) > own {
                // Under load, some entries are always under way: the move itself waits for the last of them.
                let answers = member.last_seen.is_some_and(|seen| seen <= self.node.timing.lease());
                let is_well = member.can_lead()
                    && answers
                    && self.reports.has_good_disk(member.id)
                    && !self.reports.is_draining(member.id);
                preferred.push(Preferred { id: member.id, priority, is_well });
            }
        }
        // While members change, the next check is soon enough.
        let Some(_guard) = self.membership.try_freeze() else { return };
        let Some(to) = self.preference.next(Instant::now(), &preferred) else { return };
        let longest = MIN_MOVE_TIMEOUT.max(self.node.timing.lease());
        match timeout(longest, self.membership.transfer_leader(Some(to))).await {
            Ok(Ok(_)) => tracing::info!(%to, "leadership moved to the member with the highest priority"),
            Ok(Err(why)) => {
                tracing::warn!(%to, ?why, "leadership not moved to the member with the highest priority");
            }
            Err(_) => tracing::warn!(%to, "the member with the highest priority has not taken over in time"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NEVER: [u32; 0] = [];

    fn member(id: u64, priority: u8, is_well: bool) -> Preferred {
        Preferred { id: NodeId(id), priority, is_well }
    }

    /// The second, of so many, at which a move is due; each second shows these members.
    fn moves(
        preference: &mut Preference,
        start: Instant,
        seconds: u32,
        seen: impl Fn(u32) -> Vec<Preferred>,
    ) -> Vec<u32> {
        (0..seconds).filter(|at| preference.next(start + SECOND * *at, &seen(*at)).is_some()).collect()
    }

    #[test]
    fn the_highest_priority_leads_once_it_has_been_well_for_five_seconds() {
        let (start, mut preference) = (Instant::now(), Preference::new());
        let both = |_| vec![member(1, 150, true), member(2, 200, true), member(3, 200, true)];
        assert_eq!(moves(&mut preference, start, 8, both), [5]);
        assert_eq!(preference.candidate.map(|(id, _)| id), Some(NodeId(2)), "of two equal ones, the first");
        assert_eq!(moves(&mut Preference::new(), start, 100, |_| vec![member(2, 200, false)]), NEVER);
        assert_eq!(moves(&mut Preference::new(), start, 100, |_| Vec::new()), NEVER);
    }

    #[test]
    fn a_link_that_comes_and_goes_every_few_seconds_moves_nothing() {
        let flapping = |at: u32| vec![member(2, 200, !at.is_multiple_of(5))];
        assert_eq!(moves(&mut Preference::new(), Instant::now(), 600, flapping), NEVER);
    }

    #[test]
    fn one_that_loses_leadership_soon_waits_longer_each_time_and_is_forgiven_later() {
        let (start, mut preference) = (Instant::now(), Preference::new());
        let well = |_| vec![member(2, 200, true)];
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let mut seconds = 0..400;
            let waited =
                seconds.find(|at| preference.next(now + SECOND * *at, &well(*at)).is_some()).unwrap();
            waits.push(waited);
            // It leads for some seconds, and this node again.
            now += SECOND * (waited + 10);
            preference.leads_anew(now);
        }
        // The third wait is the pause between two moves, less the ten seconds that it led.
        assert_eq!(waits, [5, 20, 20, 40, 80, 160, 300, 300]);
        now += FORGOTTEN_AFTER + PAUSE;
        preference.leads_anew(now);
        assert_eq!(moves(&mut preference, now, 10, well), [5]);
    }
}
