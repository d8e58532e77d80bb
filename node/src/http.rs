//! The listener for clients: connections bounded in number and in patience, drained at the end.

use crate::clock::{Clock, SystemClock};
use axum::{
    Json, Router,
    body::Body,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use nexus_api::{RemoteAddr, cluster::Role};
use nexus_api_types::{
    Code, ErrorBody, Failure, Moment,
    envelope::Outcome,
    header,
    health::{Checks, Liveness, RaftCheck, Readiness, StorageCheck},
};
use serde::Serialize;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

/// Connections of clients at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 8_192;
/// A client has this long for the head of a request: a slow sender must not hold a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are being answered at the end get this long.
const DRAIN: Duration = Duration::from_secs(5);
/// A pause after a failure to accept: out of file descriptors, there is no use in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between two lines in the log about that.
const REMIND: Duration = Duration::from_secs(30);

/// What is served while the node starts: that it lives, and that it is not ready.
pub(crate) fn starting() -> Router {
    let alive = || async { Json(Liveness { status: "alive".to_owned(), timestamp: now() }) };
    let not_ready = || async { unavailable(not_ready()) };
    let health = Router::new()
        .route("/health", get(not_ready))
        .route("/health/ready", get(not_ready))
        .route("/health/live", get(alive));
    Router::new().nest("/api", health.clone()).merge(health).fallback(|request: Request<Body>| async move {
        let given = request.headers().get(header::REQUEST_ID).and_then(|id| id.to_str().ok());
        let error = ErrorBody {
            code: Code::ServiceUnavailable,
            message: STARTING.to_owned(),
            details: Some(json!({ "outcome": Outcome::NotApplied })),
            request_id: given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
        };
        let id = error.request_id.clone();
        ([(header::REQUEST_ID, id)], unavailable(Failure { error })).into_response()
    })
}

/// What `/health` says before anything can be looked at.
fn not_ready() -> Readiness {
    let unhealthy = || "unhealthy".to_owned();
    let raft = RaftCheck {
        status: unhealthy(),
        latency_ms: 0,
        role: Role::Stopped.name().to_owned(),
        leader: None,
        term: 0,
        lag: 0,
        message: Some(STARTING.to_owned()),
    };
    let storage = StorageCheck { status: unhealthy(), latency_ms: 0, space: None };
    Readiness { status: "not_ready".to_owned(), checks: Checks { raft, storage }, timestamp: now() }
}

fn now() -> Moment {
    Moment(SystemClock.wall())
}

/// Told to clients that come too early.
const STARTING: &str = "this node is starting; try again in a moment, or another node";

fn unavailable(body: impl Serialize) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], Json(body)).into_response()
}

/// Serves whatever router is current, until told to stop; then drains.
pub(crate) async fn serve(listener: TcpListener, router: watch::Receiver<Router>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIMEOUT)
        .keep_alive_timeout(HEADER_TIMEOUT);
    let builder = Arc::new(builder);
    let mut told = None::<Instant>;
    loop {
        let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= REMIND) {
                    told = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections of clients");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let (router, builder, watcher) = (router.clone(), builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _slot = slot;
            // hyper measures its patience from the first byte on: until then, it is measured here.
            if !matches!(tokio::time::timeout(HEADER_TIMEOUT, stream.readable()).await, Ok(Ok(()))) {
                return;
            }
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(RemoteAddr(remote.ip()));
                let router = router.borrow().clone();
                router.oneshot(request)
            });
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            // A client that breaks off is no failure of the node.
            let _ = watcher.watch(connection.into_owned()).await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}
