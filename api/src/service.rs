//! The router, and what happens around every request: its id, its span, its bounds, its counters,
//! and the one place where failures get their body.

use crate::{
    api::{Api, LARGE_BODY, MAX_BODY, MAX_OPEN_BODY},
    browser,
    cluster::{MAX_PREPARATION, Unavailable},
    concurrency::RequestPermit,
    failure::ApiError,
    mcp, openapi,
    rate_limits::{Admitted, TurnedAway, remote_addr},
    response_memory::{ConnectionEnd, Reader},
    routes,
    write::{self, PermitAfterBody, read_body},
};
use axum::{
    Json, Router,
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use nexus_api_types::{Code, ErrorBody, Failure, header as names};
use percent_encoding::percent_decode_str;
use std::{
    net::IpAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;

/// A request that takes longer is given up: above the 5 s that a write or a read may wait.
const REQUEST_DEADLINE: Duration = Duration::from_secs(15);

/// A long poll waits as long as its client asked for, and then answers like any other request.
const POLL_DEADLINE: Duration = routes::MAX_WAIT.saturating_add(REQUEST_DEADLINE);

/// A backup is answered once there is a snapshot; sending it takes as long as it takes.
const BACKUP_DEADLINE: Duration = MAX_PREPARATION.saturating_add(REQUEST_DEADLINE);

/// Told to whoever reads no long answers and asks for more.
const TOO_MUCH_UNREAD: &str =
    "too many long answers of this engineer, or on this node, that nobody has taken yet";

/// Everything that a node serves to clients.
pub fn router(api: Api) -> Router {
    let (described, _) = routes::api().into_parts();
    let reference = Router::new().route("/openapi.json", get(openapi_json)).route("/docs", get(docs));
    let router = Router::new()
        .nest("/api", described.merge(routes::socket()).merge(reference.clone()))
        .merge(routes::bare())
        .merge(reference)
        .fallback(|| async { ApiError::not_found("no such route") })
        .method_not_allowed_fallback(|| async { unknown_method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal(&"a handler panicked").into_response()));
    let router = router.layer(middleware::from_fn_with_state(api.clone(), around)).with_state(api.clone());
    let tools = mcp::route(api.clone(), router.clone());
    let router = router.merge(tools.layer(middleware::from_fn_with_state(api.clone(), around)));
    // Around all else, so that a page may read why it was refused. Without a page that may call, no answer
    // says that one may.
    if api.config.allowed_origins.is_empty() { router } else { router.layer(cors(&api)) }
}

/// Metrics and health alone, for a listener that is not for clients: nobody is asked for a key.
pub fn monitoring(api: Api) -> Router {
    let routes = routes::monitoring().fallback(|| async { ApiError::not_found("no such route") });
    routes.layer(middleware::from_fn_with_state(api.clone(), without_pages)).with_state(api)
}

/// Keeps pages from reading what programs may.
async fn without_pages(State(api): State<Api>, request: Request, next: Next) -> Response {
    match browser::check(&api.config, &request) {
        Err(error) if !routes::is_health(request.uri().path()) => {
            with_body(error, &request_id(&api, &request))
        }
        Ok(()) | Err(_) => next.run(request).await,
    }
}

async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], REFERENCE.json.clone())
}

async fn docs() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(REFERENCE.page.clone()))
}

/// The description of the API, made when somebody asks for it first: it never changes while the node runs.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let (_, descriptions) = routes::api().into_parts();
    let document = openapi::document(descriptions);
    let json = document.to_json().expect("a document of plain values is JSON");
    Reference { json: json.into(), page: openapi::page(&document).into() }
});

/// Nothing in the page runs, and nothing is fetched for it.
const DOCS_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

struct Reference {
    json: Bytes,
    page: Bytes,
}

