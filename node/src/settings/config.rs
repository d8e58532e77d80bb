//! The settings of a node, from flags, environment and file in this order of precedence, checked as a whole.

use crate::{
    backups::schedule::Schedule,
    peer::secret::ClusterSecret,
    raft::setup::Timing,
    settings::{
        args::{BackupArgs, LogArgs, StartArgs, TimingProfile},
        backups,
        file::{self, File},
        logging,
        origin::{Origin, check_own_addr, origin},
        tls::{self, TlsArgs},
        traces::TraceArgs,
        values::{check_addr, check_place, is_loopback, split},
    },
    tls::TlsFiles,
    traces::TraceSettings,
};
use anyhow::{Context, ensure};
use nexus_api::MAX_SOCKETS;
use nexus_api_types::cluster::NodePlace;
use nexus_domain::RulesVersion;
use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf, time::Duration};

/// Largest disk reserve, in bytes: more is a typing error.
const MAX_RESERVE: u64 = 1 << 40;

/// Default of `--max-connections`, and its maximum: connections of clients at once, WebSockets included. Each takes a
/// file descriptor and some kilobytes.
pub(crate) const MAX_CONNECTIONS: u32 = 8_192;
/// Default of `--disk-reserve-mib`, in bytes: several times what RocksDB writes at once when it flushes and compacts,
/// and its largest write-ahead log.
pub(crate) const DEFAULT_RESERVE: u64 = 256 << 20;

/// All settings of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The data folder.
    pub data_dir: PathBuf,
    /// The address to listen on for clients, `host:port`.
    pub listen: String,
    /// The address to listen on for other nodes, `host:port`.
    pub peer_listen: String,
    /// The address that serves metrics and health without a key, if any.
    pub metrics_listen: Option<String>,
    /// The address that clients reach it at, when it differs from `listen`.
    pub advertise: Option<String>,
    /// The address that other nodes reach it at, when it differs from `peer_listen`.
    pub peer_advertise: Option<String>,
    /// How it becomes a member.
    pub origin: Origin,
    /// The cluster's secret, if the operator gave it.
    pub cluster_secret: Option<ClusterSecret>,
    /// Its region, its zone, and its priority as the leader.
    pub place: NodePlace,
    /// Timeouts and snapshot intervals of Raft.
    pub timing: Timing,
    /// Host names by which clients reach it, beside those of its own addresses.
    pub allowed_hosts: Vec<String>,
    /// Origins of browser pages that may call it.
    pub allowed_origins: Vec<String>,
    /// Requests per second of one API key; none for no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Whether the client's address is taken from `X-Forwarded-For`.
    pub trust_proxy: bool,
    /// Free bytes on the disk below which writes that store more are refused.
    pub disk_reserve: u64,
    /// The newest rules that it lets the cluster go by, if the operator holds them back.
    pub rules_up_to: Option<RulesVersion>,
    /// The time from the end of one scrub of the store to the next one; none for no scrubs.
    pub scrub_interval: Option<Duration>,
    /// Connections of clients at once, WebSockets included.
    pub max_connections: u32,
    /// WebSockets at once.
    pub max_sockets: u32,
    /// The files of its certificates; without any, it talks in plain text.
    pub tls: TlsFiles,
    /// The authorities that it trusts when it joins by `https`; none for those of the system.
    pub join_ca: Option<PathBuf>,
    /// Whether clients may talk in plain text although it has a certificate for them.
    pub plain_clients: bool,
    /// Whether nodes may talk in plain text although it has a certificate for them.
    pub plain_peers: bool,
    /// The collector of traces; none when no traces are sent.
    pub traces: Option<TraceSettings>,
    /// The backups that it takes on a schedule, if any.
    pub backups: Option<Schedule>,
    /// The events that are logged, and their format.
    pub log: LogArgs,
}

