//! Addresses of servers: a list of them is one setting. Never resolves or contacts one.

use reqwest::Url;
use std::fmt;

/// A local cluster, as the deployment scripts start it.
pub(crate) const DEFAULT_SERVERS: [&str; 3] =
    ["http://127.0.0.1:7401", "http://127.0.0.1:7402", "http://127.0.0.1:7403"];

/// The base address of a node's API, without `/api` and without a slash at its end, and the region that it is in. The
/// region is a hint about the way there: two servers are the same if their addresses are.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    url: Url,
    region: Option<String>,
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Server {}

impl Server {
    /// The region that it is in, as far as somebody said so.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The same server, in this region.
    pub(crate) fn in_region(self, region: Option<&str>) -> Self {
        // A name from a cluster is of no use if it could not be written down.
        let region = region.filter(|name| is_region(name)).map(str::to_owned);
        Self { region, ..self }
    }

    /// The text that [`parse`] reads, with its region.
    pub(crate) fn setting(&self) -> String {
        // A proxy's own path may end like that of the API, which is not read as a part of it.
        let api = if self.url.path().trim_end_matches('/').ends_with("/api") { "/api" } else { "" };
        match &self.region {
            Some(region) => format!("{self}{api}#{region}"),
            None => format!("{self}{api}"),
        }
    }

