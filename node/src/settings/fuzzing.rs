//! The fuzz targets of settings: the file, and the forms of single values.

use super::{
    args::{BackupArgs, StartArgs},
    backups,
    config::Config,
    file::File,
    origin::{Origin, origin},
    values::{check_addr, split},
};
use crate::{
    backups::{
        destination::{Address, explain},
        name::BackupName,
    },
    peer::secret::ClusterSecret,
};
use nexus_api_types::{Moment, certificate::CertificateName};
use std::path::Path;

/// The data folder of all inputs, which does not exist.
const DATA_DIR: &str = "/no-such/data";

/// A settings file: it is refused, or the node that it describes can be started.
///
/// # Panics
/// If an accepted value is outside of its range.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(file) = toml::from_str::<File>(&text) else { return };
    // No file is opened and no name is looked up: what they contain is checked elsewhere, and the machine's own files
    // would decide.
    let file = File {
        data_dir: Some(DATA_DIR.into()),
        insecure_peers: Some(true),
        cluster_secret_file: None,
        certs_dir: None,
        peer_cert: None,
        peer_key: None,
        peer_ca: None,
        tls_cert: None,
        tls_key: None,
        join_ca: None,
        ..file
    };
    let Ok(config) = Config::from_sources(StartArgs::default(), file) else { return };
    for addr in [Some(&config.listen), Some(&config.peer_listen), config.metrics_listen.as_ref()] {
        assert!(addr.is_none_or(|addr| check_addr("--listen", addr).is_ok()), "{addr:?}");
    }
    if let Origin::Initial { node_id, peers } = &config.origin {
        assert!(*node_id > 0 && peers.contains_key(node_id), "{node_id} of {peers:?}");
        assert_eq!(config.own_initial_addr().as_ref(), peers.get(node_id));
    }
    assert!(config.timing.election >= 3 * config.timing.heartbeat);
    assert!(config.timing.kept_entries <= config.timing.snapshot_entries);
    assert!(config.timing.request_deadline() > config.timing.lease());
    assert!(config.disk_reserve > 0 && config.max_connections > 0 && config.max_sockets > 0);
    assert!(config.scrub_interval.is_none_or(|interval| !interval.is_zero()));
    let _ = config.timing.shown();
    if let Some(schedule) = config.backups {
        assert!(!schedule.every.is_zero());
        assert!(schedule.retention.keep_for.is_none_or(|keep_for| keep_for >= schedule.every));
    }
}

/// A text as each of the values that are read from one: it is refused, or written and read as the same one.
///
/// # Panics
/// If a value does not come back, or an address shows a password.
pub fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Address::Bucket(url)) = Address::parse(text) {
        let address = Address::Bucket(url.clone());
        // A slash at the end is not shown.
        let again = Address::parse(&address.to_string()).map(|again| again.to_string());
        assert!(again.is_ok_and(|again| again == address.to_string()), "{text:?} is shown as {address}");
        assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{url}");
    }
    if let Ok(name) = text.parse::<BackupName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(name) = text.parse::<CertificateName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(moment) = Moment::parse(text) {
        assert_eq!(Moment::parse(&moment.to_string()), Ok(moment), "{text:?}");
    }
    if let Ok(secret) = ClusterSecret::parse(text) {
        assert!(ClusterSecret::parse(secret.as_str()).is_ok_and(|again| again == secret));
    }
    let parts = split(Some(text));
    assert!(parts.iter().all(|part| !part.contains(',')), "{parts:?}");
    for join in [None, Some(text.to_owned())] {
        let cluster = join.is_none().then(|| text.to_owned());
        match origin(Some(1), cluster, join, Some("token".to_owned()), false) {
            Ok(Origin::Initial { node_id, peers }) => {
                assert!(node_id == 1 && peers.contains_key(&1) && !peers.contains_key(&0), "{peers:?}");
                let text: Vec<String> = peers.iter().map(|(id, addr)| format!("{id}={addr}")).collect();
                let again = origin(Some(1), Some(text.join(",")), None, None, false);
                assert!(again.is_ok_and(|again| again == Origin::Initial { node_id, peers }), "{text:?}");
            }
            Ok(Origin::Join { servers, .. }) => {
                assert!(servers.iter().all(|server| server.starts_with("http")), "{servers:?}");
            }
            Ok(Origin::Remembered) | Err(_) => {}
        }
    }
    let args = BackupArgs {
        backup_to: Some("s3://bucket".to_owned()),
        backup_every: Some(text.to_owned()),
        backup_keep: None,
        backup_keep_for: None,
    };
    if let Ok(Some(schedule)) = backups::schedule(args, Path::new(DATA_DIR)) {
        let shown = humantime::format_duration(schedule.every).to_string();
        let again = humantime::parse_duration(&shown);
        assert!(again.is_ok_and(|again| again == schedule.every), "{text:?} is shown as {shown}");
    }
    assert!(!explain(&anyhow::anyhow!("{text}")).contains('\n'));
}

