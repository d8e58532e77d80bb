//! The command line of nexusd.

use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use clap_complete::Shell;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  One node to try things out, with its data under ./nexus-data:
    nexusd dev --data-dir nexus-data

  The first of three nodes; the other two are started alike with their own id and addresses:
    nexusd start --node-id 1 --data-dir /var/lib/nexus \\
        --listen 127.0.0.1:7401 --peer-listen 127.0.0.1:7501 \\
        --initial-cluster 1=127.0.0.1:7501,2=127.0.0.1:7502,3=127.0.0.1:7503 \\
        --cluster-secret-file /etc/nexus/cluster-secret

  The secret that these nodes know each other by, made once and copied to each:
    nexusd new-secret > cluster-secret

  A fourth node, let in by a token that `nexus cluster join-token` made on any node:
    nexusd start --data-dir /var/lib/nexus --listen 127.0.0.1:7404 --peer-listen 127.0.0.1:7504 \\
        --join http://127.0.0.1:7401 --join-token nexus_join_…";

const CHECK_EXAMPLES: &str = "\
Examples:
  nexus cluster backup -o monday.backup && nexusd check-backup monday.backup";

const MAN_EXAMPLES: &str = "\
Examples:
  nexusd man ~/.local/share/man/man1";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  nexusd completions bash > ~/.local/share/bash-completion/completions/nexusd";

const SECRET_EXAMPLES: &str = "\
Examples:
  (umask 077 && nexusd new-secret > cluster-secret)";

/// One member of a Nexus cluster
#[derive(Debug, Parser)]
#[command(name = "nexusd", version = env!("NEXUS_VERSION"), after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What nexusd can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a member of a cluster: a new one, one to join, or one that the data folder remembers
    #[command(after_help = EXAMPLES)]
    Start(Box<StartArgs>),
    /// Run a cluster of one node, without any other setting
    #[command(after_help = EXAMPLES)]
    Dev(DevArgs),
    /// Print a new cluster secret, for --cluster-secret-file of all nodes that form a cluster
    #[command(after_help = SECRET_EXAMPLES)]
    NewSecret,
    /// Check to the last record that a backup is sound, and say what is in it
    #[command(after_help = CHECK_EXAMPLES)]
    CheckBackup(CheckBackupArgs),
    /// Write the manual pages into a folder, one for each command
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Print the completions of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
}

