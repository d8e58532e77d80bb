//! Lets the running node end, because its state is wrong or because an operator wants it to begin anew.
//!
//! The mark is written before anything else happens: a node that dies in between does not vote when it comes back.

use super::{fence, rebuild::Order};
use crate::blocking;
use anyhow::Context;
use nexus_api_types::cluster::NodeFence;
use std::{path::PathBuf, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Longest wait for the mark, which is written to a disk that may be the one that fails. A node that has the leader's
/// permission to end must use it soon.
const MARK_TIMEOUT: Duration = Duration::from_secs(2);

/// The answer of a node that is about to end.
pub(crate) const ENDING: &str = "this node has fenced itself or is being rebuilt";

/// Why a running node has to end, and to be started anew in the same process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The node has fenced itself.
    Fenced(NodeFence),
    /// An operator has ordered to rebuild it, and its order is written.
    Rebuild,
}

/// Fences a node, or lets it be rebuilt. Shared by all who may find out that its state is wrong.
pub(crate) struct Fencing {
    data_dir: PathBuf,
    restart: watch::Sender<Option<Restart>>,
}

impl Fencing {
    /// The fencing of the node on a data folder.
    pub(crate) fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, restart: watch::Sender::new(None) }
    }

    /// A receiver of the reason to end.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Restart>> {
        self.restart.subscribe()
    }

    /// Whether the node has to end, so that it answers nothing more on behalf of its state.
    pub(crate) fn is_ending(&self) -> bool {
        self.restart.borrow().is_some()
    }

    /// Fences the node: the mark is durable first, then the node is asked to end. The first reason counts.
    pub(crate) async fn fence(&self, fence: NodeFence) {
        if self.is_ending() {
            return;
        }
        tracing::error!(reason = fence.reason, "FENCED: this node serves, votes and leads no more");
        let (data_dir, mark) = (self.data_dir.clone(), fence.clone());
        let writing = blocking::run(move || fence::write(&data_dir, &mark));
        // It ends all the same. A start that loads the same state is found to be wrong again.
        match timeout(MARK_TIMEOUT, writing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!("the mark of the fence is lost: {error:#}"),
            Ok(Err(error)) => tracing::error!(%error, "the mark of the fence is lost"),
            Err(_) => tracing::error!("the mark of the fence is not written yet: the disk hangs"),
        }
        end(&self.restart, Restart::Fenced(fence));
    }

    /// Orders that the node is rebuilt, and returns the path of the folder that its data will be kept in.
    ///
    /// # Errors
    /// When the order cannot be written. Then nothing happens.
    pub(crate) async fn rebuild(&self) -> anyhow::Result<PathBuf> {
        let (data_dir, restart) = (self.data_dir.clone(), self.restart.clone());
        // In one piece: a leader that stops waiting in between must not leave an order that nothing follows.
        let ordering = blocking::run(move || {
            let order = Order::give(&data_dir)?;
            end(&restart, Restart::Rebuild);
            Ok(order.kept_in(&data_dir))
        });
        ordering.await.context("the order was not written")?
    }
}

/// Asks the node to end. The first reason counts.
fn end(restart: &watch::Sender<Option<Restart>>, reason: Restart) {
    restart.send_if_modified(|restart| {
        let is_first = restart.is_none();
        restart.get_or_insert(reason);
        is_first
    });
}
