//! The router, and what happens around every request: its id, its span, its limits, its metrics, and the body of its
//! failure.

use crate::{
    api::Api,
    bodies::{LARGE_BODY, MAX_BODY, MAX_OPEN_BODY},
    browser,
    cluster::{MAX_PREPARATION, Unavailable},
    concurrency::RequestPermit,
    failure::ApiError,
    mcp, pages,
    rate_limits::{Admitted, EarlyRefusal, remote_addr},
    response_memory::{ConnectionEnd, Reader},
    routes, traces,
    write::{self, PermitAfterBody},
};
use axum::{
    Json, Router,
    body::{Body, HttpBody},
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use nexus_api_types::{Code, ErrorBody, Failure, header as names};
use nexus_domain::Revision;
use percent_encoding::percent_decode_str;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;

/// Longest time of a request: more than the 5 s that a write or a read may wait.
const REQUEST_DEADLINE: Duration = Duration::from_secs(15);

/// Longest time of a long poll: its wait, and then the time of any other request.
const POLL_DEADLINE: Duration = routes::MAX_WAIT.saturating_add(REQUEST_DEADLINE);

/// Longest time until a backup begins to be sent: it needs a snapshot first.
const BACKUP_DEADLINE: Duration = MAX_PREPARATION.saturating_add(REQUEST_DEADLINE);

/// The error when too much response memory is reserved.
const TOO_MUCH_UNREAD: &str =
    "too many long answers of this engineer, or on this node, that nobody has taken yet";

/// The routes that a node serves to clients.
pub fn router(api: Api) -> Router {
    let (described, _) = routes::api().into_parts();
    let router = Router::new()
        .nest("/api", described.merge(routes::socket()).merge(pages::reference()))
        .merge(routes::bare())
        .merge(pages::reference())
        .merge(pages::home())
        .fallback(|| async { ApiError::not_found("no such route") })
        .method_not_allowed_fallback(|| async { unknown_method() })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal(&"a handler panicked").into_response()));
    let router =
        router.layer(middleware::from_fn_with_state(api.clone(), around_request)).with_state(api.clone());
    let tools = mcp::route(api.clone(), router.clone());
    let router = router.merge(tools.layer(middleware::from_fn_with_state(api.clone(), around_request)));
    // CORS is the outermost layer, so that a page can read why it was refused. Without allowed origins there is none.
    if api.config.allowed_origins.is_empty() { router } else { router.layer(cors(&api)) }
}

/// The routes of the listener for monitoring: metrics and health, without a key.
pub fn monitoring(api: Api) -> Router {
    let routes = routes::monitoring().fallback(|| async { ApiError::not_found("no such route") });
    routes.layer(middleware::from_fn_with_state(api.clone(), without_pages)).with_state(api)
}

