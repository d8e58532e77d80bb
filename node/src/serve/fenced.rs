//! The answers of a fenced node to clients: it lives, it is not ready, and it serves nothing else. It cannot check a
//! key, since it has no state that counts; so what it shows is only about itself.

use crate::serve::http::{not_ready, now, unavailable};
use axum::{
    Json, Router,
    body::Body,
    http::{Request, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use nexus_api_types::{
    Code, Data, ErrorBody, Failure,
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
    /// Whether the cluster has other nodes.
    has_others: bool,
}

impl FencedView {
    /// The view of a node that has fenced itself.
    pub(crate) fn new(node: NodeId, client_addr: &str, fence: NodeFence, has_others: bool) -> Self {
        let asks = if has_others { ", ask another node" } else { "" };
        let message = format!("node {node} is fenced{asks}: {}", fence.reason.trim_end_matches('.'));
        Self(Arc::new(Content { node, client_addr: client_addr.to_owned(), fence, message, has_others }))
    }

    /// The view of a node that ends because an operator lets it be rebuilt.
    pub(crate) fn rebuilding(node: NodeId, client_addr: &str) -> Self {
        let fence = NodeFence { since: now(), reason: "it is being rebuilt".to_owned() };
        Self::new(node, client_addr, fence, true)
    }

    /// Says what an operator has to do.
    pub(crate) fn remedy(&self) -> String {
        if self.0.has_others {
            format!("Rebuild it from the others: nexus cluster rebuild {} --yes", self.0.node)
        } else {
            "The cluster has no other node: bring it back from a backup with nexusd restore".to_owned()
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
