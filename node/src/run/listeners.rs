//! The listeners of a node, and the addresses at which others reach it.

use crate::{peer::tcp::TcpListen, settings::config::Config};
use anyhow::Context;
use nexus_domain::InstanceId;
use nexus_raft_store::Member;
use tokio::net::TcpListener;

/// The bound listeners. They are bound before anything else, so that a second node on the same ports leaves no traces.
pub(super) struct Listeners {
    pub(super) clients: TcpListener,
    pub(super) peers: TcpListen,
    pub(super) metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds all of them.
    pub(super) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let clients = TcpListener::bind(&config.listen)
            .await
            .with_context(|| format!("cannot listen for clients on {}", config.listen))?;
        let peers = TcpListen::bind(&config.peer_listen)
            .await
            .with_context(|| format!("cannot listen for nodes on {}", config.peer_listen))?;
        let metrics = match &config.metrics_listen {
            Some(addr) => Some(
                TcpListener::bind(addr)
                    .await
                    .with_context(|| format!("cannot listen for monitoring on {addr}"))?,
            ),
            None => None,
        };
        Ok(Self { clients, peers, metrics })
    }

    /// The entry of this node for the membership.
    pub(super) fn own_member(&self, config: &Config, instance: InstanceId) -> anyhow::Result<Member> {
        let client_addr = match &config.advertise {
            Some(addr) => addr.clone(),
            None => reachable(self.clients.local_addr()?, "--advertise")?,
        };
        let peer_addr = match config.peer_advertise.clone().or_else(|| config.own_initial_addr()) {
            Some(addr) => addr,
            None => reachable(self.peers.local_addr()?, "--peer-advertise")?,
        };
        Ok(Member { peer_addr, client_addr, instance })
    }
}

/// The address of a listener, if others can use it.
fn reachable(addr: std::net::SocketAddr, flag: &str) -> anyhow::Result<String> {
    anyhow::ensure!(
        !addr.ip().is_unspecified(),
        "listening on all addresses ({addr}) does not say where others reach this node: say so with {flag} HOST:PORT"
    );
    Ok(addr.to_string())
}
