//! Raises the rules version of the cluster once every member has reported that it knows a newer one.

use crate::{
    membership::change::Membership,
    node::Node,
    proposer::{ProposeOutcome, Proposer},
    watch::reports::Reports,
};
use nexus_domain::{NodeId, RulesVersion, command};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// The time between two log lines about the nodes that keep the cluster on older rules.
const OLD_RULES_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Nodes of which nothing is known are logged after this time: a node that has just started reports soon.
const FIRST_LOG_DELAY: Duration = Duration::from_secs(10);

/// Longest wait for a quorum that acknowledges the raise. The next check tries again.
const RAISE_TIMEOUT: Duration = Duration::from_secs(1);

/// Raises the rules version.
pub(super) struct RulesUpgrade {
    node: Node,
    proposer: Arc<Proposer>,
    membership: Arc<Membership>,
    reports: Arc<Reports>,
    /// The moment at which nodes that keep the cluster on older rules are logged next; none while there are none.
    logs_at: Option<Instant>,
}

impl RulesUpgrade {
    pub(super) fn new(
        node: Node,
        proposer: Arc<Proposer>,
        membership: Arc<Membership>,
        reports: Arc<Reports>,
    ) -> Self {
        Self { node, proposer, membership, reports, logs_at: None }
    }

    /// Raises the rules version as far as every member knows it. Logs regularly which nodes know no newer one.
    pub(super) async fn raise(&mut self) {
        let published = self.node.published();
        let now = published.state.rules();
        if now >= self.reports.rules() || published.state.origin().is_none() {
            return;
        }
        // No node joins meanwhile.
        let Some(_guard) = self.membership.try_freeze() else { return };
        let others: Vec<NodeId> = self.node.other_members().into_iter().map(|(id, _)| id).collect();
        let known = |id: &NodeId| self.reports.of(*id).map(|report| report.rules);
        let of_all = RulesVersion::of_all(others.iter().map(known));
        let Some(to) = of_all.map(|to| to.min(self.reports.rules())).filter(|to| *to > now) else {
            let logs_at = *self.logs_at.get_or_insert_with(|| Instant::now() + FIRST_LOG_DELAY);
            if Instant::now() >= logs_at {
                self.logs_at = Some(Instant::now() + OLD_RULES_LOG_INTERVAL);
                let nodes: Vec<NodeId> =
                    others.into_iter().filter(|id| known(id).is_none_or(|rules| rules <= now)).collect();
                tracing::warn!(
                    ?nodes,
                    "what came with this version of Nexus waits until these nodes run it too: upgrade them, or remove \
                     those that will not come back"
                );
            }
            return;
        };
        self.logs_at = None;
        let deadline = Instant::now() + RAISE_TIMEOUT;
        let raised = self.proposer.propose_as_system(command::RaiseRules { to }, deadline).await;
        if matches!(raised, ProposeOutcome::Applied(_)) {
            tracing::info!(version = %to, "the cluster goes by newer rules");
        }
    }
}
