//! Proposes the first entry of a new cluster, which gives it its id, its first nodes and its bootstrap token.

use crate::{
    membership::token,
    node::Node,
    proposer::{ProposeOutcome, Proposer},
    raft::clock::Clock,
};
use nexus_api::mint::Mint;
use nexus_domain::{
    ClusterId, WallTime, command,
    entity::{ClusterOrigin, NodeRecord},
    short_text::Label,
};
use openraft::async_runtime::watch::WatchReceiver;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Longest wait for a quorum that acknowledges the first entry.
const FORM_TIMEOUT: Duration = Duration::from_secs(4);

/// The inputs of the first entry.
pub(crate) struct FirstEntry {
    /// The data folder, which holds the file of the bootstrap token.
    pub(crate) data_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mint: Arc<dyn Mint>,
    /// The cluster that this node's certificate names; none when nodes talk in plain text.
    pub(crate) cluster: Option<ClusterId>,
}

impl FirstEntry {
    /// Proposes the first entry, unless it is applied already.
    pub(super) async fn propose_once(&self, node: &Node, proposer: &Proposer) {
        let published = node.published();
        let committed = node.raft.metrics().borrow_watched().local_committed.map_or(0, |id| id.index);
        if published.state.origin().is_some() || published.revision().0 < committed {
            return;
        }
        let token = match token::read(&self.data_dir).await {
            Some(token) => token,
            None => format!("nexus_boot_{}", hex::encode(self.mint.secret())),
        };
        if let Err(error) = token::write(&self.data_dir, &token).await {
            tracing::error!(%error, "cannot write the bootstrap token; the cluster is not formed");
            return;
        }
        let origin = ClusterOrigin {
            cluster: self.cluster.unwrap_or_else(|| ClusterId(self.mint.id())),
            formed_at: self.clock.wall(),
            bootstrap: Some(nexus_api::auth::token_digest(&token)),
        };
        let command = command::FormCluster { origin: origin.clone(), nodes: first_nodes(node) };
        match proposer.propose_as_system(command, Instant::now() + FORM_TIMEOUT).await {
            ProposeOutcome::Applied(answer) if answer.outcome.is_ok() => {
                tracing::info!(cluster = %origin.cluster, "the cluster is formed");
            }
            ProposeOutcome::Applied(_) => {}
            ProposeOutcome::NotProposed(why)
            | ProposeOutcome::Refused(why)
            | ProposeOutcome::Unknown(why) => {
                tracing::warn!(why, "the cluster is not formed yet");
            }
        }
    }
}

/// The members that form the cluster, as the state records them.
fn first_nodes(node: &Node) -> Vec<NodeRecord> {
    let label = |text: &str| Label::parse(text).expect("an address is a short text");
    let members = node.members().into_iter().map(|progress| NodeRecord {
        id: progress.id,
        instance: progress.member.instance,
        peer_addr: label(&progress.member.peer_addr),
        client_addr: label(&progress.member.client_addr),
        replaces: None,
        admitted_at: WallTime::default(),
    });
    members.collect()
}
