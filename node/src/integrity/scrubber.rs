//! Scrubs the store of this node in the background, and fences the node when it finds damage and the cluster can do
//! without it.

use super::fencing::Fencing;
use crate::{
    membership::{change::Membership, loss::PERMISSION_VALID},
    node::{Leader, Node},
    peer::{
        PeerClient,
        service::{ServiceRequest, ServiceResponse},
    },
    raft::clock::Clock,
    watch::scrubs::ScrubResults,
};
use nexus_api_types::{Moment, cluster::NodeFence};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The time between two attempts to get the permission of the leader.
const PERMISSION_PAUSE: Duration = Duration::from_secs(2);
/// The time between two log lines about damage that the cluster cannot lose this node for.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Scrubs the store of this node.
pub(crate) struct Scrubber {
    pub(crate) node: Node,
    pub(crate) peers: PeerClient,
    pub(crate) membership: Arc<Membership>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fencing: Arc<Fencing>,
    pub(crate) results: Arc<ScrubResults>,
    /// The time from the end of one scrub to the beginning of the next one.
    pub(crate) interval: Duration,
}

impl Scrubber {
    /// Scrubs again and again, for as long as the node runs.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(self.interval) => {}
                () = stop.cancelled() => return,
            }
            let Some(damage) = self.scrub(&stop).await else { continue };
            self.results.found(damage.clone());
            tokio::select! {
                () = self.fence(damage) => return,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Scrubs once, and returns the damage.
    async fn scrub(&self, stop: &CancellationToken) -> Option<String> {
        let stopped = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let scrub = self.node.store.scrub(stopped.clone());
        let scrubbed = tokio::select! {
            scrubbed = scrub => scrubbed,
            () = stop.cancelled() => {
                stopped.store(true, Ordering::Relaxed);
                return None;
            }
        };
        match scrubbed {
            Ok(found) if found.rows == 0 => {
                tracing::debug!(
                    "the state changed too fast to be compared with what is stored: the next scrub does it"
                );
                None
            }
            Ok(found) => {
                self.results.count_finished();
                let took = began.elapsed();
                tracing::debug!(
                    records = found.records,
                    rows = found.rows,
                    ?took,
                    "everything stored was read"
                );
                None
            }
            Err(error) if error.is_damage() => Some(error.to_string()),
            Err(error) => {
                tracing::debug!(%error, "a scrub was not finished");
                None
            }
        }
    }

    /// Fences this node as soon as the cluster can do without it.
    async fn fence(&self, damage: String) {
        let mut logged = None::<Instant>;
        loop {
            let asked = Instant::now();
            match self.permission().await {
                Ok(()) if asked.elapsed() < PERMISSION_VALID => {
                    let reason = format!("a scrub found damage: {damage}");
                    self.fencing.fence(NodeFence { since: Moment(self.clock.wall()), reason }).await;
                    return;
                }
                refused => {
                    if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                        logged = Some(Instant::now());
                        let why = refused.err().unwrap_or_else(|| "the leader answers slowly".to_owned());
                        tracing::error!(
                            damage,
                            why,
                            "DAMAGED: this node goes on, since the cluster cannot do without it; add a node, then it \
                             fences itself"
                        );
                    }
                }
            }
            sleep(PERMISSION_PAUSE).await;
        }
    }

    async fn permission(&self) -> Result<(), String> {
        let node = self.node.id;
        let leader = match self.node.leader() {
            Leader::Local => return self.membership.may_lose(node),
            Leader::Remote(leader) => leader,
            Leader::Unknown => return Err("there is no leader".to_owned()),
        };
        match self.peers.request(&leader, ServiceRequest::MayFence { node }, PERMISSION_VALID).await {
            Ok(ServiceResponse::Done) => Ok(()),
            Ok(ServiceResponse::Unavailable { reason }) => Err(reason),
            Ok(other) => Err(format!("an answer to something else: {other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }
}
