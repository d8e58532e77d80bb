//! Protects a node from foreign pages in browsers. Such a page can send requests to any address that its visitor's
//! machine can reach, including a node on loopback: through a name of its own that it points there (DNS rebinding), or
//! by a cross-origin request that browsers send without a preflight. The `Host` reveals the first, the `Origin` the
//! second.
//!
//! Only headers are checked here; the key is checked later.

use crate::{config::ApiConfig, failure::ApiError};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header, uri::Authority},
};
use nexus_api_types::Code;
use std::net::IpAddr;

/// The entry of `allowed_hosts` that allows any name.
const ANY: &str = "*";

/// Refuses a request that a foreign page may have sent.
///
/// # Errors
/// 403. The message names the setting that would allow the request.
pub(crate) fn check(config: &ApiConfig, request: &Request) -> Result<(), ApiError> {
    check_host(config, request)?;
    check_origin(config, request)
}

/// Refuses a request to a host name that this node does not have.
///
/// # Errors
/// 403. The message names the setting that would allow the request.
pub(crate) fn check_host(config: &ApiConfig, request: &Request) -> Result<(), ApiError> {
    let refused = hosts(request).find(|host| !is_own(config, host));
    match refused {
        // Behind a proxy, the proxy checks the name.
        Some(host) if !config.trust_proxy => Err(ApiError::new(
            Code::Forbidden,
            format!(
                "this node is not known as {host:?}; reach it by its address, or start it with \
                 --allowed-hosts (NEXUS_ALLOWED_HOSTS) naming that host"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Refuses requests of pages from other origins if they change something or open a socket, for which browsers send no
/// preflight. A program sends no `Origin`.
fn check_origin(config: &ApiConfig, request: &Request) -> Result<(), ApiError> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read && !request.headers().contains_key(header::UPGRADE) {
        return Ok(());
    }
    let refused = request.headers().get_all(header::ORIGIN).iter().find(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let is_named = config.allowed_origins.iter().any(|allowed| allowed == origin);
        !is_named && !is_same(origin, request)
    });
    match refused {
        None => Ok(()),
        Some(origin) => Err(ApiError::new(
            Code::Forbidden,
            format!(
                "pages of {origin:?} may not call this node; start it with --allowed-origins (ALLOWED_ORIGINS) naming \
                 that origin"
            ),
        )),
    }
}

/// Whether the page comes from this node itself.
fn is_same(origin: &str, request: &Request) -> bool {
    let Some((_, page)) = origin.split_once("://") else { return false };
    let mut hosts = authorities(request).peekable();
    hosts.peek().is_some() && hosts.all(|host| host.eq_ignore_ascii_case(page))
}

/// The host and port that the client addresses: the authority of the URI in HTTP/2, else the `Host` header.
fn authorities(request: &Request) -> impl Iterator<Item = &str> {
    let named = request.headers().get_all(header::HOST).iter();
    // A header that is no text cannot be a name of this node.
    let named = named.map(|host| host.to_str().unwrap_or("?"));
    request.uri().authority().map(Authority::as_str).into_iter().chain(named)
}

/// The same without ports. Empty when the client sends no host, which no browser does.
fn hosts(request: &Request) -> impl Iterator<Item = &str> {
    authorities(request).map(|authority| {
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        match authority.rsplit_once(':') {
            Some((host, port)) if is_port(port) => host,
            _ => authority,
        }
    })
}

/// Whether this node has that name. IP addresses and `localhost` are always allowed: nobody can rebind them, so a page
/// of such an origin was served there.
fn is_own(config: &ApiConfig, host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_named = |allowed: &String| allowed == ANY || allowed.eq_ignore_ascii_case(name);
    is_localhost(name) || ip(name).is_some() || config.allowed_hosts.iter().any(is_named)
}

fn is_localhost(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

fn ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// Whether the request comes from a program on this machine, to a loopback name, and not through a proxy.
pub(crate) fn is_local(config: &ApiConfig, remote: Option<IpAddr>, request: &Request) -> bool {
    let by_proxy = [header::FORWARDED, header::VIA].iter().any(|name| request.headers().contains_key(name))
        || request.headers().keys().any(|name| name.as_str().starts_with("x-forwarded-"))
        || request.headers().contains_key("x-real-ip");
    let mut hosts = hosts(request).peekable();
    let is_loopback = |host: &str| is_localhost(host) || ip(host).is_some_and(|ip| ip.is_loopback());
    !config.trust_proxy
        && !by_proxy
        && remote.is_none_or(|remote| remote.to_canonical().is_loopback())
        && hosts.peek().is_some()
        && hosts.all(is_loopback)
}

/// Refuses a body of another type than JSON, since foreign pages can send some other types without a preflight. A body
/// without a type is accepted, as old clients send it; its `Origin` was checked before.
///
/// # Errors
/// 415. The message says what to send instead.
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json = |given: &HeaderValue| {
        let essence = given.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    };
    match headers.get_all(header::CONTENT_TYPE).iter().find(|given| !is_json(given)) {
        None => Ok(()),
        Some(given) => Err(ApiError::new(
            Code::UnsupportedMediaType,
            format!("the body must be JSON, not {given:?}: send it with Content-Type: application/json"),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn config() -> ApiConfig {
        ApiConfig {
            allowed_hosts: vec!["nexus.example.com".to_owned()],
            allowed_origins: vec!["https://board.example.com".to_owned()],
            ..ApiConfig::default()
        }
    }

    fn request(method: Method, headers: &[(&str, &str)]) -> Request {
        let mut request = axum::http::Request::builder().method(method).uri("/api/auth/register");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_node_answers_to_its_own_names_and_to_addresses_alone() {
        let is_taken = |host: &str| check_host(&config(), &request(Method::GET, &[("host", host)])).is_ok();
        for own in [
            "localhost:7401",
            "LOCALHOST",
            "build.localhost:7401",
            "127.0.0.1:7401",
            "[::1]:7401",
            "10.1.2.3",
            "nexus.example.com:7401",
            "Nexus.Example.Com.",
        ] {
            assert!(is_taken(own), "{own}");
        }
        for foreign in
            ["evil.example.org:7401", "localhost.evil.org", "127.0.0.1.nip.io", "xnexus.example.com", ""]
        {
            assert!(!is_taken(foreign), "{foreign}");
        }
        assert!(check_host(&config(), &request(Method::GET, &[])).is_ok(), "no browser leaves it out");
        let proxied = ApiConfig { trust_proxy: true, ..config() };
        assert!(check_host(&proxied, &request(Method::GET, &[("host", "a.example.org")])).is_ok());
        let any = ApiConfig { allowed_hosts: vec![ANY.to_owned()], ..config() };
        assert!(check_host(&any, &request(Method::GET, &[("host", "a.example.org")])).is_ok());
        // HTTP/2 has the name in the URI; both count where there are both.
        let mut http2 = request(Method::GET, &[("host", "localhost")]);
        *http2.uri_mut() = "http://evil.example.org/api".parse().unwrap();
        assert!(check_host(&config(), &http2).is_err());
    }

    #[test]
    fn a_page_that_is_not_named_changes_nothing_and_opens_no_socket() {
        let is_taken = |method: Method, headers: &[(&str, &str)]| {
            let headers: Vec<_> = headers.iter().copied().chain([("host", "127.0.0.1:7401")]).collect();
            check_origin(&config(), &request(method, &headers)).is_ok()
        };
        for origin in
            ["https://evil.example.org", "null", "http://127.0.0.1:8000", "https://board.example.com.evil"]
        {
            assert!(!is_taken(Method::POST, &[("origin", origin)]), "{origin}");
            assert!(!is_taken(Method::GET, &[("origin", origin), ("upgrade", "websocket")]), "{origin}");
            assert!(is_taken(Method::GET, &[("origin", origin)]), "{origin}: it cannot read the answer");
        }
        assert!(is_taken(Method::POST, &[]), "a program");
        assert!(is_taken(Method::POST, &[("origin", "https://board.example.com")]));
        assert!(is_taken(Method::DELETE, &[("origin", "http://127.0.0.1:7401")]), "a page of the node");
    }

    #[test]
    fn only_a_program_of_this_machine_that_asks_for_itself_is_local() {
        let asks = |remote: &str, headers: &[(&str, &str)]| {
            is_local(&config(), remote.parse().ok(), &request(Method::GET, headers))
        };
        let own = ("host", "127.0.0.1:7401");
        assert!(asks("127.0.0.1", &[own]));
        assert!(asks("::1", &[("host", "localhost:7401")]));
        assert!(!asks("10.0.0.9", &[own]), "from elsewhere");
        assert!(!asks("127.0.0.1", &[("host", "nexus.example.com")]), "by a proxy that hands the name on");
        assert!(!asks("127.0.0.1", &[]));
        for proxy in ["x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"] {
            assert!(!asks("127.0.0.1", &[own, (proxy, "x")]), "{proxy}");
        }
    }

    #[test]
    fn a_body_is_json_or_says_nothing_of_itself() {
        let is_taken = |kind: &str| {
            let headers =
                HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())]);
            check_media_type(&headers).is_ok()
        };
        assert!(check_media_type(&HeaderMap::new()).is_ok());
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_taken(json), "{json}");
        }
        for other in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
        {
            assert!(!is_taken(other), "{other}");
        }
    }
}