/// Default of `--scrub-interval`. Errors on devices are rare, and one that is found within an hour is found before the
/// disk of another node fails, too.
const SCRUB_INTERVAL: Duration = Duration::from_secs(3600);
/// Longest `--scrub-interval`, in seconds: a month. More is a typing error.
const MAX_SCRUB_INTERVAL: u64 = 31 * 24 * 3600;

/// Default of `--rate-limit`, in requests per second of one key: far more than an agent needs, and not enough to stop
/// others.
const RATE_LIMIT: u32 = 50_000;

impl Config {
    /// Reads and checks the settings of `nexusd start`.
    ///
    /// # Errors
    /// When a setting is missing, malformed or contradicts another one. The error says which, and what to do.
    pub fn from_args(args: StartArgs) -> anyhow::Result<Self> {
        let file = match &args.config {
            Some(path) => file::read(path)?,
            None => File::default(),
        };
        Self::from_sources(args, file)
    }

    /// Checks the settings of `nexusd start`, with those of a file that was read.
    pub(super) fn from_sources(args: StartArgs, file: File) -> anyhow::Result<Self> {
        let data_dir = args.data_dir.or(file.data_dir);
        let data_dir = data_dir.context("no data folder: give one with --data-dir")?;
        let port = args.port.or(file.port).map(|port| format!("0.0.0.0:{port}"));
        let listen = args.listen.or(file.listen).or(port).unwrap_or_else(|| "127.0.0.1:7401".to_owned());
        let peer_listen =
            args.peer_listen.or(file.peer_listen).unwrap_or_else(|| "127.0.0.1:7501".to_owned());
        check_addr("--listen", &listen)?;
        check_addr("--peer-listen", &peer_listen)?;
        let metrics_listen = args.metrics_listen.or(file.metrics_listen);
        if let Some(addr) = &metrics_listen {
            check_addr("--metrics-listen", addr)?;
        }
        let insecure_peers = args.insecure_peers || file.insecure_peers.unwrap_or(false);
        let certificates = tls::files(args.tls.or(TlsArgs {
            certs_dir: file.certs_dir,
            peer_cert: file.peer_cert,
            peer_key: file.peer_key,
            peer_ca: file.peer_ca,
            tls_cert: file.tls_cert,
            tls_key: file.tls_key,
            join_ca: file.join_ca,
            plain_clients: file.plain_clients.unwrap_or(false),
        }))?;
        ensure!(
            insecure_peers || certificates.files.peers.is_some() || is_loopback(&peer_listen),
            "--peer-listen {peer_listen} is not a loopback address, and without certificates nodes talk in plain text: \
             whoever is on the way between two of them can read and change everything. Make certificates with nexus \
             cluster certs init and issue, and say --certs-dir; on a network of your own, say --insecure-peers"
        );
        let place = NodePlace {
            region: args.region.or(file.region),
            zone: args.zone.or(file.zone),
            priority: args.priority.or(file.priority).unwrap_or(NodePlace::PRIORITY),
        };
        check_place("--region", place.region.as_deref())?;
        check_place("--zone", place.zone.as_deref())?;
        let defaults = match args.timing.or(file.timing).unwrap_or_default() {
            TimingProfile::Lan => Timing::LAN,
            TimingProfile::Wan => Timing::WAN,
        };
        let millis = |given: Option<u64>, default: Duration| given.map_or(default, Duration::from_millis);
        let timing = Timing {
            heartbeat: millis(args.heartbeat_ms.or(file.heartbeat_ms), defaults.heartbeat),
            election: millis(args.election_ms.or(file.election_ms), defaults.election),
            snapshot_entries: args
                .snapshot_entries
                .or(file.snapshot_entries)
                .unwrap_or(defaults.snapshot_entries),
            kept_entries: defaults.kept_entries,
        };
        let timing = Timing { kept_entries: timing.kept_entries.min(timing.snapshot_entries / 4), ..timing };
        ensure!(timing.snapshot_entries >= 100, "--snapshot-entries must be at least 100");
        ensure!(
            timing.election >= timing.heartbeat * 3,
            "--election-ms must be at least three times --heartbeat-ms: a single lost heartbeat \
             must not start an election"
        );
        timing.config().context("the times of Raft contradict each other")?;
        let origin = origin(
            args.node_id.or(file.node_id),
            args.initial_cluster.or(file.initial_cluster),
            args.join.or(file.join),
            args.join_token.or(file.join_token),
            args.replica || file.replica.unwrap_or(false),
        )?;
        // A flag or a variable of either form overrides both forms in the file.
        let (value, path) = match (args.cluster_secret, args.cluster_secret_file) {
            (None, None) => (file.cluster_secret, file.cluster_secret_file),
            given => given,
        };
        let cluster_secret = ClusterSecret::given(value.as_deref(), path.as_deref())?;
        let disk_reserve = match args.disk_reserve_mib.or(file.disk_reserve_mib) {
            None => DEFAULT_RESERVE,
            Some(mib) => {
                let bytes = mib.checked_mul(1 << 20).filter(|bytes| (1..=MAX_RESERVE).contains(bytes));
                bytes.context("--disk-reserve-mib must be from 1 to 1048576")?
            }
        };
        let max_connections = args.max_connections.or(file.max_connections).unwrap_or(MAX_CONNECTIONS);
        ensure!(
            (8..=MAX_CONNECTIONS).contains(&max_connections),
            "--max-connections must be from 8 to {MAX_CONNECTIONS}: more clients need more nodes"
        );
        let max_sockets = args.max_sockets.or(file.max_sockets).unwrap_or(MAX_SOCKETS);
        ensure!(
            (1..=MAX_SOCKETS).contains(&max_sockets),
            "--max-sockets must be from 1 to {MAX_SOCKETS}: more clients need more nodes"
        );
        if let Origin::Initial { node_id, peers } = &origin {
            let advertised = args.peer_advertise.as_ref().or(file.peer_advertise.as_ref());
            check_own_addr(&peers[node_id], &peer_listen, advertised)?;
        }
        let traces = TraceArgs { otlp_endpoint: file.otlp_endpoint, otlp_ratio: file.otlp_ratio };
        let traces = args.traces.or(traces).checked()?;
        let backups = args.backups.or(BackupArgs {
            backup_to: file.backup_to,
            backup_every: file.backup_every,
            backup_keep: file.backup_keep,
            backup_keep_for: file.backup_keep_for,
        });
        let backups = backups::schedule(backups, &data_dir)?;
        let log =
            LogArgs { log: args.log.log.or(file.log), log_format: args.log.log_format.or(file.log_format) };
        logging::check(&log)?;
        let allowed_hosts = split(args.allowed_hosts.or(file.allowed_hosts).as_deref());
        for host in &allowed_hosts {
            ensure!(
                !host.contains([':', '/']),
                "--allowed-hosts {host} must be a name without scheme and port, such as nexus.example.com"
            );
        }
        let allowed_origins = split(args.allowed_origins.or(file.allowed_origins).as_deref());
        Ok(Self {
            data_dir,
            listen,
            peer_listen,
            metrics_listen,
            advertise: args.advertise.or(file.advertise),
            peer_advertise: args.peer_advertise.or(file.peer_advertise),
            origin,
            cluster_secret,
            place,
            timing,
            traces,
            backups,
            log,
            allowed_hosts,
            allowed_origins,
            rate_limit: NonZeroU32::new(args.rate_limit.or(file.rate_limit).unwrap_or(RATE_LIMIT)),
            trust_proxy: args.trust_proxy.or(file.trust_proxy).unwrap_or_default(),
            disk_reserve,
            rules_up_to: rules_up_to(args.rules_up_to.or(file.rules_up_to))?,
            scrub_interval: scrub_interval(args.scrub_interval.or(file.scrub_interval))?,
            max_connections,
            max_sockets,
            tls: certificates.files,
            join_ca: certificates.join_ca,
            plain_clients: certificates.plain_clients,
            plain_peers: insecure_peers,
        })
    }

