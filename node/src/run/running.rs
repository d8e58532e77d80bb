//! A running node: waits for its failure, and stops it in order.

use crate::{
    integrity::fencing::{Fencing, Restart},
    membership::change::Membership,
    node::Node,
    raft::clock::{Clock as _, SystemClock},
    serve::{
        cluster::NodeCluster,
        fenced::{FencedView, Remedy},
    },
};
use axum::Router;
use futures::future::BoxFuture;
use nexus_api::{Api, cluster::Cluster};
use nexus_api_types::{Moment, cluster::NodeFence};
use nexus_raft_store::{StoreError, StoreHandle};
use openraft::async_runtime::watch::WatchReceiver as _;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A leader that is stopped waits this long for another voter to take over. When all nodes are stopped at once, none
/// does.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is checked that Raft still runs.
const RAFT_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest time that stopping takes in all. Of it, handing leadership over takes 1 s and draining 1.5 s at most.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The store gets this long for its last writes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time until a node has ended that is started anew in the same process. Requests that Raft has left without an
/// answer hold the store until their deadline; nobody waits for this node meanwhile.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// The store of such a node gets this long.
const LONG_CLOSE_TIMEOUT: Duration = Duration::from_secs(20);

/// A running node.
pub struct RunningNode {
    pub(super) node: Node,
    pub(super) cluster: Arc<NodeCluster>,
    pub(super) membership: Arc<Membership>,
    pub(super) client_addr: String,
    pub(super) stop: CancellationToken,
    pub(super) stop_http: CancellationToken,
    pub(super) failure: watch::Receiver<Option<String>>,
    pub(super) fencing: Arc<Fencing>,
    pub(super) router: watch::Sender<Router>,
    pub(super) tasks: Vec<JoinHandle<()>>,
    /// The clients' side; a node of a simulation has none.
    pub(super) clients: Option<ServedClients>,
}

/// The part of a node that serves clients over the network.
pub(super) struct ServedClients {
    pub(super) api: Api,
    pub(super) http: JoinHandle<()>,
}

impl RunningNode {
    /// The address that clients reach this node at, `host:port`.
    pub fn client_addr(&self) -> &str {
        &self.client_addr
    }

    /// The cluster, as this node sees it and as its clients use it.
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        self.cluster.clone()
    }

    /// Waits for a failure that the node cannot survive, and returns its description.
    pub async fn failed(&self) -> String {
        let mut fatal = self.node.store.fatal();
        let metrics = self.node.raft.metrics();
        let mut failure = self.failure.clone();
        loop {
            if let Some(why) = failure.borrow_and_update().as_ref() {
                return why.clone();
            }
            // In a statement of its own: the borrowed value must not live on while this waits.
            let stopped = fatal.borrow_and_update().clone();
            if let Some(error) = stopped {
                if error.is_rot() {
                    return self.is_fenced_for(&error).await;
                }
                return error.to_string();
            }
            if let Err(error) = &metrics.borrow_watched().running_state {
                return error.to_string();
            }
            tokio::select! {
                // An error means that the watch ended because the node is stopping.
                Ok(()) = failure.changed() => {}
                changed = fatal.changed() => if changed.is_err() { return "the store is gone".to_owned() },
                // These metrics change with every entry: polling them costs less than being woken by each.
                () = tokio::time::sleep(RAFT_CHECK_INTERVAL) => {}
            }
        }
    }

    /// Fences a node whose store has stopped because its disk is damaged: a restart would only stop again. Never
    /// returns.
    async fn is_fenced_for(&self, damage: &StoreError) -> String {
        let reason = format!("its store has stopped: {damage}");
        self.fencing.fence(NodeFence { since: Moment(SystemClock.wall()), reason }).await;
        std::future::pending().await
    }

    /// Waits until the node has to end and be started anew in this process, and returns the reason.
    pub async fn restarts(&self) -> Restart {
        let mut restart = self.fencing.watch();
        match restart.wait_for(Option::is_some).await.map(|restart| restart.clone()) {
            Ok(Some(restart)) => restart,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Ends the node so that it can be started anew: every request is refused from now on, leadership is handed over,
    /// and Raft stops before clients are waited for. Returns false when the data folder is still in use; the caller
    /// then ends the process.
    pub fn end_for(self, restart: Restart) -> BoxFuture<'static, bool> {
        let ended = async move {
            let view = match restart {
                Restart::Fenced(fence) => {
                    let remedy = Remedy::with_others(self.node.has_other_voters());
                    FencedView::new(self.node.id, &self.client_addr, &fence, remedy)
                }
                Restart::Rebuild => FencedView::rebuilding(self.node.id, &self.client_addr),
            };
            // The former router holds the store, and goes at once.
            drop(self.router.send_replace(view.router()));
            self.hand_over().await;
            let _ = self.node.raft.shutdown().await;
            self.stop_in_order(LONG_CLOSE_TIMEOUT).await
        };
        Box::pin(async move { tokio::time::timeout(END_TIMEOUT, ended).await.unwrap_or_default() })
    }

    /// Stops within five seconds: hands leadership over, answers open requests, writes what is buffered, and logs what
    /// it had to cut off. Returns false when that takes too long, for example on a disk that hangs; the caller then
    /// ends the process as in a crash.
    pub fn stop(self) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            tokio::time::timeout(STOP_TIMEOUT, self.stop_in_order(CLOSE_TIMEOUT)).await.is_ok()
        })
    }

    /// Returns whether the data folder can be opened again.
    async fn stop_in_order(self, close_timeout: Duration) -> bool {
        // Clients that follow events move to another node meanwhile.
        let drained = async {
            match &self.clients {
                Some(clients) => clients.api.drain().await,
                None => 0,
            }
        };
        let ((), sockets) = tokio::join!(self.hand_over(), drained);
        if sockets > 0 {
            tracing::warn!(sockets, "stopping: WebSockets that did not go by now are cut off");
        }
        self.stop_http.cancel();
        if let Some(ServedClients { http, api }) = self.clients {
            let _ = http.await;
            // It holds the store.
            drop(api);
        }
        // Requests of peers are answered while Raft shuts down.
        self.stop.cancel();
        let _ = self.node.raft.shutdown().await;
        for task in self.tasks {
            let _ = task.await;
        }
        let store: StoreHandle = self.node.store.clone();
        drop((self.cluster, self.node, self.membership, self.router));
        let is_released = tokio::time::timeout(close_timeout, store.released()).await.is_ok();
        if !is_released {
            tracing::warn!("the data folder is still in use at the end");
        }
        is_released
    }

    async fn hand_over(&self) {
        if self.node.has_other_voters() && self.node.leads() {
            match tokio::time::timeout(HAND_OVER_TIMEOUT, self.membership.transfer_leader(None)).await {
                Ok(Ok(_)) => tracing::info!("leadership handed over"),
                Ok(Err(why)) => tracing::warn!(?why, "leadership not handed over"),
                Err(_) => tracing::warn!("leadership not handed over in time"),
            }
        }
    }
}