fn cors(api: &Api) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        api.config.allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let request_headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static(names::REQUEST_ID),
        HeaderName::from_static(names::SESSION),
        HeaderName::from_static(names::IDEMPOTENCY_KEY),
        HeaderName::from_static(names::MIN_REVISION),
    ];
    let answer_headers = [
        HeaderName::from_static(names::REQUEST_ID),
        HeaderName::from_static(names::REVISION),
        HeaderName::from_static(names::STALENESS_MS),
        HeaderName::from_static(names::TOTAL_COUNT),
        header::CONTENT_DISPOSITION,
        header::RETRY_AFTER,
        HeaderName::from_static("ratelimit-limit"),
        HeaderName::from_static("ratelimit-remaining"),
        HeaderName::from_static("ratelimit-reset"),
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(request_headers)
        .expose_headers(answer_headers)
}

async fn around(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&api, &request);
    // What a handler asks of other routes has the same.
    request.headers_mut().insert(names::REQUEST_ID, id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = %id.to_str().unwrap_or_default(), %method, %route);
    let remote = remote_addr(request.extensions().get(), request.headers(), api.config.trust_proxy);
    let end =
        request.extensions().get().map_or_else(CancellationToken::new, |ConnectionEnd(end)| end.clone());
    // Dropped with this future: a client that breaks off is counted no longer.
    let _in_flight = api.metrics.request_begins();
    let (mut response, allowance, engineer) = match admit(&api, &request) {
        Ok(admitted) => {
            let answered = within_bounds(&api, &route, admitted, request, next);
            (answered.instrument(span.clone()).await, admitted.allowance, admitted.engineer)
        }
        Err(TurnedAway { error, allowance }) => (error.into_response(), allowance, None),
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = with_body(error, &id);
    }
    let reader = Reader::of(engineer, remote);
    let reservation =
        api.response_memory.reserve_response(reader, is_read(&method), &response, &end).or_else(|| {
            response = with_body(ApiError::from(Unavailable::NotApplied(TOO_MUCH_UNREAD.to_owned())), &id);
            api.response_memory.reserve_response(reader, false, &response, &end)
        });
    if let Some(reservation) = reservation {
        response.extensions_mut().insert(reservation);
    }
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(names::REQUEST_ID), id);
    if !headers.contains_key(names::REVISION) {
        headers.insert(HeaderName::from_static(names::REVISION), api.cluster.local().revision().0.into());
    }
    if let Some(allowance) = allowance {
        allowance.write(headers);
    }
    secure(headers);
    let status = response.status();
    let took = began.elapsed();
    let revision = response.headers().get(names::REVISION);
    span.in_scope(|| {
        tracing::debug!(status = status.as_u16(), took_us = took.as_micros(), ?revision, "answered");
    });
    api.metrics.answered(&method, &route, status.as_u16(), took);
    response
}

/// Turns away what no handler should see: what asks too often, and what is malformed before any handler
/// could say so.
fn admit(api: &Api, request: &Request) -> Result<Admitted, TurnedAway> {
    // Load balancers ask how a node is by whatever name they have for it, and learn nothing else.
    if !routes::is_health(request.uri().path()) {
        browser::check(&api.config, request).map_err(|error| TurnedAway { error, allowance: None })?;
    }
    let remote = remote_addr(request.extensions().get(), request.headers(), api.config.trust_proxy);
    let admitted = api.rate_limits.admit(api.cluster.local().state(), request.headers(), remote)?;
    let allowance = admitted.allowance;
    if percent_decode_str(request.uri().path()).decode_utf8().is_err() {
        return Err(TurnedAway { error: ApiError::field("path", "is not valid UTF-8"), allowance });
    }
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_a_route = request.extensions().get::<MatchedPath>().is_some();
    if request.method() == Method::OPTIONS && !is_preflight && is_a_route {
        return Err(TurnedAway { error: unknown_method(), allowance });
    }
    Ok(admitted)
}