#[cfg(test)]
mod tests {
    fn named<const N: usize>(seeds: [(&str, &str); N]) -> Vec<(String, Vec<u8>)> {
        seeds.map(|(name, text)| (name.to_owned(), text.into())).into()
    }

    #[test]
    fn settings_pass_their_corpus() {
        let seeds = named([
            (
                "initial",
                "node-id = 1\nlisten = \"0.0.0.0:7401\"\npeer-listen = \"10.0.0.1:7501\"\nregion = \"eu-west\"\n\
                 initial-cluster = \"1=10.0.0.1:7501,2=10.0.0.2:7501,3=10.0.0.3:7501\"\npriority = 10\n\
                 cluster-secret = \"5555555555555555555555555555555555555555555555555555555555555555\"\n",
            ),
            (
                "join",
                "port = 8080\njoin = \"https://a:7401, http://b:7401/\"\njoin-token = \"nexus_join_x\"\nreplica = true\n\
                 advertise = \"nexus.example.com:443\"\npeer-advertise = \"a:1\"\nzone = \"a\"\n",
            ),
            (
                "times",
                "timing = \"wan\"\nheartbeat-ms = 100\nelection-ms = 2000\nsnapshot-entries = 1000\nscrub-interval = 0\n\
                 rules-up-to = 1\nrate-limit = 0\nmax-connections = 100\nmax-sockets = 10\ndisk-reserve-mib = 1\n",
            ),
            (
                "backups",
                "backup-to = \"s3://bucket/nexus\"\nbackup-every = \"30m\"\nbackup-keep = 10\nbackup-keep-for = \"7d\"\n\
                 otlp-endpoint = \"http://127.0.0.1:4318\"\notlp-ratio = 0.5\nlog = \"info,nexus_node=debug\"\n\
                 log-format = \"json\"\n",
            ),
            (
                "web",
                "allowed-hosts = \"a.example.com, b\"\nallowed-origins = \"https://board.example.com\"\n\
                 trust-proxy = true\nplain-clients = true\nmetrics-listen = \"[::1]:9090\"\n",
            ),
        ]);
        nexus_corpora::pass("settings", super::settings, seeds);
    }

    #[test]
    fn addresses_pass_their_corpus() {
        let seeds = named([
            ("s3", "s3://bucket/nexus/prod"),
            ("gs", "gs://bucket"),
            ("az", "az://container/a%20b"),
            ("file", "file:///mnt/backups"),
            ("folder", "../backups/x"),
            ("password", "s3://user:secret@bucket/x?y#z"),
            ("backup", "nexus-00000000-0000-0000-0000-000000000007-20260131T120000Z-900-n3.backup"),
            ("certificate", "nexus://0198c0de-0000-7000-8000-000000000001/node/3"),
            ("moment", "2026-01-31T12:00:00.123+01:00[Europe/Berlin]"),
            ("cluster", "1=127.0.0.1:7501,2=b.example.com:7502, 3=[::1]:7503"),
            ("servers", "http://a:7401/,https://b.example.com"),
            ("duration", "1d 2h 30m 5s"),
            ("secret", "5555555555555555555555555555555555555555555555555555555555555555\n"),
            ("answer", "error at https://host/path?signature=x: <?xml version=\"1.0\"?><Code>Denied</Code>"),
        ]);
        nexus_corpora::pass("address", super::address, seeds);
    }
}