/// Refuses requests of foreign pages to the listener for monitoring, except for health.
async fn without_pages(State(api): State<Api>, request: Request, next: Next) -> Response {
    match browser::check(&api.config, &request) {
        Err(error) if !routes::is_health(request.uri().path()) => {
            with_body(error, &request_id(&api, &request))
        }
        Ok(()) | Err(_) => next.run(request).await,
    }
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
        HeaderName::from_static(names::HISTORY_RESET),
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

async fn around_request(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&api, &request);
    // Requests that a handler sends to other routes get the same id.
    request.headers_mut().insert(names::REQUEST_ID, id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    // Health checks and metrics are requested all the time, and nobody searches for them.
    let is_traced = api.config.traces && !routes::is_health(&route) && !routes::is_metrics(&route);
    let name = id.to_str().unwrap_or_default();
    let span = traces::request_span(name, &method, &route, request.headers(), is_traced);
    let remote = remote_addr(request.extensions().get(), request.headers(), api.config.trust_proxy);
    let end =
        request.extensions().get().map_or_else(CancellationToken::new, |ConnectionEnd(end)| end.clone());
    // Dropped with this future, so that a request is not counted after its client disconnected.
    let _in_flight = api.metrics.request_begins();
    let (mut response, allowance, engineer) = match admit(&api, &request) {
        Ok(admitted) => {
            let answered = within_bounds(&api, &route, admitted, request, next);
            (answered.instrument(span.clone()).await, admitted.allowance, admitted.engineer)
        }
        Err(EarlyRefusal { error, allowance }) => (error.into_response(), allowance, None),
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
    if !is_read(&method)
        && let Some(reset) = reset_since(&api, headers)
    {
        headers.insert(HeaderName::from_static(names::HISTORY_RESET), reset.0.into());
    }
    if let Some(allowance) = allowance {
        allowance.write(headers);
    }
    secure(headers);
    let status = response.status();
    traces::answered(&span, status.as_u16());
    let took = began.elapsed();
    let revision = response.headers().get(names::REVISION);
    span.in_scope(|| {
        tracing::debug!(status = status.as_u16(), took_us = took.as_micros(), ?revision, "answered");
    });
    api.metrics.answered(&method, &route, status.as_u16(), took);
    response
}

/// The reset of the history that came after a write was answered first: this answer is the cached one, and what its
/// client did afterwards may be lost.
fn reset_since(api: &Api, headers: &HeaderMap) -> Option<Revision> {
    let from = api.cluster.local().state().history_start()?.from;
    let answered: u64 = headers.get(names::REVISION)?.to_str().ok()?.parse().ok()?;
    (answered < from.0).then_some(from)
}

/// Refuses requests before they reach a handler: those that exceed a rate limit, come from a foreign page, or are
/// malformed.
fn admit(api: &Api, request: &Request) -> Result<Admitted, EarlyRefusal> {
    // Load balancers may use any host name for health checks, which reveal nothing else.
    if !routes::is_health(request.uri().path()) {
        browser::check(&api.config, request).map_err(|error| EarlyRefusal { error, allowance: None })?;
    }
    let remote = remote_addr(request.extensions().get(), request.headers(), api.config.trust_proxy);
    let admitted = api.rate_limits.admit(api.cluster.local().state(), request.headers(), remote)?;
    let allowance = admitted.allowance;
    if percent_decode_str(request.uri().path()).decode_utf8().is_err() {
        return Err(EarlyRefusal { error: ApiError::field("path", "is not valid UTF-8"), allowance });
    }
    let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_a_route = request.extensions().get::<MatchedPath>().is_some();
    if request.method() == Method::OPTIONS && !is_preflight && is_a_route {
        return Err(EarlyRefusal { error: unknown_method(), allowance });
    }
    Ok(admitted)
}

async fn within_bounds(
    api: &Api,
    route: &str,
    admitted: Admitted,
    mut request: Request,
    next: Next,
) -> Response {
    if routes::is_health(route) {
        // Health checks are answered at the limits, too. Their body is not read.
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
    let admission = match concurrency_permit(api, route, admitted, is_read, remote).await {
        Ok(admission) => admission,
        Err(too_many) => return overloaded(Unavailable::NotApplied(format!("{too_many} on this node"))),
    };
    // After that, so that a queued read holds no handler permit, which others need.
    let permit = match handler_permit(api, route, is_read, &mut request) {
        Ok(permit) => permit,
        Err(error) => return error.into_response(),
    };
    let answered = async {
        // A WebSocket is answered with its upgrade, and does not hold the handler permit for its life.
        let _permit = permit;
        // A read is answered without its body, which may never arrive: a request without a key has no permit to wait
        // for it.
        if is_upgrade(route) {
            // The socket stays on the threads that answer its upgrade, so that thousands of them delay no write.
            let _admission = admission;
            return api.socket_threads.answer(next.run(request).in_current_span()).await;
        }
        if is_work && (admitted.engineer.is_some() || mcp::is_tools(route)) {
            // On the threads of reads, so that making the answer delays no write.
            let _admission = admission;
            return api.background.answer(next.run(request).in_current_span()).await;
        }
        let is_known = admitted.engineer.is_some() || request.headers().contains_key(header::AUTHORIZATION);
        if admission.is_none() || is_known {
            let _admission = admission;
            return next.run(request).await;
        }
        // The permit is for the body alone, which may be slow: many clients of one address may register at once.
        let (parts, body) = request.into_parts();
        let body = match api.bodies.read(body, MAX_OPEN_BODY).await {
            Ok((body, _)) => body,
            Err(problem) => return problem.into_response(),
        };
        drop(admission);
        next.run(Request::from_parts(parts, Body::from(body))).await
    };
    within(deadline, answered).await
}

/// The answer, or an error after the deadline.
async fn within(deadline: Duration, answered: impl Future<Output = Response>) -> Response {
    let answered = tokio::time::timeout(deadline, answered).await;
    answered.unwrap_or_else(|_| overloaded(Unavailable::Unknown("the request took too long".to_owned())))
}

/// A permit to be handled.
enum HandlerPermit<'a> {
    /// A permit of the separate limit for long polls, or of that for heartbeats.
    Apart(#[allow(dead_code, reason = "held for its drop")] SemaphorePermit<'a>),
    /// A permit of the limit for all other requests.
    Request(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
}

/// Takes the handler permit of a request. A write takes its own later, once its body has arrived, and a tool takes one
/// for each of its requests.
///
/// # Errors
/// 503 at the limit.
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

/// Takes the permit of the engineer or address that sent the request. Bodies and answers may be slow, also on purpose,
/// and no client may take all permits. A read without a key is answered at once and needs none.
///
/// # Errors
/// A message that says which limit is reached.
async fn concurrency_permit(
    api: &Api,
    route: &str,
    admitted: Admitted,
    is_read: bool,
    remote: Option<IpAddr>,
) -> Result<Option<RequestPermit>, &'static str> {
    let Some(engineer) = admitted.engineer else {
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
    // A request over `/mcp` sends others of this engineer. With a read permit, it would wait for its own end.
    let read = if is_queued_read { Some(api.concurrency.read_permit(engineer).await?) } else { None };
    Ok(Some(RequestPermit::Engineer(permit, read)))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether requests of this route become WebSockets.
fn is_upgrade(route: &str) -> bool {
    route.strip_prefix("/api").unwrap_or(route) == "/ws"
}

fn overloaded(unavailable: Unavailable) -> Response {
    ApiError::from(unavailable).into_response()
}

fn unknown_method() -> ApiError {
    ApiError::new(Code::MethodNotAllowed, "this route does not know this method")
}

/// The request id of the client, if it fits into a log line, or a new one.
fn request_id(api: &Api, request: &Request) -> HeaderValue {
    /// Characters of a client's id at most.
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

/// Sets the headers that keep browsers from using an answer for anything but reading it.
fn secure(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{response_memory::ResponseReservation, sockets::tests::stage::Stage};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_strangers_read_is_answered_although_its_body_never_comes() {
        let never = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        let request = Request::get("/api/auth/me").body(Body::from_stream(never)).unwrap();
        let answer = router(Stage::set().api()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn the_reference_is_found_with_a_slash_too() {
        let router = router(Stage::set().api());
        for path in ["/docs/", "/api/docs/"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT, "{path}");
            assert_eq!(answer.headers()[header::LOCATION], "../docs", "{path}");
        }
    }

    #[tokio::test]
    async fn every_answer_has_a_reservation_and_a_client_that_takes_none_of_many_loses_its_first_connection()
    {
        let api = Stage::set().api();
        let router = router(api.clone());
        let send = async |path: &str| {
            let end = CancellationToken::new();
            let mut request = Request::get(path).body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectionEnd(end.clone()));
            (router.clone().oneshot(request).await.unwrap(), end)
        };
        for path in ["/health/live", "/api/openapi.json", "/api/auth/me", "/nothing", "/api/docs"] {
            assert!(send(path).await.0.extensions().get::<ResponseReservation>().is_some(), "{path}");
        }
        let (answer, end) = send("/health/live").await;
        let (other, other_end) = send("/health/live").await;
        drop(other);
        let _much =
            api.response_memory.reserve(Reader::of(None, None), usize::MAX / 2, &CancellationToken::new());
        assert!(end.is_cancelled(), "it is not taken");
        assert!(!other_end.is_cancelled(), "it was");
        drop(answer);
    }
}
