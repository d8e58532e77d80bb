//! Finds out whether the state of this node is wrong, when it differs from that of another node: it asks all voters for
//! their hash after one entry, and fences this node if a majority of them has another one.

use super::{
    fence::STATE_DIFFERS,
    fencing::Fencing,
    verdict::{Verdict, judge},
};
use crate::{
    node::Node,
    peer::{
        PeerClient,
        service::{ServiceRequest, ServiceResponse},
    },
    raft::clock::Clock,
    watch::reports::Divergence,
};
use futures::future::join_all;
use nexus_api_types::{Moment, cluster::NodeFence};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Longest wait for one hash. A node that lags waits for the entry in that time.
const HASH_TIMEOUT: Duration = Duration::from_secs(1);

/// Judges the state of this node.
pub(crate) struct Judge {
    pub(crate) node: Node,
    pub(crate) peers: PeerClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fencing: Arc<Fencing>,
    /// The last difference to another node.
    pub(crate) differences: watch::Receiver<Option<Divergence>>,
}

impl Judge {
    /// Judges whenever a difference was found, for as long as the node runs.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                changed = self.differences.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let found = *self.differences.borrow_and_update();
            if let Some(found) = found
                && let Some(reason) = self.proof(found.index).await
            {
                self.fencing.fence(NodeFence { since: Moment(self.clock.wall()), reason }).await;
                return;
            }
        }
    }

    /// The proof that the state of this node is wrong after an entry, in a sentence; `None` without one.
    async fn proof(&self, index: u64) -> Option<String> {
        let configs = self.configs();
        let voters: BTreeSet<u64> = configs.iter().flatten().copied().collect();
        let asked = self.node.other_members().into_iter().filter(|(id, _)| voters.contains(&id.0));
        let heard = join_all(asked.map(|(id, target)| async move {
            let answer = self.peers.request(&target, ServiceRequest::HashAt { index }, HASH_TIMEOUT).await;
            match answer {
                Ok(ServiceResponse::HashAt(hash)) => Some((id.0, hash?)),
                _ => None,
            }
        }));
        let others: BTreeMap<u64, u64> = heard.await.into_iter().flatten().collect();
        // A node that the cluster goes on without must not judge itself by those who were voters once; and a snapshot
        // may have replaced the state meanwhile.
        let ours = self.node.store.hash_at(index)?;
        if !self.node.hears_leader().await || self.configs() != configs {
            return None;
        }
        match judge(ours, &others, &configs) {
            Verdict::Wrong { theirs, nodes } => {
                let nodes: Vec<String> = nodes.iter().map(u64::to_string).collect();
                Some(format!(
                    "{STATE_DIFFERS} {index} is {ours:016x}, and that of nodes {}, a majority of the \
                     voters, is {theirs:016x}",
                    nodes.join(" and ")
                ))
            }
            Verdict::Open => None,
        }
    }

    /// The sets of voters, of which there are two while they change.
    fn configs(&self) -> Vec<BTreeSet<u64>> {
        self.node.metrics().membership_config.membership().get_joint_config().clone()
    }
}
