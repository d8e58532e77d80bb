//! The settings of the API.

use std::{num::NonZeroU32, time::Duration};

/// The most sockets of one node: each takes some 50 kB.
pub const MAX_SOCKETS: u32 = 4_096;

/// The settings of the API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Whether `/metrics` answers programs on this machine without a key. This is meant for a loopback listener.
    pub open_metrics: bool,
    /// Host names by which clients reach this node, beside its addresses and `localhost`; `*` allows any.
    pub allowed_hosts: Vec<String>,
    /// Origins of browser pages that may call the API; empty allows only the node's own pages.
    pub allowed_origins: Vec<String>,
    /// Requests per second of one key to this node; none for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Whether the client's address is the last one in `X-Forwarded-For`. Only behind a proxy that sets it.
    pub trust_proxy: bool,
    /// A WebSocket whose client takes nothing for this long is closed. The client may resume.
    pub slow_consumer: Duration,
    /// WebSockets at once, at most [`MAX_SOCKETS`].
    pub max_sockets: u32,
    /// Whether spans are recorded, so that requests continue the traces of their clients.
    pub traces: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            open_metrics: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            rate_limit: None,
            trust_proxy: false,
            // Long enough for lost packets to be sent again, and short enough to free the memory of a stalled client.
            slow_consumer: Duration::from_secs(5),
            max_sockets: MAX_SOCKETS,
            traces: false,
        }
    }
}
