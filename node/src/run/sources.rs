//! The sources of a node's time, randomness, network and disk space, which tests replace.

use crate::{
    membership::join_client::JoinClient,
    peer::{tcp::TcpDial, wire::Dial},
    raft::clock::{Clock, SystemClock},
    watch::disk::{FileSystemSpace, FreeSpace},
};
use nexus_api::mint::{Mint, SystemMint};
use std::sync::Arc;
use tokio::sync::Notify;

/// The sources of a node's time, randomness, network and disk space.
#[derive(Clone)]
pub struct Sources {
    /// The only source of time for what the cluster decides.
    pub clock: Arc<dyn Clock>,
    /// The only source of ids and secrets.
    pub mint: Arc<dyn Mint>,
    /// The network to other nodes, below TLS.
    pub dial: Arc<dyn Dial>,
    /// Asks servers to let a node in; none for HTTP, with the authorities of the settings.
    pub join_client: Option<Arc<dyn JoinClient>>,
    /// Reports how much space is free on the disk of the data folder.
    pub space: Arc<dyn FreeSpace>,
    /// Notified when the files of certificates should be read now.
    pub reload: Arc<Notify>,
}

impl Default for Sources {
    /// The sources of the operating system.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            mint: Arc::new(SystemMint),
            dial: Arc::new(TcpDial),
            join_client: None,
            space: Arc::new(FileSystemSpace),
            reload: Arc::default(),
        }
    }
}
