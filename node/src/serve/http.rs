//! Serves clients over HTTP: connections are bounded in number, memory and time, and drained when the node stops.

use crate::{
    raft::clock::{Clock, SystemClock},
    serve::{
        client_tls::ClientTls,
        connections::{Connection, Connections},
    },
};

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
    server::conn::auto::Builder,
};
use nexus_api::{ConnectionEnd, Encrypted, RemoteAddr, cluster::Role};
use nexus_api_types::{
    Code, ErrorBody, Failure, Moment,
    envelope::Outcome,
    header,
    health::{Checks, Liveness, RaftCheck, Readiness, StorageCheck},
};
use serde::Serialize;
use serde_json::json;
use std::{convert::Infallible, net::IpAddr, pin::pin, time::Duration};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use uuid::Uuid;

/// Connections at once to the listener for monitoring.
pub(crate) const MAX_MONITORS: usize = 64;
/// Bytes that one connection buffers of a request's head, and of answers that wait for the client.
const MAX_BUFFER: usize = 64 * 1024;
/// Concurrent streams of one HTTP/2 connection: more than a client needs, and each may hold an answer in memory.
const MAX_STREAMS: usize = 64;
/// Concurrent streams of all connections together. The more connections there are, the fewer a new one gets.
const MAX_STREAMS_OF_NODE: usize = 65_536;
/// HTTP/2 flow-control windows, in bytes: of one request body, and of all on one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// A client has this long to send the head of a request: a slow sender must not hold a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Open requests get this long when the node stops. Most take milliseconds, and stopping takes 5 s in all.
const DRAIN: Duration = Duration::from_millis(1_500);
/// A connection that ends gets this long to finish open requests, unless its permit is needed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed `accept`: without free file descriptors, an immediate retry would fail too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The time between two log lines about the same problem.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The router of a node that is starting: it answers that the process lives and is not ready.
pub(crate) fn starting() -> Router {
    let alive = || async { Json(Liveness { status: "alive".to_owned(), timestamp: now() }) };
    let not_ready = || async { unavailable(not_ready(STARTING.to_owned())) };
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

/// The answer of `/health` of a node on which nothing can be checked, and why.
pub(super) fn not_ready(message: String) -> Readiness {
    let unhealthy = || "unhealthy".to_owned();
    let raft = RaftCheck {
        status: unhealthy(),
        latency_ms: 0,
        role: Role::Stopped.name().to_owned(),
        leader: None,
        term: 0,
        lag: 0,
        message: Some(message),
    };
    let storage = StorageCheck { status: unhealthy(), latency_ms: 0, space: None };
    Readiness { status: "not_ready".to_owned(), checks: Checks { raft, storage }, timestamp: now() }
}

pub(super) fn now() -> Moment {
    Moment(SystemClock.wall())
}

/// The message to clients of a node that is starting.
const STARTING: &str = "this node is starting; try again in a moment, or another node";

pub(super) fn unavailable(body: impl Serialize) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], Json(body)).into_response()
}

/// Serves the current router until `stop`, with at most `most` connections, by TLS while there is a certificate for
/// clients. Then it drains, and logs what it had to cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    router: watch::Receiver<Router>,
    most: usize,
    tls: Option<ClientTls>,
    stop: CancellationToken,
) {
    let (connections, tasks, halt) = (Connections::new(most), TaskTracker::new(), CancellationToken::new());
    let mut problem = LogThrottle::default();
    loop {
        let accepted = tokio::select! {
            accepted = async { connections.settled().await; listener.accept().await } => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if problem.is_due() {
                    tracing::warn!(%error, "cannot accept connections of clients");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(permit) = connections.admit(remote.ip()) else {
            if problem.is_due() {
                tracing::warn!(from = %remote.ip(), most, "a connection is refused: all others are busy");
            }
            continue;
        };
        // Small answers must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let builder = builder(MAX_STREAMS_OF_NODE / connections.open().max(1));
        let connection = Connection::new(stream, permit);
        let serving = serve_one(connection, remote.ip(), router.clone(), builder, tls.clone(), stop.clone());
        let halt = halt.clone();
        tasks.spawn(async move { halt.run_until_cancelled(serving).await });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        let (open, requests) = connections.count();
        tracing::warn!(connections = open, requests, "stopping: open requests are cut off");
        halt.cancel();
        tasks.wait().await;
    }
}

/// The protocol settings of a connection, with at most `streams` requests at once. They bound the memory that a client
/// can make this node hold; [`Activity`](crate::serve::activity::Activity) bounds the time.
fn builder(streams: usize) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32::try_from(streams.min(MAX_STREAMS)).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_BUFFER)
        .keep_alive_interval(HEADER_TIMEOUT)
        .keep_alive_timeout(HEADER_TIMEOUT);
    builder
}

/// Serves one connection until its client closes it, it times out, its permit or memory is needed, or the node stops.
async fn serve_one(
    connection: Connection,
    from: IpAddr,
    router: watch::Receiver<Router>,
    builder: Builder<TokioExecutor>,
    tls: Option<ClientTls>,
    stop: CancellationToken,
) {
    let (activity, end) = (connection.activity().clone(), connection.end().clone());
    // hyper's timeout starts with the first byte of a request; until then this one counts.
    let secured = async {
        connection.readable().await.ok()?;
        match tls {
            Some(tls) => tls.secure(connection).await,
            None => Some(Either::Left(connection)),
        }
    };
    let secured = tokio::select! {
        secured = tokio::time::timeout(HEADER_TIMEOUT, secured) => secured.ok().flatten(),
        () = end.cancelled() => None,
        () = stop.cancelled() => None,
    };
    let Some(connection) = secured else { return };
    let is_encrypted = matches!(connection, Either::Right(_));
    let (tracked, ends) = (activity.clone(), ConnectionEnd(end.clone()));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let (activity, open) = (tracked.clone(), tracked.begin_request());
        request.extensions_mut().insert(RemoteAddr(from));
        request.extensions_mut().insert(ends.clone());
        if is_encrypted {
            request.extensions_mut().insert(Encrypted);
        }
        let router = router.borrow().clone();
        async move {
            let mut response = router.oneshot(request).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.upgrade();
            }
            let reservation = response.extensions_mut().remove();
            Ok::<_, Infallible>(response.map(|body| open.answer(body, reservation)))
        }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(connection), service));
    tokio::select! {
        // A client that disconnects is not an error.
        _ = connection.as_mut() => return,
        // Without a graceful shutdown, since another client waits for what it holds.
        () = end.cancelled() => return,
        () = activity.timed_out() => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    // Bounded, since a client that took nothing so far will not take this either. When the node stops, it is cut off
    // earlier.
    let shutdown = tokio::time::timeout(SHUTDOWN_TIMEOUT, connection);
    let _ = end.run_until_cancelled(shutdown).await;
}

/// Limits how often a problem is logged: once in [`LOG_INTERVAL`].
#[derive(Default)]
struct LogThrottle(Option<Instant>);

impl LogThrottle {
    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::Extension;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    #[tokio::test]
    async fn a_connection_ends_at_once_when_others_need_what_it_holds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let cancelled = |Extension(ConnectionEnd(end)): Extension<ConnectionEnd>| async move {
            end.cancel();
            std::future::pending::<()>().await;
        };
        let (_router, current) = watch::channel(Router::new().route("/", get(cancelled)));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, current, 8, None, stop.clone()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut received = Vec::new();
        // Cut off hard or not, nothing more comes.
        let _ = client.read_to_end(&mut received).await;
        assert!(received.is_empty());
        stop.cancel();
        serving.await.unwrap();
    }
}
