//! The listener for clients: connections that are bounded in number, memory and time, and drained at the end.

use crate::{
    clock::{Clock, SystemClock},
    connections::{Connection, Connections},
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
use nexus_api::{ConnectionEnd, RemoteAddr, cluster::Role};
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
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use uuid::Uuid;

/// Connections of clients at once that a node has unless told otherwise, WebSockets among them: each takes a descriptor and
/// some kilobytes.
pub(crate) const MAX_CONNECTIONS: u32 = 8_192;
/// Connections at once to a listener that is for monitoring.
pub(crate) const MAX_MONITORS: usize = 64;
/// Bytes of a request's head, and of an answer that waits for its client, of one connection.
const MAX_BUFFER: usize = 64 * 1024;
/// Requests at once on one connection of HTTP/2: more than a client sends side by side, and each may hold an answer.
const MAX_STREAMS: usize = 64;
/// Of all connections together: where there are many, each that comes has fewer.
const MAX_STREAMS_OF_NODE: usize = 65_536;
/// Bytes of one request's body, and of all on one connection, that a client may send before they are read.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// A client has this long for the head of a request: a slow sender must not hold a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are being answered at the end get this long: most take milliseconds, and stopping takes 5 s in all.
const DRAIN: Duration = Duration::from_millis(1_500);
/// A connection that is to end gets this long for what is on its way, unless others need its place.
const FAREWELL: Duration = Duration::from_secs(5);
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

/// Serves whatever router is current, until told to stop; then drains, and says what it had to cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    router: watch::Receiver<Router>,
    most: usize,
    stop: CancellationToken,
) {
    let (connections, tasks, halt) = (Connections::new(most), TaskTracker::new(), CancellationToken::new());
    let mut told = Reminder::default();
    loop {
        let accepted = tokio::select! {
            accepted = async { connections.settled().await; listener.accept().await } => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if told.is_due() {
                    tracing::warn!(%error, "cannot accept connections of clients");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = connections.admit(remote.ip()) else {
            if told.is_due() {
                tracing::warn!(from = %remote.ip(), most, "a client is turned away: all connections are at work");
            }
            continue;
        };
        // Small answers must not wait for more to come.
        let _ = stream.set_nodelay(true);
        let builder = builder(MAX_STREAMS_OF_NODE / connections.open().max(1));
        let connection = Connection::new(stream, place);
        let serving = serve_one(connection, remote.ip(), router.clone(), builder, stop.clone());
        let halt = halt.clone();
        tasks.spawn(async move { halt.run_until_cancelled(serving).await });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        let (open, requests) = connections.count();
        tracing::warn!(connections = open, requests, "stopping: what is not answered by now is cut off");
        halt.cancel();
        tasks.wait().await;
    }
}

/// How a connection is spoken on, with so many requests at once at most. What a client may make a node hold of it is
/// bounded here, its time by [`Activity`](crate::activity::Activity).
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

/// Serves one connection until its client goes, nothing happens on it for too long, others need what it holds, or the node
/// stops.
async fn serve_one(
    connection: Connection,
    from: IpAddr,
    router: watch::Receiver<Router>,
    builder: Builder<TokioExecutor>,
    stop: CancellationToken,
) {
    let (activity, end) = (connection.activity().clone(), connection.end().clone());
    // hyper measures its patience from the first byte on: until then, it is measured here.
    let is_there = tokio::select! {
        readable = tokio::time::timeout(HEADER_TIMEOUT, connection.readable()) => matches!(readable, Ok(Ok(()))),
        () = end.cancelled() => false,
        () = stop.cancelled() => false,
    };
    if !is_there {
        return;
    }
    let (asked, ends) = (activity.clone(), ConnectionEnd(end.clone()));
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let (activity, handled) = (asked.clone(), asked.handle());
        request.extensions_mut().insert(RemoteAddr(from));
        request.extensions_mut().insert(ends.clone());
        let router = router.borrow().clone();
        async move {
            let mut response = router.oneshot(request).await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.upgrade();
            }
            let room = response.extensions_mut().remove();
            Ok::<_, Infallible>(response.map(|body| handled.answer(body, room)))
        }
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(connection), service));
    tokio::select! {
        // A client that breaks off is no failure of the node.
        _ = connection.as_mut() => return,
        // Without a farewell: somebody waits for what it holds.
        () = end.cancelled() => return,
        () = activity.over() => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that took nothing so far takes no farewell either. When the node stops, it is cut off earlier.
    let farewell = tokio::time::timeout(FAREWELL, connection);
    let _ = end.run_until_cancelled(farewell).await;
}

/// When to say again in the log what goes on.
#[derive(Default)]
struct Reminder(Option<Instant>);

impl Reminder {
    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|told| told.elapsed() >= REMIND);
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
        let given_up = |Extension(ConnectionEnd(end)): Extension<ConnectionEnd>| async move {
            end.cancel();
            std::future::pending::<()>().await;
        };
        let (_router, current) = watch::channel(Router::new().route("/", get(given_up)));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, current, 8, stop.clone()));
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut told = Vec::new();
        // Cut off hard or not, nothing more comes.
        let _ = client.read_to_end(&mut told).await;
        assert!(told.is_empty());
        stop.cancel();
        serving.await.unwrap();
    }
}
