//! The sources of a node's time, randomness, network and disk space, which tests replace.

use crate::{
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
            space: Arc::new(FileSystemSpace),
            reload: Arc::default(),
        }
    }
}
