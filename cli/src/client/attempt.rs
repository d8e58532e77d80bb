//! One request to one server, and what to make of its end. Never tries again.

use super::{
    reason::{self, CONNECT_TIMEOUT, seconds},
    request::Request,
    tls_problem,
    trust::Trust,
};
use crate::{error::Refused, server::Server};
use nexus_api_types::{Data, ErrorBody, Failure, envelope::Outcome, header as names, health::Readiness};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::time::Duration;

/// A server's answer is cut off here: the largest list of features is far smaller.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The beginning of what a node answers to plain text on a port with TLS.
const SPEAKS_HTTPS: &str = "this node serves https alone";

/// The result of one attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The server answered.
    Answered {
        /// The `data` of the answer.
        data: Value,
        /// The log index that it reflects.
        revision: Option<u64>,
    },
    /// The cluster refused. The refusal is final, since every server would give the same one.
    Refused(Box<Refused>),
    /// The server refused for now, because of a rate limit.
    Limited {
        /// The wait before the next attempt, if the server named one.
        retry_after: Option<Duration>,
        /// The refusal, if nobody waits that long.
        refused: Box<Refused>,
    },
    /// There was no answer of the cluster; another server may have one.
    Failed(Failed),
}

/// An attempt that brought no answer of the cluster.
#[derive(Debug)]
pub(super) struct Failed {
    /// The reason, as the end of a line that begins with the server's address.
    pub(super) reason: String,
    /// Whether it may have been applied all the same.
    pub(super) may_be_applied: bool,
    /// Whether somebody was there, so that a later try makes sense.
    pub(super) is_there: bool,
    /// Whether the reason says what to do about it, too.
    pub(super) has_remedy: bool,
    /// Whether it is known only that nothing came in time.
    pub(super) was_silent: bool,
    /// The wait before the next attempt, if the server named one.
    pub(super) retry_after: Option<Duration>,
}

impl Failed {
    /// Nothing was sent, and a later try makes no sense. The reason says what to do.
    pub(super) fn absent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_be_applied: false,
            is_there: false,
            has_remedy: true,
            was_silent: false,
            retry_after: None,
        }
    }
}

/// A connection to one server, whose certificate must be from one of these authorities; with none, from one that this
/// machine trusts.
///
/// # Errors
/// When an authority's certificate cannot be used, or TLS cannot be set up, which is a fault of this machine.
pub(super) fn connection(
    server: &Server,
    authorities: Option<&[CertificateDer<'static>]>,
) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("nexus/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_info(true)
        // A command sends few requests, and one that hangs must not hold up another on the same connection.
        .http1_only()
        // A redirect would carry the API key to somewhere else, and turn a write into a read.
        .redirect(reqwest::redirect::Policy::none());
    let builder = match authorities {
        // Reading the certificates that this machine trusts takes longer than a request without them.
        _ if !server.is_encrypted() => builder.tls_certs_only([]),
        Some(authorities) => {
            let certificates = authorities.iter().map(|der| reqwest::Certificate::from_der(der));
            builder.tls_certs_only(certificates.collect::<Result<Vec<_>, _>>()?)
        }
        None => builder,
    };
    // A proxy is for the world outside: it cannot reach this machine's own servers.
    if server.is_loopback() { builder.no_proxy() } else { builder }.build()
}

/// Sends once and waits for the end, at most `limit`.
pub(super) async fn send(
    server: &Server,
    request: &Request,
    builder: RequestBuilder,
    trust: &Trust,
    limit: Duration,
) -> Attempt {
    match tokio::time::timeout(limit, exchange(builder)).await {
        Ok(Ok((head, body))) => judge(server, request, &head, &body),
        Ok(Err(error)) => Attempt::Failed(failed(&error, trust, request.is_write())),
        Err(_) => Attempt::Failed(silent(request, limit)),
    }
}

fn silent(request: &Request, limit: Duration) -> Failed {
    Failed {
        reason: format!("no answer within {}", seconds(limit)),
        may_be_applied: request.is_write(),
        is_there: true,
        has_remedy: false,
        was_silent: true,
        retry_after: None,
    }
}

/// Sends once and waits for the head of a success, at most `limit`: its body is read as it comes.
pub(super) async fn open(
    server: &Server,
    request: &Request,
    builder: RequestBuilder,
    trust: &Trust,
    limit: Duration,
) -> Result<Response, Attempt> {
    let opening = async {
        let response = builder.send().await?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        read(response).await.map(Err)
    };
    match tokio::time::timeout(limit, opening).await {
        Ok(Ok(Ok(response))) => Ok(response),
        Ok(Ok(Err((head, body)))) => Err(judge(server, request, &head, &body)),
        Ok(Err(error)) => Err(Attempt::Failed(failed(&error, trust, request.is_write()))),
        Err(_) => Err(Attempt::Failed(silent(request, limit))),
    }
}

/// The head of an answer, as far as it matters.
struct Head {
    status: StatusCode,
    revision: Option<u64>,
    retry_after: Option<Duration>,
    location: Option<String>,
}

async fn exchange(builder: RequestBuilder) -> Result<(Head, Vec<u8>), reqwest::Error> {
    read(builder.send().await?).await
}

async fn read(mut response: Response) -> Result<(Head, Vec<u8>), reqwest::Error> {
    let head = Head {
        status: response.status(),
        revision: text(&response, names::REVISION).and_then(|text| text.parse().ok()),
        retry_after: text(&response, header::RETRY_AFTER.as_str())
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs),
        location: text(&response, header::LOCATION.as_str()).map(str::to_owned),
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        // A body that is too long is no answer of Nexus: its beginning is then no valid JSON.
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok((head, body))
}

fn text<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok().map(str::trim)
}

