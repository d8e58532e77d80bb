//! The settings file of a node.

use crate::settings::args::{LogFormat, TimingProfile};
use anyhow::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The settings file, whose keys are the names of the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) node_id: Option<u64>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) peer_listen: Option<String>,
    pub(super) metrics_listen: Option<String>,
    pub(super) advertise: Option<String>,
    pub(super) peer_advertise: Option<String>,
    pub(super) initial_cluster: Option<String>,
    pub(super) join: Option<String>,
    pub(super) join_token: Option<String>,
    pub(super) replica: Option<bool>,
    pub(super) cluster_secret: Option<String>,
    pub(super) cluster_secret_file: Option<PathBuf>,
    pub(super) insecure_peers: Option<bool>,
    pub(super) certs_dir: Option<PathBuf>,
    pub(super) peer_cert: Option<PathBuf>,
    pub(super) peer_key: Option<PathBuf>,
    pub(super) peer_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) join_ca: Option<PathBuf>,
    pub(super) plain_clients: Option<bool>,
    pub(super) region: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) priority: Option<u8>,
    pub(super) timing: Option<TimingProfile>,
    pub(super) heartbeat_ms: Option<u64>,
    pub(super) election_ms: Option<u64>,
    pub(super) snapshot_entries: Option<u64>,
    pub(super) allowed_hosts: Option<String>,
    pub(super) allowed_origins: Option<String>,
    pub(super) rate_limit: Option<u32>,
    pub(super) trust_proxy: Option<bool>,
    pub(super) disk_reserve_mib: Option<u64>,
    pub(super) rules_up_to: Option<u16>,
    pub(super) scrub_interval: Option<u64>,
    pub(super) max_connections: Option<u32>,
    pub(super) max_sockets: Option<u32>,
    pub(super) otlp_endpoint: Option<String>,
    pub(super) otlp_ratio: Option<f64>,
    pub(super) backup_to: Option<String>,
    pub(super) backup_every: Option<String>,
    pub(super) backup_keep: Option<usize>,
    pub(super) backup_keep_for: Option<String>,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<LogFormat>,
}

/// Reads the settings file.
///
/// # Errors
/// When it cannot be read, or has a key that is no setting.
pub(super) fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a valid configuration", path.display()))
}
