//! The command line of nexusd.

use crate::settings::{tls::TlsArgs, traces::TraceArgs};
use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use clap_complete::Shell;
use serde::Deserialize;
use std::path::PathBuf;
use uuid::Uuid;

const EXAMPLES: &str = "\
Examples:
  One node to try things out, with its data under ./nexus-data:
    nexusd dev --data-dir nexus-data

  The first of three nodes; the other two are started alike with their own id and addresses:
    nexusd start --node-id 1 --data-dir /var/lib/nexus \\
        --listen 127.0.0.1:7401 --peer-listen 127.0.0.1:7501 \\
        --initial-cluster 1=127.0.0.1:7501,2=127.0.0.1:7502,3=127.0.0.1:7503 \\
        --cluster-secret-file /etc/nexus/cluster-secret

  The secret by which these nodes know each other; make it once and copy it to each of them:
    nexusd new-secret > cluster-secret

  A fourth node, which joins with a token that `nexus cluster join-token` printed:
    nexusd start --data-dir /var/lib/nexus --listen 127.0.0.1:7404 --peer-listen 127.0.0.1:7504 \\
        --join http://127.0.0.1:7401 --join-token nexus_join_…";

const CHECK_EXAMPLES: &str = "\
Examples:
  nexus cluster backup -o monday.backup && nexusd check-backup monday.backup";

const BACKUPS_EXAMPLES: &str = "\
Examples:
  nexusd backups /mnt/backups
  nexusd backups s3://bucket/nexus --json | jq -r '.[-1].url'";

const HEALTH_EXAMPLES: &str = "\
Examples:
  nexusd health
  until nexusd health --addr 10.0.0.1:7401; do sleep 1; done
  nexusd health --ca /etc/nexus/certs/ca.crt    # a node with certificates";

const RESTORE_EXAMPLES: &str = "\
Examples:
  What would be restored, and the ids that a certificate has to name:
    nexusd restore --from monday.backup --data-dir /var/lib/nexus --dry-run

  The newest backup in a store, with credentials from the environment:
    nexusd restore --from s3://bucket/nexus --data-dir /var/lib/nexus --dry-run

  A new cluster from a backup, whose first node others reach at 10.0.0.1:
    nexusd restore --from monday.backup --data-dir /var/lib/nexus \\
        --peer-advertise 10.0.0.1:7501 --advertise 10.0.0.1:7401";

const RECOVER_EXAMPLES: &str = "\
Examples:
  From the only node that is left; stop it first:
    nexusd recover --data-dir /var/lib/nexus --as-single";

const INSPECT_EXAMPLES: &str = "\
Examples:
  nexusd inspect /var/lib/nexus
  nexusd inspect /var/lib/nexus --json | jq .log.last";

const MAN_EXAMPLES: &str = "\
Examples:
  nexusd man ~/.local/share/man/man1";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  nexusd completions bash > ~/.local/share/bash-completion/completions/nexusd";

const VERSION_EXAMPLES: &str = "\
Examples:
  nexusd version
  nexusd version --json";

const REBUILD_EXAMPLES: &str = "\
Examples:
  nexusd rebuild --data-dir /var/lib/nexus";

const SECRET_EXAMPLES: &str = "\
Examples:
  (umask 077 && nexusd new-secret > cluster-secret)";

/// One member of a Nexus cluster
#[derive(Debug, Parser)]
#[command(name = "nexusd", version = env!("NEXUS_VERSION"), after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    /// The subcommand to run
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `nexusd`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a member of a cluster: a new one, one that joins, or the one that the data folder stores
    #[command(after_help = EXAMPLES)]
    Start(Box<StartArgs>),
    /// Run a cluster of one node, without any other setting
    #[command(after_help = EXAMPLES)]
    Dev(DevArgs),
    /// Print a new cluster secret, for --cluster-secret-file of all nodes that form a cluster
    #[command(after_help = SECRET_EXAMPLES)]
    NewSecret,
    /// Read a backup to its last record, check that it is intact, and print what it contains
    #[command(after_help = CHECK_EXAMPLES)]
    CheckBackup(CheckBackupArgs),
    /// List the scheduled backups in a folder or a store, also when the cluster is lost
    #[command(after_help = BACKUPS_EXAMPLES)]
    Backups(BackupsArgs),
    /// Print the version of this program, and the versions of rules, format and protocol that it knows
    #[command(after_help = VERSION_EXAMPLES)]
    Version(VersionArgs),
    /// Ask the node of this machine whether it is ready; the exit code is 0 if it is, else 1
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(HealthArgs),
    /// Make a data folder from a backup, for the first node of a new cluster
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Make a cluster of one node from the data folder of a cluster that has lost its quorum for good
    #[command(after_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Let the next start begin anew with the state of the other nodes, for a node that is fenced or damaged
    #[command(after_help = REBUILD_EXAMPLES)]
    Rebuild(RebuildArgs),
    /// Print what a data folder contains, also while a node runs on it; it changes nothing
    #[command(after_help = INSPECT_EXAMPLES)]
    Inspect(InspectArgs),
    /// Write the manual pages, one for each command, into a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Print the script that completes commands in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