fn judge(server: &Server, request: &Request, head: &Head, body: &[u8]) -> Attempt {
    // Health has the same answer for either outcome.
    let is_health = request.has_no_envelope && head.status == StatusCode::SERVICE_UNAVAILABLE;
    if is_health && let Ok(data) = serde_json::from_slice::<Readiness>(body) {
        return Attempt::Answered { data: json!(data), revision: None };
    }
    if head.status.is_success() {
        let data = match request.reader {
            Some(reader) => reader(body),
            None if request.has_no_envelope => serde_json::from_slice::<Value>(body),
            None => serde_json::from_slice::<Data<Value>>(body).map(|answer| answer.data),
        };
        return match data {
            Ok(data) => Attempt::Answered { data, revision: head.revision },
            Err(_) => Attempt::Failed(not_nexus(head, request)),
        };
    }
    let failure = serde_json::from_slice::<Failure>(body);
    // No node redirects: a redirect comes from a proxy, or from another program.
    let Some(failure) = failure.ok().filter(|_| !head.status.is_redirection()) else {
        return Attempt::Failed(not_nexus(head, request));
    };
    if !server.is_encrypted() && failure.error.message.starts_with(SPEAKS_HTTPS) {
        return Attempt::Failed(Failed::absent(tls_problem::ONLY_TLS));
    }
    let refused = |body| {
        Box::new(Refused {
            body,
            server: server.clone(),
            path: request.path.clone(),
            nearest: None,
            named_project: None,
        })
    };
    match head.status {
        StatusCode::SERVICE_UNAVAILABLE => Attempt::Failed(Failed {
            reason: failure.error.message.clone(),
            may_be_applied: request.is_write() && outcome(&failure.error) == Outcome::Unknown,
            is_there: true,
            has_remedy: false,
            was_silent: false,
            retry_after: head.retry_after,
        }),
        StatusCode::TOO_MANY_REQUESTS => {
            Attempt::Limited { retry_after: head.retry_after, refused: refused(failure.error) }
        }
        _ => Attempt::Refused(refused(failure.error)),
    }
}

/// The outcome that a failure declares. If it declares none, the request may have been applied.
fn outcome(error: &ErrorBody) -> Outcome {
    let said = error.details.as_ref().and_then(|details| details.get("outcome"));
    said.and_then(|said| serde_json::from_value(said.clone()).ok()).unwrap_or(Outcome::Unknown)
}