    /// The address of a route; `path` starts with a slash and is below `/api`.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/api{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Whether it is reached through TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether the server is on this machine, by its address.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        address.map_or(host == "localhost", |address| address.is_loopback())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

/// Reads `https://host:port` or `host:port`, and maybe `#region`. A path before `/api` is kept, for reverse proxies.
///
/// # Errors
/// When it is no HTTP address.
pub(crate) fn parse(text: &str) -> Result<Server, String> {
    let text = text.trim();
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url =
        Url::parse(&with_scheme).map_err(|error| format!("{error}; write it as http://host:7401"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("not an HTTP address; write it as http://host:7401".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a password; the API key goes into --token".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/').to_owned();
    url.set_path(&path);
    let region = url.fragment().filter(|region| !region.is_empty()).map(str::to_owned);
    if region.as_deref().is_some_and(|region| !is_region(region)) {
        return Err(format!("the part after # is no region, such as eu-west: {REGION_FORM}"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(Server { url, region })
}

/// The form of the name of a region, as nodes have it in `--region`.
pub(crate) const REGION_FORM: &str = "1 to 64 letters, digits, dots, dashes and underscores";

/// Whether a text is the name of a region.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A list as [`parse_list`] reads it.
pub(crate) fn list(servers: &[Server]) -> String {
    servers.iter().map(Server::setting).collect::<Vec<_>>().join(",")
}

/// Reads a list of addresses, separated by commas. Nothing at all is an empty list.
///
/// # Errors
/// When one of them is no HTTP address: the message names it.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Server>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| parse(item).map_err(|problem| format!("server {item:?}: {problem}"))).collect()
}

/// The server at a member's address for clients, `host:port`, if the API key may be sent there: members are asked as
/// all configured servers are, through TLS or in plain text, and never from this machine to the network or the other
/// way round, as behind a tunnel. A reverse proxy hides its members.
pub(crate) fn of_member(configured: &[Server], address: &str) -> Option<Server> {
    let scheme = if configured.iter().all(Server::is_encrypted) { "https" } else { "http" };
    let member = parse(&format!("{scheme}://{address}")).ok();
    let member = member.filter(|member| !address.contains("://") && member.url.path() == "/")?;
    let is_unspecified = matches!(member.url.host_str(), Some("0.0.0.0" | "[::]"));
    let is_alike = |server: &Server| {
        server.url.scheme() == scheme
            && server.url.path() == "/"
            && server.is_loopback() == member.is_loopback()
    };
    (!is_unspecified && configured.iter().all(is_alike)).then_some(member)
}

/// The servers that are asked by default.
pub(crate) fn defaults() -> Vec<Server> {
    let parsed = DEFAULT_SERVERS.iter().map(|server| parse(server));
    parsed.map(|server| server.expect("the default servers are addresses")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_written_in_several_ways() {
        for text in [
            "localhost:7401",
            "http://localhost:7401",
            "http://localhost:7401/",
            "http://localhost:7401/api/",
        ] {
            let server = parse(text).unwrap();
            assert_eq!(server.to_string(), "http://localhost:7401", "{text}");
            assert_eq!(server.url("/projects").as_str(), "http://localhost:7401/api/projects", "{text}");
        }
        let behind_proxy = parse("https://example.com/nexus/").unwrap();
        assert_eq!(behind_proxy.url("/auth/me").as_str(), "https://example.com/nexus/api/auth/me");
    }

    #[test]
    fn several_servers_are_one_setting() {
        let names = |text| parse_list(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("a:1, http://b:2,"), ["http://a:1", "http://b:2"]);
        assert_eq!(names(" "), [""; 0]);
        assert!(parse_list("a:1,ftp://b").unwrap_err().contains("ftp://b"));
    }

    #[test]
    fn a_region_follows_the_address_and_makes_no_other_server() {
        let servers = parse_list("http://a:1#eu-west,b:2/#us,c:3").unwrap();
        let regions: Vec<_> = servers.iter().map(Server::region).collect();
        assert_eq!(regions, [Some("eu-west"), Some("us"), None]);
        assert_eq!(list(&servers), "http://a:1#eu-west,http://b:2#us,http://c:3");
        assert_eq!(servers[0].to_string(), "http://a:1");
        assert_eq!(servers[0].url("/projects").as_str(), "http://a:1/api/projects");
        assert_eq!(servers[0], parse("a:1").unwrap());
        assert!(parse("a:1#not a region").unwrap_err().contains("no region"));
        assert_eq!(parse("a:1").unwrap().in_region(Some("ü")).region(), None);
    }

    #[test]
    fn a_server_is_read_as_it_is_written() {
        for text in ["https://a/nexus//api#eu", "https://a/api/api", "a/\\api", "http://a/api/", "a:1"] {
            let server = parse(text).unwrap();
            let again = parse(&server.setting()).unwrap();
            assert_eq!((&again, again.region()), (&server, server.region()), "{text}");
        }
        assert_eq!(parse("https://a/api/api").unwrap().url("/x").as_str(), "https://a/api/api/x");
    }

    #[test]
    fn what_is_no_http_address_is_refused() {
        for text in ["", "ftp://host", "http://", "unix:///run/nexus", "http://ana:secret@host"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_member_is_asked_only_where_the_key_goes_already() {
        let is_asked = |configured, address| of_member(&parse_list(configured).unwrap(), address).is_some();
        assert!(is_asked("10.0.0.1:7401", "10.0.0.2:7401"));
        assert!(is_asked("localhost:7401", "127.0.0.1:7402"));
        let through_tls = parse_list("https://a.example,https://10.0.0.1:7401").unwrap();
        let member = of_member(&through_tls, "10.0.0.2:7401").unwrap();
        assert_eq!(member.to_string(), "https://10.0.0.2:7401");
        for (configured, address) in [
            ("https://10.0.0.1:7401,http://10.0.0.3:7401", "10.0.0.2:7401"),
            ("https://10.0.0.1/nexus", "10.0.0.2:7401"),
            ("https://localhost:7401", "10.0.0.2:7401"),
            ("https://10.0.0.1:7401", "127.0.0.1:7401"),
            ("http://10.0.0.1/nexus", "10.0.0.2:7401"),
            ("localhost:7401", "10.0.0.2:7401"),
            ("10.0.0.1:7401", "127.0.0.1:7401"),
            ("10.0.0.1:7401", "0.0.0.0:7401"),
            ("10.0.0.1:7401", "http://10.0.0.2:7401"),
            ("10.0.0.1:7401", "host:7401/elsewhere"),
        ] {
            assert!(!is_asked(configured, address), "{configured} {address}");
        }
    }

    #[test]
    fn a_server_on_this_machine_is_known_as_such() {
        for text in ["127.0.0.1:7401", "localhost", "[::1]:7401", "127.9.9.9"] {
            assert!(parse(text).unwrap().is_loopback(), "{text}");
        }
        assert!(!parse("https://nexus.example.com").unwrap().is_loopback());
    }
}
