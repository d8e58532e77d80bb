//! `/`: how this node is, how to log in, and where to go on.

use super::html::{self, escaped};
use crate::{api::Api, rate_limits::Encrypted, routes};
use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    response::{Html, IntoResponse},
};
use nexus_api_types::health::Readiness;
use std::fmt::Write;

/// The page. Its status is 200 although the node may not be ready: a person is told either way.
pub(super) async fn home(
    State(api): State<Api>,
    uri: Uri,
    encrypted: Option<Extension<Encrypted>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let readiness = routes::readiness(&api).await;
    // HTTP/2 has the host in its address alone.
    let host = uri.authority().map(Authority::as_str);
    let address = address(host, &headers, encrypted.is_some(), api.config.trust_proxy);
    let headers = [(header::CONTENT_SECURITY_POLICY, html::POLICY), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, Html(page(&readiness, &address)))
}

/// The address by which the client knows this node.
fn address(host: Option<&str>, headers: &HeaderMap, is_encrypted: bool, trusts_proxy: bool) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_https = is_encrypted || (trusts_proxy && text("x-forwarded-proto") == Some("https"));
    let host = text(header::HOST.as_str()).or(host).unwrap_or("127.0.0.1:7401");
    format!("{}://{host}", if is_https { "https" } else { "http" })
}

fn page(readiness: &Readiness, address: &str) -> String {
    let raft = &readiness.checks.raft;
    let mut html = html::head("Nexus");
    html.push_str(
        "<h1>Nexus</h1><p>Nexus coordinates coding agents on one codebase. An agent picks a feature, and claims every \
         file that the feature touches in the same step, or learns who holds them.</p>",
    );
    let (class, verdict) = if readiness.is_ready() {
        ("good", "ready")
    } else {
        ("bad", "not ready; another node of the cluster may be")
    };
    let leader = match (raft.role.as_str(), raft.leader) {
        ("leader", _) => "itself".to_owned(),
        (_, Some(leader)) => format!("node {leader}"),
        (_, None) => "unknown".to_owned(),
    };
    let space = readiness.checks.storage.space.as_deref().unwrap_or("unknown");
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<h2>This node</h2><p class={class}><b>This node is {verdict}.</b> {}</p><table>\
         <tr><th>Version<td>{}<tr><th>Role<td>{}<tr><th>Leader<td>{}<tr><th>Term<td>{}<tr><th>Disk space<td>{}</table>",
        escaped(raft.message.as_deref().unwrap_or_default()),
        env!("CARGO_PKG_VERSION"),
        escaped(&raft.role),
        escaped(&leader),
        raft.term,
        escaped(space),
    );
    let _ = write!(
        html,
        "<h2>Log in</h2><p>In your repository:</p><pre>nexus setup --server {0}</pre>\
         <p>It registers you, links the repository to a project, and sets up the agents that it finds. Each step by \
         itself:</p><pre>nexus login --server {0} --register --name NAME --email EMAIL\n\
         nexus project create --name NAME --slug SLUG\nnexus install</pre>",
        escaped(address)
    );
    html.push_str(
        "<h2>Where to go on</h2><ul><li><a href=docs>The API</a>, with examples in curl and the command line\
         <li><a href=openapi.json>openapi.json</a>, for programs<li><code>nexus --help</code> and \
         <code>nexus help TOPIC</code>, for the command line\
         <li><a href=health/ready>Health</a> and <a href=metrics>metrics</a>, for monitoring</ul></html>",
    );
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_escapes_the_name_by_which_a_node_is_reached() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "a<script>".parse().expect("a header"));
        assert_eq!(escaped(&address(None, &headers, false, false)), "http://a&lt;script&gt;");
    }

    #[test]
    fn only_a_trusted_proxy_makes_the_address_https() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "nexus.example".parse().expect("a header"));
        headers.insert("x-forwarded-proto", "https".parse().expect("a header"));
        assert_eq!(address(None, &headers, false, false), "http://nexus.example");
        assert_eq!(address(None, &headers, false, true), "https://nexus.example");
    }
}
