//! The identity of this node, as other nodes see it while it learns which cluster it belongs to.

use crate::{
    membership::identity::{self, StoredIdentity},
    peer::LocalIdentity,
};
use nexus_raft_store::StoreHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Keeps the identity that peers see up to date: whether this node is a member, and of which cluster.
pub(super) async fn keep(
    store: StoreHandle,
    known: watch::Sender<LocalIdentity>,
    mut stored: StoredIdentity,
    stop: CancellationToken,
) {
    let mut published = store.published();
    loop {
        let (cluster, is_member) = {
            let now = published.borrow_and_update();
            let is_member = now.membership().membership().nodes().next().is_some();
            (now.state.origin().map(|origin| origin.cluster), is_member)
        };
        // A node that begins a new history has the state of the former cluster until then.
        if cluster.is_some() && stored.cluster.is_none() {
            stored.cluster = cluster;
            if let Err(error) = identity::save(&store, &stored).await {
                tracing::error!(%error, "cannot save the identity");
            }
        }
        known.send_if_modified(|known| {
            let is_new = known.cluster != stored.cluster || (is_member && !known.is_initialized);
            known.cluster = stored.cluster;
            known.is_initialized |= is_member;
            is_new
        });
        if stored.cluster.is_some() && is_member {
            return;
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
