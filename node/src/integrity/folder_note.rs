//! A note in the data folder about the node that it belongs to and the other members. The database has the same; the
//! note is for a folder whose database cannot be opened or must not be used any more. It decides nothing else.

use super::durable_file;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use nexus_raft_store::{Published, StoreHandle};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;

/// The name of the note in a data folder.
pub(super) const NAME: &str = "node.json";

/// The node that a data folder belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FolderNote {
    /// The id of the node.
    pub(crate) node: NodeId,
    /// The random id of the data folder.
    pub(crate) instance: InstanceId,
    /// The cluster of the node, once it is known.
    pub(crate) cluster: Option<ClusterId>,
    /// The addresses of the other members for nodes, by id.
    pub(crate) others: BTreeMap<u64, String>,
}

impl FolderNote {
    /// Reads the note of a data folder; `None` if it has none, as one of an earlier version.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        durable_file::read(&data_dir.join(NAME))
    }

    fn of(node: NodeId, instance: InstanceId, published: &Published) -> Self {
        let nodes = published.membership().membership().nodes();
        let others = nodes.filter(|(id, _)| **id != node.0);
        Self {
            node,
            instance,
            cluster: published.state.origin().map(|origin| origin.cluster),
            others: others.map(|(id, member)| (*id, member.peer_addr.clone())).collect(),
        }
    }
}

/// Keeps the note up to date, for as long as the node runs. A note that cannot be written is logged: the node can do
/// without it.
pub(crate) async fn keep(
    data_dir: PathBuf,
    (node, instance): (NodeId, InstanceId),
    store: StoreHandle,
    stop: CancellationToken,
) {
    let mut published = store.published();
    let mut written = None::<FolderNote>;
    let mut compared = None;
    loop {
        {
            let now = published.borrow_and_update().clone();
            // Most entries change neither of the two.
            let changed = Some((*now.membership().log_id(), now.state.origin().is_some()));
            if changed != compared {
                compared = changed;
                let note = FolderNote::of(node, instance, &now);
                if written.as_ref() != Some(&note) {
                    match durable_file::write(&data_dir.join(NAME), &note) {
                        Ok(()) => written = Some(note),
                        Err(error) => tracing::warn!("{error:#}"),
                    }
                }
            }
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