/// Settings of `nexusd start`. A flag has precedence over its environment variable, and both over the file.
#[derive(Debug, Default, Args)]
pub struct StartArgs {
    /// Read settings from this TOML file; its keys are the names of these flags
    #[arg(long, env = "NEXUS_CONFIG_FILE", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the settings, report what is wrong with them, and exit
    #[arg(long)]
    pub check_config: bool,
    /// Id of this node in the initial cluster; the cluster assigns an id to a joining node
    #[arg(long, env = "NEXUS_NODE_ID", value_name = "ID")]
    pub node_id: Option<u64>,
    /// Folder for everything that this node stores
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address that serves clients [default: 127.0.0.1:7401]
    #[arg(long, env = "NEXUS_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Port that serves clients on all addresses, for platforms that assign one; --listen has precedence
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Address that serves /metrics and /health alone and asks for no key: keep it off the internet
    #[arg(long, env = "NEXUS_METRICS_LISTEN", value_name = "HOST:PORT")]
    pub metrics_listen: Option<String>,
    /// Address that serves other nodes [default: 127.0.0.1:7501]
    #[arg(long, env = "NEXUS_PEER_LISTEN", value_name = "HOST:PORT")]
    pub peer_listen: Option<String>,
    /// Address at which clients reach this node, if it differs from --listen
    #[arg(long, env = "NEXUS_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Address at which other nodes reach this node, if it differs from --peer-listen
    #[arg(long, env = "NEXUS_PEER_ADVERTISE", value_name = "HOST:PORT")]
    pub peer_advertise: Option<String>,
    /// All nodes of a new cluster, the same list on each of them; ignored once the cluster is formed
    #[arg(long, env = "NEXUS_INITIAL_CLUSTER", value_name = "ID=HOST:PORT,…")]
    pub initial_cluster: Option<String>,
    /// Join the cluster whose nodes serve clients at these addresses; one of them is enough
    #[arg(long, env = "NEXUS_JOIN", value_name = "URL,…", conflicts_with = "initial_cluster")]
    pub join: Option<String>,
    /// Token that `nexus cluster join-token` printed
    #[arg(long, env = "NEXUS_JOIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub join_token: Option<String>,
    /// Join as a replica: a node without a vote that stays one. It serves reads, stale ones without a round trip, and
    /// forwards writes. Once it has joined, nexus cluster promote and demote change it
    #[arg(long, env = "NEXUS_REPLICA", conflicts_with = "initial_cluster")]
    pub replica: bool,
    /// File with the secret by which the nodes of a cluster know each other, at least 32 characters; a joining node
    /// receives it, and each node stores it in its data folder. Not needed if all nodes run on this machine
    #[arg(long, env = "NEXUS_CLUSTER_SECRET_FILE", value_name = "FILE")]
    pub cluster_secret_file: Option<PathBuf>,
    /// The secret itself; prefer the variable, since other users of the machine can see a flag
    #[arg(long, env = "NEXUS_CLUSTER_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub cluster_secret: Option<String>,
    /// Let nodes talk to each other in plain text over a network: an attacker on the path between two of them can
    /// read and change what they send. Without a cluster secret, anyone who reaches the port can act as a member. With
    /// certificates, it lets them talk both ways, while a cluster is changed over to TLS
    #[arg(long, env = "NEXUS_INSECURE_PEERS")]
    pub insecure_peers: bool,
    /// Certificates, of which a changed file is read again while the node runs
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Region that this node runs in, such as eu-west
    #[arg(long, env = "NEXUS_REGION", value_name = "NAME")]
    pub region: Option<String>,
    /// Zone of the region
    #[arg(long, env = "NEXUS_ZONE", value_name = "NAME")]
    pub zone: Option<String>,
    /// Priority of this node as the leader, 0 to 255: leadership moves to a node with the highest priority once it has
    /// been well for five seconds. Give all nodes of the preferred region the same one [default: 100]
    #[arg(long, env = "NEXUS_PRIORITY", value_name = "N")]
    pub priority: Option<u8>,
    /// Times of Raft: for nodes in one place, or for nodes across regions, up to 250 ms of round trip [default: lan]
    #[arg(long, env = "NEXUS_TIMING", value_enum)]
    pub timing: Option<TimingProfile>,
    /// Interval of the leader's heartbeats, in milliseconds; use at least one round trip between the nodes [default:
    /// that of --timing, 100 or 250]
    #[arg(long, env = "NEXUS_HEARTBEAT_MS", value_name = "MS")]
    pub heartbeat_ms: Option<u64>,
    /// Silence of the leader after which a follower calls an election, in milliseconds; use about ten round trips
    /// [default: that of --timing, 400 or 2500]
    #[arg(long, env = "NEXUS_ELECTION_MS", value_name = "MS")]
    pub election_ms: Option<u64>,
    /// Log entries between two snapshots [default: 20000]
    #[arg(long, env = "NEXUS_SNAPSHOT_ENTRIES", value_name = "N")]
    pub snapshot_entries: Option<u64>,
    /// Free space of the data folder's disk, in MiB, below which writes that need more space are refused [default: 256]
    #[arg(long, env = "NEXUS_DISK_RESERVE_MIB", value_name = "MIB")]
    pub disk_reserve_mib: Option<u64>,
    /// Newest version of the rules that this node lets the cluster go by, so that all nodes can go back to a program
    /// that knows no newer ones; nexus cluster upgrade-check shows the versions [default: all that it knows]
    #[arg(long, env = "NEXUS_RULES_UP_TO", value_name = "VERSION")]
    pub rules_up_to: Option<u16>,
    /// Seconds from the end of one scrub to the next one: it reads everything stored, slowly, and compares it with the
    /// state in memory; 0 means never [default: 3600]
    #[arg(long, env = "NEXUS_SCRUB_INTERVAL", value_name = "SECONDS")]
    pub scrub_interval: Option<u64>,
    /// Names by which clients reach this node, besides its addresses, localhost and --advertise; * allows any name
    #[arg(long, env = "NEXUS_ALLOWED_HOSTS", value_name = "HOST,…")]
    pub allowed_hosts: Option<String>,
    /// Origins of web pages that may call this node, such as https://board.example.com
    #[arg(long, env = "ALLOWED_ORIGINS", value_name = "ORIGIN,…")]
    pub allowed_origins: Option<String>,
    /// Requests per second that one API key may send to this node; 0 means no limit [default: 50000]
    #[arg(long, env = "NEXUS_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Client connections that may be open at once, including WebSockets; beyond that, an idle one is closed for a new
    /// one [default: 8192]
    #[arg(long, env = "NEXUS_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<u32>,
    /// WebSockets that may be open at once, each of some 50 kB; further clients get 503 [default: 4096]
    #[arg(long, env = "NEXUS_MAX_SOCKETS", value_name = "N")]
    pub max_sockets: Option<u32>,
    /// Take clients' addresses from X-Forwarded-For; use it only behind a proxy that sets this header
    #[arg(long, env = "TRUST_PROXY", num_args = 0..=1, default_missing_value = "true", value_parser = FalseyValueParser::new())]
    pub trust_proxy: Option<bool>,
    /// The collector of traces, and the share of requests that are traced
    #[command(flatten)]
    pub traces: TraceArgs,
    /// Backups on a schedule
    #[command(flatten)]
    pub backups: BackupArgs,
    /// The events that are logged, and their format
    #[command(flatten)]
    pub log: LogArgs,
}