    /// This node's own address in the initial cluster.
    pub fn own_initial_addr(&self) -> Option<String> {
        match &self.origin {
            Origin::Initial { node_id, peers } => peers.get(node_id).cloned(),
            Origin::Join { .. } | Origin::Remembered => None,
        }
    }

    /// The id of this node, if it is one of the first nodes and has not been replaced since.
    pub fn own_initial_id(&self) -> Option<u64> {
        match &self.origin {
            Origin::Initial { node_id, .. } => Some(*node_id),
            Origin::Join { .. } | Origin::Remembered => None,
        }
    }

    /// The settings of a cluster of one node on a free peer port, for `nexusd dev`.
    pub fn alone(data_dir: PathBuf, listen: String) -> Self {
        // No other machine has to reach it: the loopback address is enough.
        let port = listen.rsplit_once(':').map_or("7401", |(_, port)| port);
        let advertise = listen.starts_with("0.0.0.0:").then(|| format!("127.0.0.1:{port}"));
        Self {
            data_dir,
            listen,
            peer_listen: "127.0.0.1:0".to_owned(),
            metrics_listen: None,
            advertise,
            peer_advertise: None,
            origin: Origin::Initial { node_id: 1, peers: BTreeMap::new() },
            cluster_secret: None,
            place: NodePlace::default(),
            timing: Timing::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            rate_limit: NonZeroU32::new(RATE_LIMIT),
            trust_proxy: false,
            disk_reserve: DEFAULT_RESERVE,
            rules_up_to: None,
            scrub_interval: Some(SCRUB_INTERVAL),
            max_connections: MAX_CONNECTIONS,
            max_sockets: MAX_SOCKETS,
            tls: TlsFiles::default(),
            join_ca: None,
            plain_clients: false,
            plain_peers: false,
            traces: None,
            backups: None,
            log: LogArgs::default(),
        }
    }
}

