//! The listeners of a node, and the addresses at which others reach it.

use crate::{
    peer::{tcp::TcpListen, wire::Listen},
    settings::config::Config,
};
use anyhow::Context;
use nexus_domain::InstanceId;
use nexus_raft_store::Member;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The bound listeners. They are bound before anything else, so that a second node on the same ports leaves no traces.
pub(super) struct Listeners {
    /// The listener for clients; a simulation has none, since its clients ask the node in memory.
    pub(super) clients: Option<TcpListener>,
    pub(super) peers: Box<dyn Listen>,
    /// The address at which it listens for peers; none in a simulation.
    peer_addr: Option<SocketAddr>,
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
        let peer_addr = Some(peers.local_addr()?);
        Ok(Self { clients: Some(clients), peers: Box::new(peers), peer_addr, metrics })
    }

    /// A listener for peers alone.
    pub(super) fn for_peers(peers: Box<dyn Listen>) -> Self {
        Self { clients: None, peers, peer_addr: None, metrics: None }
    }

    /// The entry of this node for the membership.
    pub(super) fn own_member(&self, config: &Config, instance: InstanceId) -> anyhow::Result<Member> {
        let client_addr = match &config.advertise {
            Some(addr) => addr.clone(),
            None => {
                let addr = self.clients.as_ref().map(TcpListener::local_addr).transpose()?;
                reachable(addr, "--advertise")?
            }
        };
        let peer_addr = match config.peer_advertise.clone().or_else(|| config.own_initial_addr()) {
            Some(addr) => addr,
            None => reachable(self.peer_addr, "--peer-advertise")?,
        };
        Ok(Member { peer_addr, client_addr, instance })
    }
}

/// The address of a listener, if others can use it.
fn reachable(addr: Option<SocketAddr>, flag: &str) -> anyhow::Result<String> {
    let addr =
        addr.with_context(|| format!("nothing says where others reach this node: say so with {flag}"))?;
    anyhow::ensure!(
        !addr.ip().is_unspecified(),
        "listening on all addresses ({addr}) does not say where others reach this node: say so with {flag} HOST:PORT"
    );
    Ok(addr.to_string())
}
