//! Proposes the first entry of a new cluster, which gives it its id, its first nodes and its bootstrap token; or that
//! of a cluster that was restored or recovered, which begins its new history.

use crate::{
    membership::token,
    node::Node,
    proposer::{ProposeOutcome, Proposer},
    raft::clock::Clock,
};
use nexus_api::mint::Mint;
use nexus_domain::{
    ClusterId, RulesVersion, WallTime, command,
    entity::{ClusterOrigin, NodeRecord},
    short_text::Label,
};
use nexus_raft_store::{NewHistory, StoreHandle};
use openraft::async_runtime::watch::WatchReceiver;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait for a quorum that acknowledges the first entry.
const FORM_TIMEOUT: Duration = Duration::from_secs(4);

/// The inputs of the first entry.
pub(crate) struct FirstEntry {
    /// The data folder, which holds the file of the bootstrap token.
    pub(crate) data_dir: PathBuf,
    /// The new history that the data folder was built for.
    pub(crate) new_history: Option<NewHistory>,
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
        if published.revision().0 < committed {
            return;
        }
        if let Some(origin) = published.state.origin() {
            if let Some(history) = self.new_history.filter(|history| history.cluster != origin.cluster) {
                self.begin(history, node, proposer).await;
            }
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

    /// Begins a new history. This program is the only one in the new cluster, so that its own rules apply.
    async fn begin(&self, history: NewHistory, node: &Node, proposer: &Proposer) {
        let NewHistory { cluster, through, kind } = history;
        let deadline = Instant::now() + FORM_TIMEOUT;
        let admitted_at = self.clock.wall();
        let Some(record) = first_nodes(node).into_iter().find(|record| record.id == node.id) else { return };
        let command = command::BeginHistory {
            cluster,
            through,
            kind,
            node: NodeRecord { admitted_at, ..record },
            rules: RulesVersion::KNOWN,
        };
        match proposer.propose_as_system(command, deadline).await {
            ProposeOutcome::Applied(answer) => match answer.outcome {
                Ok(_) => tracing::info!(%cluster, former_revision = %through, "a new history begins"),
                Err(refusal) => tracing::error!(%refusal, "the new history cannot begin"),
            },
            ProposeOutcome::NotProposed(why)
            | ProposeOutcome::Refused(why)
            | ProposeOutcome::Unknown(why) => {
                tracing::warn!(why, "the new history has not begun yet");
            }
        }
    }
}

/// Waits until a new history has begun, and nothing is left that the former one has to end. Returns false if the node
/// stops before.
pub(crate) async fn has_begun(store: &StoreHandle, history: NewHistory, stop: &CancellationToken) -> bool {
    let mut published = store.published();
    loop {
        let is_over = {
            let now = published.borrow_and_update();
            let is_new = now.state.origin().is_some_and(|origin| origin.cluster == history.cluster);
            is_new && now.state.history_start().is_none_or(|start| !start.is_ending)
        };
        if is_over {
            return true;
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return false },
            () = stop.cancelled() => return false,
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
