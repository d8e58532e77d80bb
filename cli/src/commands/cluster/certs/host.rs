//! The hosts that a certificate is for: names and addresses that clients ask a node by.

use rustls::pki_types::DnsName;
use std::net::IpAddr;

/// Clients of the same machine.
pub(super) const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Hosts of one certificate: a longer list makes each handshake slow.
pub(super) const MAX_HOSTS: usize = 100;

/// Reads a name or an address; `*.example.com` stands for each name right below `example.com`.
///
/// # Errors
/// When it is neither.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if text.contains("://") {
        return Err("must be a name or an address alone, without https://".to_owned());
    }
    if text.contains(':') {
        return Err("must be a name or an address alone, without a port".to_owned());
    }
    if !text.is_ascii() {
        return Err("must be in ASCII: a name of other letters begins with xn--".to_owned());
    }
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let is_name = DnsName::try_from(name).is_ok() && !name.ends_with('.');
    if !is_name || name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err("is no name of a host and no address, such as a.example.com or 10.0.0.1".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for (text, host) in [
            ("a.example.com", "a.example.com"),
            (" NODE-1 ", "node-1"),
            ("node_1", "node_1"),
            ("*.example.com", "*.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("[::1]", "::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(host), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "*",
            "*.",
            "a..b",
            "a b",
            "https://a",
            "a:7401",
            "10.0.0.1:7401",
            "10.0.0.256",
            "1",
            "münchen.de",
            "a/b",
            "a\u{1b}[2J",
            "a.example.com.",
            "-",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&"a".repeat(300)).is_err());
    }
}
