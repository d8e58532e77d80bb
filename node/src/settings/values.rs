//! The forms of single values: lists and addresses.

use anyhow::ensure;
use std::net::ToSocketAddrs;

/// The parts of a list that commas separate, without slashes at their ends.
pub(super) fn split(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(|part| part.trim_end_matches('/').to_owned()).collect()
}

/// Checks the name of a region or zone.
pub(super) fn check_place(flag: &str, name: Option<&str>) -> anyhow::Result<()> {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if let Some(name) = name {
        ensure!(
            is_name(name),
            "{flag} {} must be 1 to 64 letters, digits, dots, dashes and underscores, such as eu-west",
            name.escape_debug()
        );
    }
    Ok(())
}

/// Checks that the value of a flag is an address with a port. It is not resolved.
///
/// # Errors
/// A sentence with the flag.
pub fn check_addr(flag: &str, addr: &str) -> anyhow::Result<()> {
    let port = addr.rsplit_once(':').and_then(|(_, port)| port.trim().parse::<u16>().ok());
    ensure!(port.is_some(), "{flag} {addr} must be HOST:PORT, such as 127.0.0.1:7401");
    Ok(())
}

/// Whether an address can be reached from this machine alone.
pub(crate) fn is_loopback(addr: &str) -> bool {
    addr.to_socket_addrs().is_ok_and(|mut addrs| addrs.all(|addr| addr.ip().is_loopback()))
}