/// An answer that no Nexus server gives: a proxy's, or that of something else at this address.
fn not_nexus(head: &Head, request: &Request) -> Failed {
    let status = head.status;
    // A gateway speaks for a server that is not there now.
    let gateway = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    let is_there = gateway.contains(&status);
    let reason = match &head.location {
        Some(location) => {
            format!("answers HTTP {} and points to {location}: use that address instead", status.as_u16())
        }
        None if is_there => format!("its gateway answers HTTP {}", status.as_u16()),
        None => format!("answers HTTP {}, but not as Nexus does", status.as_u16()),
    };
    Failed {
        reason,
        may_be_applied: request.is_write() && (is_there || status.is_success()),
        is_there,
        has_remedy: false,
        was_silent: false,
        retry_after: head.retry_after,
    }
}

fn failed(error: &reqwest::Error, trust: &Trust, is_write: bool) -> Failed {
    // Before there is a connection, nothing was sent; and what cannot be built never is.
    let unsent = error.is_connect() || error.is_builder();
    let reason = reason::of(error, trust, unsent);
    Failed {
        has_remedy: reason.has_remedy,
        reason: reason.text,
        may_be_applied: is_write && !unsent,
        // What is wrong with the address or the certificate stays wrong.
        is_there: !unsent && !reason.has_remedy,
        was_silent: false,
        retry_after: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::server;

    fn judged(status: u16, body: &str, request: &Request) -> Attempt {
        let head = Head {
            status: StatusCode::from_u16(status).unwrap(),
            revision: Some(7),
            retry_after: None,
            location: None,
        };
        judge(&server::parse("a:1").unwrap(), request, &head, body.as_bytes())
    }

    fn failure(code: &str, details: &str) -> String {
        format!(r#"{{"error":{{"code":"{code}","message":"no","requestId":"r","details":{details}}}}}"#)
    }

    #[test]
    fn a_success_is_unwrapped() {
        let attempt = judged(200, r#"{"data":[1]}"#, &Request::get("/projects"));
        assert!(
            matches!(attempt, Attempt::Answered { data, revision: Some(7) } if data == serde_json::json!([1]))
        );
    }

    #[test]
    fn a_refusal_is_final_wherever_it_comes_from() {
        for status in [400, 401, 403, 404, 409, 413, 422, 500] {
            let attempt = judged(status, &failure("NOT_FOUND", "null"), &Request::get("/projects"));
            assert!(matches!(attempt, Attempt::Refused(_)), "{status}");
        }
    }

    #[test]
    fn only_a_write_of_unknown_outcome_may_be_applied() {
        let may_be_applied = |details: &str, request: &Request| match judged(
            503,
            &failure("SERVICE_UNAVAILABLE", details),
            request,
        ) {
            Attempt::Failed(failed) => failed.may_be_applied,
            other => panic!("{other:?}"),
        };
        assert!(!may_be_applied(r#"{"outcome":"not_applied"}"#, &Request::post("/projects")));
        assert!(may_be_applied(r#"{"outcome":"unknown"}"#, &Request::post("/projects")));
        assert!(may_be_applied("null", &Request::post("/projects")), "silence is no promise");
        assert!(!may_be_applied(r#"{"outcome":"unknown"}"#, &Request::get("/projects")));
    }

    #[test]
    fn something_else_at_the_address_is_no_answer() {
        for (status, body) in [(200, "<html>"), (404, "not here"), (502, "Bad Gateway"), (301, "")] {
            let attempt = judged(status, body, &Request::get("/projects"));
            assert!(
                matches!(&attempt, Attempt::Failed(failed) if failed.reason.contains(&status.to_string())),
                "{attempt:?}"
            );
        }
    }

    #[test]
    fn the_answer_of_a_port_with_tls_to_plain_text_leads_to_the_other_scheme() {
        let answer = r#"{"error":{"code":"VALIDATION_ERROR","message":"this node serves https alone: begin","requestId":"r"}}"#;
        let attempt = judged(400, answer, &Request::post("/projects"));
        assert!(
            matches!(&attempt, Attempt::Failed(failed) if failed.reason.contains("https://") && !failed.may_be_applied),
            "{attempt:?}"
        );
    }
}