/// Scheduled backups of `nexusd start`.
#[derive(Debug, Default, Args)]
pub struct BackupArgs {
    /// Write backups on a schedule into this folder or store: a path, file://, s3://BUCKET/PREFIX, gs:// or az://. Give
    /// all nodes the same one, and one of them takes each backup. Credentials come from the environment, such as
    /// AWS_ACCESS_KEY_ID
    #[arg(long, env = "NEXUS_BACKUP_TO", value_name = "URL")]
    pub backup_to: Option<String>,
    /// Time from one scheduled backup to the next, such as 30m or 1d [default: 1h]
    #[arg(long, env = "NEXUS_BACKUP_EVERY", value_name = "TIME")]
    pub backup_every: Option<String>,
    /// Number of scheduled backups that are kept; older ones are deleted after a new one was checked [default: 48]
    #[arg(long, env = "NEXUS_BACKUP_KEEP", value_name = "N")]
    pub backup_keep: Option<usize>,
    /// Age at which scheduled backups are deleted, such as 30d; the last good one never is [default: none]
    #[arg(long, env = "NEXUS_BACKUP_KEEP_FOR", value_name = "TIME")]
    pub backup_keep_for: Option<String>,
}

impl BackupArgs {
    /// These settings, and where they say nothing, those of `file`.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            backup_to: self.backup_to.or(file.backup_to),
            backup_every: self.backup_every.or(file.backup_every),
            backup_keep: self.backup_keep.or(file.backup_keep),
            backup_keep_for: self.backup_keep_for.or(file.backup_keep_for),
        }
    }
}