/// The version at which the rules are held back.
fn rules_up_to(version: Option<u16>) -> anyhow::Result<Option<RulesVersion>> {
    let Some(version) = version.map(RulesVersion) else { return Ok(None) };
    ensure!(
        (RulesVersion::FIRST..=RulesVersion::KNOWN).contains(&version),
        "--rules-up-to {version}: this program knows the rules from version {} to {}",
        RulesVersion::FIRST,
        RulesVersion::KNOWN
    );
    Ok(Some(version))
}

/// The time between two scrubs; none for 0.
fn scrub_interval(seconds: Option<u64>) -> anyhow::Result<Option<Duration>> {
    let seconds = seconds.unwrap_or(SCRUB_INTERVAL.as_secs());
    ensure!(
        seconds <= MAX_SCRUB_INTERVAL,
        "--scrub-interval {seconds} is longer than a month ({MAX_SCRUB_INTERVAL} s); 0 means never"
    );
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::settings::args::LogFormat;
    use clap::Args as _;

    fn args() -> StartArgs {
        StartArgs {
            data_dir: Some("data".into()),
            cluster_secret: Some("of the tests, and long enough for one".into()),
            ..StartArgs::default()
        }
    }

    #[test]
    fn three_nodes_are_read_from_the_initial_cluster() {
        let text = "1=127.0.0.1:7501, 2=127.0.0.1:7502,3=127.0.0.1:7503";
        let args = StartArgs {
            node_id: Some(2),
            initial_cluster: Some(text.into()),
            peer_listen: Some("127.0.0.1:7502".into()),
            ..args()
        };
        let config = Config::from_args(args).unwrap();
        let Origin::Initial { node_id, peers } = config.origin else { panic!("an initial cluster") };
        assert_eq!((node_id, peers.len(), peers[&3].as_str()), (2, 3, "127.0.0.1:7503"));
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_way_out() {
        let cases = [
            (StartArgs { initial_cluster: Some("1=a:1".into()), ..args() }, "--node-id"),
            (StartArgs { initial_cluster: Some("1=a:1".into()), replica: true, ..args() }, "demote"),
            (StartArgs { initial_cluster: Some("1=a:1".into()), node_id: Some(9), ..args() }, "not in"),
            (
                StartArgs { initial_cluster: Some("1=a:1,2=a:1".into()), node_id: Some(1), ..args() },
                "same address",
            ),
            (
                StartArgs {
                    initial_cluster: Some("1=127.0.0.1:7501,2=127.0.0.1:7502".into()),
                    node_id: Some(2),
                    ..args()
                },
                "--peer-advertise",
            ),
            (StartArgs { disk_reserve_mib: Some(0), ..args() }, "--disk-reserve-mib"),
            (StartArgs { max_sockets: Some(0), ..args() }, "--max-sockets"),
            (StartArgs { max_sockets: Some(MAX_SOCKETS + 1), ..args() }, "--max-sockets"),
            (StartArgs { join: Some("http://a:1".into()), ..args() }, "--join-token"),
            (StartArgs { cluster_secret: Some("short".into()), ..args() }, "32"),
            (StartArgs { cluster_secret_file: Some("none".into()), ..args() }, "exclude each other"),
            (
                StartArgs { cluster_secret: None, cluster_secret_file: Some("no-file".into()), ..args() },
                "--cluster-secret-file no-file",
            ),
            (StartArgs { peer_listen: Some("0.0.0.0:7501".into()), ..args() }, "--insecure-peers"),
            (StartArgs { listen: Some("nowhere".into()), ..args() }, "HOST:PORT"),
            (StartArgs { heartbeat_ms: Some(500), ..args() }, "--election-ms"),
            (StartArgs::default(), "--data-dir"),
        ];
        for (args, hint) in cases {
            let error = Config::from_args(args).unwrap_err().to_string();
            assert!(error.contains(hint), "{error} does not mention {hint}");
        }
    }

    #[test]
    fn the_file_takes_every_flag_of_start() {
        let command = StartArgs::augment_args(clap::Command::new("start"));
        let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert!(flags.contains(&"log-format") && flags.contains(&"port"));
        for flag in flags.into_iter().filter(|flag| !matches!(*flag, "config" | "check-config")) {
            // A value of no setting's type: only a name that is known is refused for it.
            let error = toml::from_str::<File>(&format!("{flag} = {{}}")).unwrap_err().to_string();
            assert!(!error.contains("unknown field"), "{flag}: {error}");
        }
    }

    #[test]
    fn the_log_is_set_by_flag_or_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexusd.toml");
        let text = "data-dir = \"d\"\nport = 7409\nlog = \"warn\"\nlog-format = \"json\"\n";
        std::fs::write(&path, text).unwrap();
        let log = LogArgs { log: Some("debug".into()), log_format: None };
        let args = StartArgs { config: Some(path.clone()), log, ..StartArgs::default() };
        let config = Config::from_args(args).unwrap();
        assert_eq!(config.listen, "0.0.0.0:7409");
        assert_eq!(
            (config.log.log.as_deref(), config.log.log_format),
            (Some("debug"), Some(LogFormat::Json))
        );
        std::fs::write(&path, "data-dir = \"d\"\nlog = \"loud\"\n").unwrap();
        let args = StartArgs { config: Some(path), ..StartArgs::default() };
        assert!(Config::from_args(args).unwrap_err().to_string().contains("--log loud"));
    }

    #[test]
    fn a_flag_goes_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexusd.toml");
        std::fs::write(&path, "data-dir = \"from-file\"\nlisten = \"127.0.0.1:9\"\n").unwrap();
        let args = StartArgs {
            config: Some(path.clone()),
            data_dir: Some("from-flag".into()),
            ..StartArgs::default()
        };
        let config = Config::from_args(args).unwrap();
        assert_eq!((config.data_dir, config.listen.as_str()), ("from-flag".into(), "127.0.0.1:9"));
        std::fs::write(&path, "lisssten = 1\n").unwrap();
        let args = StartArgs { config: Some(path), ..StartArgs::default() };
        assert!(format!("{:#}", Config::from_args(args).unwrap_err()).contains("lisssten"));
    }
}
