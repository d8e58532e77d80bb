//! The answers of a fenced node to clients: it lives, it is not ready, and it serves nothing else. It cannot check a
//! key, since it has no state that counts; so it shows the kind of what is wrong with it, and never the whole reason,
//! which may name keys and paths. That is in its log, and in what it says to other nodes.

use crate::{
    integrity::fence,
    serve::http::{not_ready, now, unavailable},
};
use axum::{
    Json, Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use nexus_api_types::{
    Code, Data, ErrorBody, Failure, Moment,
    cluster::{ClusterStatus, Health, HealthVerdict, Node, NodeFence, NodeRole},
    envelope::Outcome,
    header,
    health::Liveness,
};
use nexus_domain::NodeId;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The fenced node as clients see it. Clones share it.
#[derive(Clone)]
pub(crate) struct FencedView(Arc<Content>);

struct Content {
    node: NodeId,
    client_addr: String,
    fence: NodeFence,
    message: String,
    remedy: Remedy,
}

/// How a fenced node can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The other nodes have the state.
    Rebuild,
    /// The cluster has no other node.
    Restore,
    /// Nobody knows whose the data folder is: no other node can reach this one to rebuild it.
    JoinAnew,
}

impl Remedy {
    /// The remedy of a node that knows its place in the cluster.
    pub(crate) const fn with_others(has_others: bool) -> Self {
        if has_others { Self::Rebuild } else { Self::Restore }
    }
}

impl FencedView {
    /// The view of a node that has fenced itself.
    pub(crate) fn new(node: NodeId, client_addr: &str, fence: &NodeFence, remedy: Remedy) -> Self {
        Self::saying(fence::kind_of(fence), (node, client_addr), fence.since, remedy)
    }

    /// The view of a node that ends because an operator lets it be rebuilt.
    pub(crate) fn rebuilding(node: NodeId, client_addr: &str) -> Self {
        Self::saying("it is being rebuilt", (node, client_addr), now(), Remedy::Rebuild)
    }

    fn saying(kind: &str, (node, client_addr): (NodeId, &str), since: Moment, remedy: Remedy) -> Self {
        let asks = match remedy {
            Remedy::Rebuild | Remedy::JoinAnew => ", ask another node",
            Remedy::Restore => "",
        };
        let message = format!("node {node} is fenced{asks}: {kind}");
        let fence = NodeFence { since, reason: kind.to_owned() };
        Self(Arc::new(Content { node, client_addr: client_addr.to_owned(), fence, message, remedy }))
    }

    /// Says what an operator has to do.
    pub(crate) fn remedy(&self) -> String {
        match self.0.remedy {
            Remedy::Rebuild => {
                format!("Rebuild it from the others: nexus cluster rebuild {} --yes", self.0.node)
            }
            Remedy::Restore => {
                "The cluster has no other node: bring it back from a backup with nexusd restore".to_owned()
            }
            Remedy::JoinAnew => "Its data folder has no readable node.json, which says whose it is: move what is in it \
                                 away, and start the node with --join and a token from nexus cluster join-token"
                .to_owned(),
        }
    }

    /// The router of the node.
    pub(crate) fn router(&self) -> Router {
        let alive = || async { Json(Liveness { status: "alive".to_owned(), timestamp: now() }) };
        let ready = |view: Self| async move { unavailable(not_ready(view.whole_message())) };
        let (one, other) = (self.clone(), self.clone());
        let (status, metrics, refused) = (self.clone(), self.clone(), self.clone());
        let routes = Router::new()
            .route("/health", get(move || ready(one.clone())))
            .route("/health/ready", get(move || ready(other.clone())))
            .route("/health/live", get(alive))
            .route("/cluster/status", get(move || async move { status.status() }))
            .route("/metrics", get(move || async move { metrics.metrics() }));
        Router::new()
            .nest("/api", routes.clone())
            .merge(routes)
            .fallback(move |request: Request<Body>| async move { refused.refuse(&request) })
    }

    fn whole_message(&self) -> String {
        format!("{}. {}", self.0.message, self.remedy())
    }

    fn refuse(&self, request: &Request<Body>) -> Response {
        let given = request.headers().get(header::REQUEST_ID).and_then(|id| id.to_str().ok());
        let error = ErrorBody {
            code: Code::ServiceUnavailable,
            message: self.whole_message(),
            details: Some(json!({ "outcome": Outcome::NotApplied, "fenced": self.0.fence })),
            request_id: given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
        };
        let id = error.request_id.clone();
        ([(header::REQUEST_ID, id)], unavailable(Failure { error })).into_response()
    }

    fn status(&self) -> Json<Data<ClusterStatus>> {
        let Content { node, client_addr, fence, .. } = &*self.0;
        let own = Node {
            id: node.0,
            role: NodeRole::Voter,
            peer_addr: String::new(),
            client_addr: client_addr.clone(),
            lag: None,
            last_seen_ms: None,
            this_node: true,
            applied: None,
            state_hash: None,
            state_mismatch: false,
            fenced: Some(fence.clone()),
            damage: None,
            disk_free_bytes: None,
            disk_low: false,
            disk_slow: false,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            build: None,
            round_trip_us: None,
            replica: false,
            draining: false,
            disk_used_bytes: None,
            flush_p99_us: None,
            backups: None,
            timing: None,
            certificates: None,
            place: None,
        };
        Json(Data {
            data: ClusterStatus {
                cluster_id: None,
                node_id: node.0,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                rules: 0,
                leader: None,
                term: 0,
                committed: 0,
                applied: 0,
                state_hash: String::new(),
                healthy: false,
                verdict: Some(HealthVerdict { health: Health::Fenced, since: fence.since }),
                removed: false,
                fenced: Some(fence.clone()),
                tolerates_losses: 0,
                nodes: vec![own],
                quotas: Vec::new(),
                timestamp: now(),
            },
        })
    }

    fn metrics(&self) -> Response {
        let text = format!(
            "# HELP nexus_fenced {}\n# TYPE nexus_fenced gauge\nnexus_fenced{{node=\"{}\"}} 1\n",
            nexus_api::metrics::FENCED_HELP,
            self.0.node
        );
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_key_nobody_sees_more_than_the_kind_of_the_damage() {
        let reason =
            "a scrub found damage: corrupt record in features at 6b6579: /data/db/000007.sst".to_owned();
        let fence = NodeFence { since: now(), reason };
        let view = FencedView::new(NodeId(2), "10.0.0.2:7401", &fence, Remedy::Rebuild);
        assert_eq!(
            view.whole_message(),
            "node 2 is fenced, ask another node: its stored data is damaged. Rebuild it from the others: nexus cluster \
             rebuild 2 --yes"
        );
        let status = serde_json::to_string(&view.status().0).unwrap_or_default();
        assert!(status.contains("its stored data is damaged") && !status.contains("6b6579"), "{status}");
        let lost = FencedView::new(NodeId(0), "10.0.0.2:7401", &fence, Remedy::JoinAnew);
        assert!(lost.remedy().contains("--join"), "nothing can be ordered of a node that nobody knows");
    }
}