/// Settings of `nexusd dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Folder for everything that this node stores; without it, all data is lost when the node stops
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address that serves clients
    #[arg(long, env = "NEXUS_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:7401")]
    pub listen: String,
    /// The events that are logged, and their format
    #[command(flatten)]
    pub log: LogArgs,
}

/// Settings of `nexusd check-backup`.
#[derive(Debug, Args)]
pub struct CheckBackupArgs {
    /// A file that `nexus cluster backup` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Settings of `nexusd backups`.
#[derive(Debug, Args)]
pub struct BackupsArgs {
    /// The folder or the store, as in --backup-to
    #[arg(value_name = "URL", env = "NEXUS_BACKUP_TO")]
    pub from: String,
    /// Print the same as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Settings of `nexusd health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address at which the node serves clients, or its --metrics-listen
    #[arg(long, env = "NEXUS_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:7401")]
    pub addr: String,
    /// Ask by https, and trust these authorities, in PEM
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// The addresses and the first log index of a new cluster.
#[derive(Debug, Args)]
pub struct NewClusterArgs {
    /// Begin the log above this index, up to 2^51; it begins far above every index that the former cluster can have
    /// reached in any case, unless the clock is wrong
    #[arg(long, value_name = "N")]
    pub above: Option<u64>,
    /// Address at which other nodes will reach this node
    #[arg(long, env = "NEXUS_PEER_ADVERTISE", value_name = "HOST:PORT", default_value = "127.0.0.1:7501")]
    pub peer_advertise: String,
    /// Address at which clients will reach this node
    #[arg(long, env = "NEXUS_ADVERTISE", value_name = "HOST:PORT", default_value = "127.0.0.1:7401")]
    pub advertise: String,
}

/// Settings of `nexusd restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file that `nexus cluster backup` wrote, or one in a store, such as s3://BUCKET/PREFIX/NAME.backup; the newest
    /// one in a folder, or below an address
    #[arg(long, value_name = "FILE|URL")]
    pub from: String,
    /// Folder for the first node of the new cluster; it must not exist, or be empty
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Id of the new cluster, for certificates that were made for it; a random one by default
    #[arg(long, value_name = "UUID")]
    pub new_cluster_id: Option<Uuid>,
    /// The addresses and the first log index
    #[command(flatten)]
    pub new: NewClusterArgs,
    /// Check the backup and print what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// Settings of `nexusd recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// Data folder of the node that is left, which must not run; the former content is kept beside it
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Give up all other nodes of the cluster: there is no other kind of recovery
    #[arg(long, required = true)]
    pub as_single: bool,
    /// Id of the cluster that is given up, typed out as a confirmation; without it, a terminal is asked
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<String>,
    /// Id of the new cluster, for certificates that were made for it; a random one by default
    #[arg(long, value_name = "UUID")]
    pub new_cluster_id: Option<Uuid>,
    /// Take a node that is quarantined, although it has lost entries that it had acknowledged
    #[arg(long)]
    pub accept_quarantined: bool,
    /// The addresses and the first log index
    #[command(flatten)]
    pub new: NewClusterArgs,
}

/// Settings of `nexusd version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print it as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Settings of `nexusd rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArgs {
    /// Data folder of the node, which must not run; its content is kept in a folder within it
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Rebuild it although it has no mark of a fence
    #[arg(long)]
    pub force: bool,
}

/// Settings of `nexusd inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Data folder of a node
    #[arg(value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print the same as JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Settings of `nexusd man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder that receives one page for each command
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Settings of `nexusd completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell whose completions are printed
    pub shell: Shell,
}

/// The events that are logged, and their format.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub struct LogArgs {
    /// Events to log: error, warn, info, debug, trace, or a filter such as info,nexus_node=debug [default:
    /// info,openraft=error]
    #[arg(long, env = "NEXUS_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Format of the log [default: text]
    #[arg(long, env = "NEXUS_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

/// Times of Raft for a kind of network.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimingProfile {
    /// Heartbeats every 100 ms, an election after 0.4 to 0.8 s
    #[default]
    Lan,
    /// Heartbeats every 250 ms, an election after 2.5 to 5 s
    Wan,
}

/// Format of the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people to read
    #[default]
    Text,
    /// One JSON object per line, for programs
    Json,
}