async fn within_bounds(
    api: &Api,
    route: &str,
    asker: Admitted,
    mut request: Request,
    next: Next,
) -> Response {
    if routes::is_health(route) {
        // Whoever asks how a node is has to be told so when it is full, too. No body is read for it.
        return within(REQUEST_DEADLINE, next.run(request)).await;
    }
    let deadline = if routes::is_long_poll(route) {
        POLL_DEADLINE
    } else if routes::is_backup(route) {
        BACKUP_DEADLINE
    } else {
        REQUEST_DEADLINE
    };
    let is_read = is_read(request.method());
    let is_large = request.body().size_hint().exact().is_none_or(|bytes| bytes > LARGE_BODY);
    let is_work = mcp::is_tools(route) || is_read || is_large && !routes::is_heartbeat(route);
    let remote = remote_addr(request.extensions().get(), request.headers(), api.config.trust_proxy);
    let admission = match concurrency_permit(api, route, asker, is_read, remote).await {
        Ok(admission) => admission,
        Err(too_many) => return overloaded(Unavailable::NotApplied(format!("{too_many} on this node"))),
    };
    // Only now: what waits for its turn holds no slot, which others need.
    let permit = match handler_permit(api, route, is_read, &mut request) {
        Ok(permit) => permit,
        Err(error) => return error.into_response(),
    };
    let answered = async {
        // A WebSocket is answered once it is upgraded, and holds no slot for its life.
        let _permit = permit;
        // A read is answered without its body, which may never come: a stranger has no place for waiting for it.
        if is_upgrade(route) {
            // The socket lives where its upgrade was answered: thousands of them hold up nobody's write.
            let _admission = admission;
            return api.socket_threads.answer(next.run(request).in_current_span()).await;
        }
        if is_work && (asker.engineer.is_some() || mcp::is_tools(route)) {
            // Whatever it takes to make the answer, that holds up nobody's write either.
            let _admission = admission;
            return api.background.answer(next.run(request).in_current_span()).await;
        }
        let is_known = asker.engineer.is_some() || request.headers().contains_key(header::AUTHORIZATION);
        if admission.is_none() || is_known {
            let _admission = admission;
            return next.run(request).await;
        }
        // What can be slow is the body alone: many may register at once, behind one address too.
        let (parts, body) = request.into_parts();
        let body = match read_body(body, api, MAX_OPEN_BODY).await {
            Ok((body, _)) => body,
            Err(problem) => return problem.into_response(),
        };
        drop(admission);
        next.run(Request::from_parts(parts, Body::from(body))).await
    };
    within(deadline, answered).await
}

/// The answer, or that it took longer than a request may.
async fn within(deadline: Duration, answered: impl Future<Output = Response>) -> Response {
    let answered = tokio::time::timeout(deadline, answered).await;
    answered.unwrap_or_else(|_| overloaded(Unavailable::Unknown("the request took too long".to_owned())))
}

/// A request's part of what a node handles at once, until it is dropped.
enum HandlerPermit<'a> {
    /// Of long polls, or of heartbeats.
    Apart(#[allow(dead_code, reason = "held for its drop")] SemaphorePermit<'a>),
    /// Of all others.
    Request(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
}

/// Takes a slot for what is handled at once. A write takes its slot later, when its body is there, and each request
/// of a tool takes its own.
///
/// # Errors
/// 503 when there is none.
fn handler_permit<'a>(
    api: &'a Api,
    route: &str,
    is_read: bool,
    request: &mut Request,
) -> Result<Option<HandlerPermit<'a>>, ApiError> {
    let apart = if routes::is_long_poll(route) {
        Some(&api.polls)
    } else if routes::is_heartbeat(route) {
        Some(&api.heartbeats)
    } else {
        None
    };
    if let Some(permits) = apart {
        let full = |_| Unavailable::NotApplied("too many requests on this node at once".to_owned());
        return Ok(Some(HandlerPermit::Apart(permits.try_acquire().map_err(full)?)));
    }
    if mcp::is_tools(route) {
        return Ok(None);
    }
    if is_read {
        return write::handler_permit(api).map(HandlerPermit::Request).map(Some);
    }
    request.extensions_mut().insert(PermitAfterBody);
    Ok(None)
}