/// Settings of `nexusd start`. A flag goes before its environment variable, that before the file.
#[derive(Debug, Default, Args)]
pub struct StartArgs {
    /// Read settings from this TOML file; its keys are the names of these flags
    #[arg(long, env = "NEXUS_CONFIG_FILE", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the settings, say what is wrong with them, and exit
    #[arg(long)]
    pub check_config: bool,
    /// Id of this node in the initial cluster; a joining node is given one
    #[arg(long, env = "NEXUS_NODE_ID", value_name = "ID")]
    pub node_id: Option<u64>,
    /// Folder for all that this node keeps
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address for clients [default: 127.0.0.1:7401]
    #[arg(long, env = "NEXUS_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Port for clients on all addresses, where platforms give one and --listen does not say
    #[arg(long, env = "PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Address that serves /metrics and /health alone and asks for no key: keep it off the internet
    #[arg(long, env = "NEXUS_METRICS_LISTEN", value_name = "HOST:PORT")]
    pub metrics_listen: Option<String>,
    /// Address for other nodes [default: 127.0.0.1:7501]
    #[arg(long, env = "NEXUS_PEER_LISTEN", value_name = "HOST:PORT")]
    pub peer_listen: Option<String>,
    /// Where clients reach this node, when that is not where it listens
    #[arg(long, env = "NEXUS_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Where other nodes reach this node, when that is not where it listens
    #[arg(long, env = "NEXUS_PEER_ADVERTISE", value_name = "HOST:PORT")]
    pub peer_advertise: Option<String>,
    /// All nodes of a new cluster; the same on each of them, and ignored once it is formed
    #[arg(long, env = "NEXUS_INITIAL_CLUSTER", value_name = "ID=HOST:PORT,…")]
    pub initial_cluster: Option<String>,
    /// Join the cluster of which any node answers clients there
    #[arg(long, env = "NEXUS_JOIN", value_name = "URL,…", conflicts_with = "initial_cluster")]
    pub join: Option<String>,
    /// Token that `nexus cluster join-token` made
    #[arg(long, env = "NEXUS_JOIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub join_token: Option<String>,
    /// File with the secret by which the nodes of a cluster know each other, at least 32 characters; a joining node is
    /// handed it, and each keeps it in its data folder. Not needed where all nodes are on this machine
    #[arg(long, env = "NEXUS_CLUSTER_SECRET_FILE", value_name = "FILE")]
    pub cluster_secret_file: Option<PathBuf>,
    /// The secret itself; rather give it as a variable than as a flag, which other users of the machine see
    #[arg(long, env = "NEXUS_CLUSTER_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub cluster_secret: Option<String>,
    /// Let nodes talk to each other in plain text over a network: whoever is on the way between two of them reads all
    /// that they send, and can write into it. Without a cluster secret, whoever reaches the port can act as a member
    #[arg(long, env = "NEXUS_INSECURE_PEERS")]
    pub insecure_peers: bool,
    /// How often the leader shows that it lives; a round trip between regions [default: 100]
    #[arg(long, env = "NEXUS_HEARTBEAT_MS", value_name = "MS")]
    pub heartbeat_ms: Option<u64>,
    /// Silence after which a follower wants to lead; ten round trips [default: 400]
    #[arg(long, env = "NEXUS_ELECTION_MS", value_name = "MS")]
    pub election_ms: Option<u64>,
    /// Log entries between two snapshots [default: 20000]
    #[arg(long, env = "NEXUS_SNAPSHOT_ENTRIES", value_name = "N")]
    pub snapshot_entries: Option<u64>,
    /// Free space to keep back on the data folder's disk: below it, what grows is refused [default: 256]
    #[arg(long, env = "NEXUS_DISK_RESERVE_MIB", value_name = "MIB")]
    pub disk_reserve_mib: Option<u64>,
    /// Names by which clients reach this node, beside its addresses, localhost and --advertise; * is any
    #[arg(long, env = "NEXUS_ALLOWED_HOSTS", value_name = "HOST,…")]
    pub allowed_hosts: Option<String>,
    /// Pages in browsers that may call this node, such as https://board.example.com
    #[arg(long, env = "ALLOWED_ORIGINS", value_name = "ORIGIN,…")]
    pub allowed_origins: Option<String>,
    /// Requests a second that one API key may make of this node; 0 for no limit [default: 50000]
    #[arg(long, env = "NEXUS_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Connections of clients at once, WebSockets among them; where all are taken, an idle one makes room [default:
    /// 8192]
    #[arg(long, env = "NEXUS_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<u32>,
    /// WebSockets that may be open at once, each of some 50 kB; further clients get 503 [default: 4096]
    #[arg(long, env = "NEXUS_MAX_SOCKETS", value_name = "N")]
    pub max_sockets: Option<u32>,
    /// Take clients' addresses from X-Forwarded-For: only behind a proxy that sets it
    #[arg(long, env = "TRUST_PROXY", num_args = 0..=1, default_missing_value = "true", value_parser = FalseyValueParser::new())]
    pub trust_proxy: Option<bool>,
    /// Logging
    #[command(flatten)]
    pub log: LogArgs,
}

/// Settings of `nexusd dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Folder for all that this node keeps; without it, everything is gone at the end
    #[arg(long, env = "NEXUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address for clients
    #[arg(long, env = "NEXUS_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:7401")]
    pub listen: String,
    /// Logging
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

/// Settings of `nexusd man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Settings of `nexusd completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

/// How to log.
#[derive(Debug, Default, Clone, Args)]
pub struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or a filter such as info,nexus_node=debug
    #[arg(long, env = "NEXUS_LOG", value_name = "FILTER", default_value = "info,openraft=error")]
    pub log: String,
    /// How a log line looks
    #[arg(long, env = "NEXUS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}
