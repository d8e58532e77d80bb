//! `/health` and `/metrics`: for load balancers and monitoring. The answers have no envelope.

use crate::{
    api::Api,
    browser,
    cluster::{Consistency, Role},
    documents,
    failure::ApiError,
    openapi::{Operation, Routes},
    rate_limits::RemoteAddr,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use nexus_api_types::{
    Moment,
    health::{Checks, Liveness, RaftCheck, Readiness, StorageCheck},
};
use nexus_domain::{DocumentKey, FeatureId, ProjectId, WallTime};
use std::time::{Duration, Instant, SystemTime};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// A node that cannot answer a read in this time is not ready, since a load balancer does not wait longer.
const READINESS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Routes {
    let readiness = || {
        Operation::bare("Show whether this node can answer a linearizable read now")
            .answers_bare::<Readiness>(200, "It can.")
            .answers_bare::<Readiness>(503, "It cannot: ask another node.")
    };
    let lives = Operation::bare("Show that the process is alive").answers_bare::<Liveness>(200, "It is.");
    let counted = Operation::bare("Show metrics")
        .about(
            "The metrics are in Prometheus text format. Programs on the same machine need no key on a loopback listener, \
             and nobody needs one on `--metrics-listen`. Requests through a proxy need a key.",
        )
        .answers_text("text/plain");
    Routes::new()
        .get("/health", ready, readiness().command("doctor"))
        .get("/health/ready", ready, readiness().command("doctor"))
        .get("/health/live", live, lives.without_command("Supervisors of a process ask it."))
        .get("/metrics", metrics, counted.without_command("Prometheus reads it."))
}

/// Whether a path is that of the metrics.
pub(crate) fn is_metrics(path: &str) -> bool {
    path.strip_prefix("/api").unwrap_or(path) == "/metrics"
}

/// Whether a path is one of the health checks.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path.strip_prefix("/api").unwrap_or(path), "/health" | "/health/ready" | "/health/live")
}

/// The routes of the listener for monitoring, without a key.
pub(crate) fn monitoring() -> Router<Api> {
    Router::new()
        .route("/health", get(ready))
        .route("/health/ready", get(ready))
        .route("/health/live", get(live))
        .route("/metrics", get(|State(api): State<Api>| metrics_text(api)))
}

fn now() -> Moment {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment(WallTime(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)))
}

fn millis(from: Instant) -> u64 {
    u64::try_from(from.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn ready(State(api): State<Api>) -> Response {
    let readiness = readiness(&api).await;
    let code = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness)).into_response()
}

/// The readiness of this node: whether it can answer a linearizable read now, by trying one.
pub(crate) async fn readiness(api: &Api) -> Readiness {
    let began = Instant::now();
    let read =
        tokio::time::timeout(READINESS_TIMEOUT, api.cluster.read(Consistency::Linearizable, None)).await;
    let raft_latency = millis(began);
    let (raft_ok, message) = match &read {
        Ok(Ok(_)) => (true, None),
        Ok(Err(unavailable)) => (false, Some(unavailable.to_string())),
        Err(_) => (false, Some("no quorum answered in time".to_owned())),
    };
    let began = Instant::now();
    let probe = DocumentKey::Spec(ProjectId::MIN, FeatureId::MIN);
    let storage_ok = documents::read(&api.cluster.local(), vec![probe]).await.is_ok();
    let storage_latency = millis(began);

    let status = api.cluster.status();
    let health = |ok: bool| if ok { "healthy" } else { "unhealthy" }.to_owned();
    let ready = raft_ok && storage_ok && status.role != Role::Stopped;
    Readiness {
        status: if ready { Readiness::READY } else { Readiness::NOT_READY }.to_owned(),
        checks: Checks {
            raft: RaftCheck {
                status: health(raft_ok),
                latency_ms: raft_latency,
                role: status.role.name().to_owned(),
                leader: status.leader.map(|leader| leader.0),
                term: status.term,
                lag: status.committed.saturating_sub(status.applied),
                message,
            },
            storage: StorageCheck {
                status: health(storage_ok),
                latency_ms: storage_latency,
                space: Some(if status.disk_low { "low" } else { "enough" }.to_owned()),
            },
        },
        timestamp: now(),
    }
}

async fn live() -> Json<Liveness> {
    Json(Liveness { status: "alive".to_owned(), timestamp: now() })
}

async fn metrics(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let remote = request.extensions().get::<RemoteAddr>().map(|addr| addr.0);
    if !(api.config.open_metrics && browser::is_local(&api.config, remote, &request)) {
        let (parts, _) = request.into_parts();
        crate::auth::authenticate(&*api.cluster, &api.verifier, &parts.headers).await?;
    }
    metrics_text(api).await
}

/// The permit to collect metrics: one request at a time, since all features are counted each time.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// The metrics of this node in Prometheus text form.
async fn metrics_text(api: Api) -> Result<Response, ApiError> {
    let permit = ONE_AT_A_TIME.acquire().await;
    let counted = spawn_blocking(move || {
        // Held until the metrics are collected, which continues when the client disconnects.
        let _permit = permit;
        let view = api.cluster.local();
        api.metrics.text(&api.cluster.status(), &api.cluster.measurements(), &api.load(), view.state())
    });
    let text = counted.await.map_err(|failure| ApiError::internal(&failure))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