/// The places of a request, until they are dropped. A body may be slow to come, on purpose too, and so may an answer
/// be: nobody may take all of them. A stranger's read is answered at once and needs none.
///
/// # Errors
/// What there is too much of.
async fn concurrency_permit(
    api: &Api,
    route: &str,
    asker: Admitted,
    is_read: bool,
    remote: Option<IpAddr>,
) -> Result<Option<RequestPermit>, &'static str> {
    let Some(engineer) = asker.engineer else {
        let needs_none = is_read || routes::is_long_poll(route) || routes::is_heartbeat(route);
        if needs_none {
            return Ok(None);
        }
        return api.concurrency.unauthenticated(remote).map(RequestPermit::Unauthenticated).map(Some);
    };
    let permit = if routes::is_heartbeat(route) {
        api.concurrency.heartbeat(engineer)?
    } else if routes::is_long_poll(route) {
        api.concurrency.poll(engineer)?
    } else {
        api.concurrency.request(engineer)?
    };
    let is_queued_read =
        is_read && !is_upgrade(route) && !mcp::is_tools(route) && !routes::is_long_poll(route);
    // A request over `/mcp` asks others of this engineer: with a turn, it would wait for its own end.
    let read = if is_queued_read { Some(api.concurrency.read_permit(engineer).await?) } else { None };
    Ok(Some(RequestPermit::Engineer(permit, read)))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a request of this route becomes a WebSocket, whose life is longer than that of an answer.
fn is_upgrade(route: &str) -> bool {
    route.strip_prefix("/api").unwrap_or(route) == "/ws"
}

fn overloaded(unavailable: Unavailable) -> Response {
    ApiError::from(unavailable).into_response()
}

fn unknown_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "this route does not know this method")
}

/// The client's own id, if it is one that can stand in a log line.
fn request_id(api: &Api, request: &Request) -> HeaderValue {
    /// Characters of a client's id.
    const LONGEST: usize = 1_024;
    let given = request
        .headers()
        .get(names::REQUEST_ID)
        .filter(|id| id.len() <= LONGEST && !id.is_empty() && id.to_str().is_ok());
    given.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&api.mint.id().to_string()).expect("a UUID is a header value")
    })
}

fn with_body(error: ApiError, id: &HeaderValue) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Failure {
        error: ErrorBody {
            code: error.code,
            message: error.message,
            details: error.details,
            request_id: id.to_str().unwrap_or_default().to_owned(),
        },
    };
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(revision) = error.revision {
        headers.insert(HeaderName::from_static(names::REVISION), revision.0.into());
    }
    response
}

/// What keeps browsers from doing more with an answer than reading it.
fn secure(headers: &mut axum::http::HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{events::tests::stage::Stage, response_memory::ResponseReservation};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_strangers_read_is_answered_although_its_body_never_comes() {
        let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
        let asked = Request::get("/api/auth/me").body(Body::from_stream(never)).unwrap();
        let answer = router(Stage::set().api()).oneshot(asked).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn every_answer_has_room_and_who_takes_none_of_many_loses_the_first_connection() {
        let api = Stage::set().api();
        let router = router(api.clone());
        let asked = async |path: &str| {
            let end = CancellationToken::new();
            let mut request = Request::get(path).body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectionEnd(end.clone()));
            (router.clone().oneshot(request).await.unwrap(), end)
        };
        for path in ["/health/live", "/api/openapi.json", "/api/auth/me", "/nothing", "/api/docs"] {
            assert!(asked(path).await.0.extensions().get::<ResponseReservation>().is_some(), "{path}");
        }
        let (answer, end) = asked("/health/live").await;
        let (other, other_end) = asked("/health/live").await;
        drop(other);
        let _much =
            api.response_memory.reserve(Reader::of(None, None), usize::MAX / 2, &CancellationToken::new());
        assert!(end.is_cancelled(), "it is not taken");
        assert!(!other_end.is_cancelled(), "it was");
        drop(answer);
    }
}
