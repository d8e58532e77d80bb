//! How a node becomes a member of its cluster, from its settings.

use super::values::{check_addr, split};
use anyhow::{Context, bail, ensure};
use std::{collections::BTreeMap, net::SocketAddr};

/// How a node becomes a member of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is one of the nodes that form the cluster.
    Initial {
        /// The id of this node.
        node_id: u64,
        /// The peer addresses of all these nodes, by id.
        peers: BTreeMap<u64, String>,
    },
    /// It joins a running cluster.
    Join {
        /// URLs of nodes of that cluster.
        servers: Vec<String>,
        /// The join token.
        token: String,
        /// Whether it joins as a replica, which is not promoted by itself.
        is_replica: bool,
    },
    /// The data folder has its identity.
    Remembered,
}

/// The origin that these settings describe.
pub(super) fn origin(
    node_id: Option<u64>,
    initial_cluster: Option<String>,
    join: Option<String>,
    join_token: Option<String>,
    is_replica: bool,
) -> anyhow::Result<Origin> {
    ensure!(
        !is_replica || initial_cluster.is_none(),
        "--replica is for a node that joins: the nodes of --initial-cluster are the first voters. nexus cluster demote \
         makes a replica of one of them later"
    );
    match (initial_cluster, join) {
        (Some(_), Some(_)) => {
            bail!("--initial-cluster and --join exclude each other: a node is first, or it joins")
        }
        (Some(text), None) => {
            let peers = initial_peers(&text)?;
            let node_id =
                node_id.context("--initial-cluster needs --node-id: which of them is this node?")?;
            ensure!(peers.contains_key(&node_id), "--node-id {node_id} is not in --initial-cluster {text}");
            Ok(Origin::Initial { node_id, peers })
        }
        (None, Some(servers)) => {
            let token =
                join_token.context("--join needs --join-token; nexus cluster join-token makes one")?;
            let servers: Vec<String> = split(Some(&servers));
            for server in &servers {
                ensure!(
                    server.starts_with("http://") || server.starts_with("https://"),
                    "--join {server} must be a URL such as http://127.0.0.1:7401"
                );
            }
            Ok(Origin::Join { servers, token, is_replica })
        }
        (None, None) => Ok(Origin::Remembered),
    }
}

fn initial_peers(text: &str) -> anyhow::Result<BTreeMap<u64, String>> {
    let mut peers = BTreeMap::new();
    for part in split(Some(text)) {
        let (id, addr) = part
            .split_once('=')
            .with_context(|| format!("--initial-cluster: {part} must be ID=HOST:PORT"))?;
        let id: u64 =
            id.trim().parse().with_context(|| format!("--initial-cluster: {id} is not a node id"))?;
        ensure!(id > 0, "--initial-cluster: node ids begin at 1");
        check_addr("--initial-cluster", addr)?;
        if let Some((other, _)) = peers.iter().find(|(_, known)| *known == addr.trim()) {
            bail!("--initial-cluster: nodes {other} and {id} have the same address {addr}");
        }
        ensure!(
            peers.insert(id, addr.trim().to_owned()).is_none(),
            "--initial-cluster: node {id} is there twice"
        );
    }
    ensure!(!peers.is_empty(), "--initial-cluster is empty");
    Ok(peers)
}

/// Checks that the other nodes can reach this one: its address in the initial cluster must be the one that it listens
/// on, or advertises.
pub(super) fn check_own_addr(own: &str, listen: &str, advertised: Option<&String>) -> anyhow::Result<()> {
    if let Some(advertised) = advertised {
        ensure!(
            advertised == own,
            "--peer-advertise {advertised} is not what --initial-cluster says of this node: {own}"
        );
        return Ok(());
    }
    let port = |addr: &str| addr.rsplit_once(':').map(|(_, port)| port.to_owned());
    let listens_there = match (own.parse::<SocketAddr>(), listen.parse::<SocketAddr>()) {
        (Ok(own), Ok(listen)) => {
            own == listen || (listen.ip().is_unspecified() && own.port() == listen.port())
        }
        // A host name cannot be compared with an IP address, so only the ports are.
        _ => port(own) == port(listen),
    };
    ensure!(
        listens_there,
        "--initial-cluster has this node at {own}, but it listens for nodes on {listen} (--peer-listen). Behind a \
         translation of addresses, say --peer-advertise {own}"
    );
    Ok(())
}
