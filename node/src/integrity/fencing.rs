//! Lets the running node end, because its state is wrong or because an operator wants it to begin anew.
//!
//! The mark is written before anything else happens: a node that dies in between does not vote when it comes back.

use super::{fence, rebuild::Order};
use nexus_api_types::cluster::NodeFence;
use std::path::PathBuf;
use tokio::sync::watch;

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
    pub(crate) fn fence(&self, fence: NodeFence) {
        if self.restart.borrow().is_some() {
            return;
        }
        tracing::error!(reason = fence.reason, "FENCED: this node serves, votes and leads no more");
        if let Err(error) = fence::write(&self.data_dir, &fence) {
            // It ends all the same. A start that loads the same state is found to be wrong again.
            tracing::error!("the mark of the fence is lost: {error:#}");
        }
        self.restart.send_replace(Some(Restart::Fenced(fence)));
    }

    /// Orders that the node is rebuilt, and returns the path of the folder that its data will be kept in.
    ///
    /// # Errors
    /// When the order cannot be written. Then nothing happens.
    pub(crate) fn rebuild(&self) -> anyhow::Result<PathBuf> {
        let order = Order::give(&self.data_dir)?;
        self.restart.send_replace(Some(Restart::Rebuild));
        Ok(order.kept_in(&self.data_dir))
    }
}
