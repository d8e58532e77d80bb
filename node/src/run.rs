//! The life of a node: opens its store, finds out who it is, runs Raft, serves clients and peers,
//! and at the end hands leadership over and drains.

use crate::{
    bootstrap::{Bootstrap, BootstrapOutcome},
    clock::{Clock, LeaderClock},
    cluster::NodeCluster,
    config::{Config, Origin, is_loopback},
    disk::{self, Disk},
    disk_admission::DiskAdmission,
    flush_watch,
    heartbeats::Heartbeats,
    http, identity,
    keep_alives::KeepAlives,
    leader_duties,
    node::{Node, REQUEST_DEADLINE},
    peer::{
        LocalIdentity, LocalRaft, PeerClient, PeerNetworkFactory, PeerServer, RaftCell,
        tcp::{TcpDial, TcpListen},
    },
    raft::Raft,
    read::ReadIndexes,
    report,
    secret::ClusterSecret,
    service::NodeService,
    slots::Slots,
    token,
};
use anyhow::Context;
use axum::Router;
use futures::future::BoxFuture;
use nexus_api::{Api, ApiConfig, mint::Mint};
use nexus_domain::{InstanceId, NodeId};
use nexus_raft_store::{LogStore, Member, StateMachine, StoreHandle, open_folder};
use openraft::{
    async_runtime::watch::WatchReceiver as _,
    errors::{InitializeError, RaftError},
};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A leader that is stopped waits this long for another voter to take over. When all nodes are stopped at once, none
/// does.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is checked that Raft still runs.
const RAFT_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest time that stopping takes in all. Of it, handing leadership over takes 1 s and draining 1.5 s at most.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The store gets this long for its last writes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time and randomness, which tests replace.
#[derive(Clone)]
pub struct Sources {
    /// The only source of time for what the cluster decides.
    pub clock: Arc<dyn Clock>,
    /// The only source of ids and secrets.
    pub mint: Arc<dyn Mint>,
}

/// The log, state machine and handle of an open store.
pub type Opened = (LogStore, StateMachine, StoreHandle);

/// A node that is starting. Boxed, so that its code is compiled here and not again in each program and test that awaits
/// it, which would take a minute each.
pub type Starting = BoxFuture<'static, anyhow::Result<RunningNode>>;

/// A running node.
pub struct RunningNode {
    node: Arc<Node>,
    client_addr: String,
    stop: CancellationToken,
    stop_http: CancellationToken,
    failure: watch::Receiver<Option<String>>,
    tasks: Vec<JoinHandle<()>>,
    http: JoinHandle<()>,
    api: Api,
}

impl RunningNode {
    /// Starts a node; returns once it is a member and serves clients. It may not be ready yet.
    ///
    /// # Errors
    /// When its settings, its addresses or its data do not allow it to start.
    pub fn start(config: Config, sources: Sources) -> Starting {
        Box::pin(Self::open(config, sources))
    }

    async fn open(config: Config, sources: Sources) -> anyhow::Result<Self> {
        // Mistakes of the operator fail first, before a data folder is made.
        anyhow::ensure!(
            config.origin != Origin::Remembered || config.data_dir.join("db").exists(),
            "the data folder {} is new and nothing says where this node belongs: give --initial-cluster and \
             --node-id for a new cluster, or --join and --join-token for one that runs",
            config.data_dir.display()
        );
        let listeners = Listeners::bind(&config).await?;
        make_folder(&config.data_dir)
            .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
        let opened = open_folder(&config.data_dir)
            .await
            .with_context(|| format!("cannot open the data folder {}", config.data_dir.display()))?;
        Self::run(config, sources, listeners, opened).await
    }

    /// Starts a node on a store that was opened elsewhere, such as one on a disk that fails on demand. The data folder
    /// has to exist.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(config: Config, sources: Sources, opened: Opened) -> Starting {
        Box::pin(async move {
            let listeners = Listeners::bind(&config).await?;
            Self::run(config, sources, listeners, opened).await
        })
    }

    async fn run(
        config: Config,
        sources: Sources,
        listeners: Listeners,
        (log, machine, store): Opened,
    ) -> anyhow::Result<Self> {
        let Listeners { clients: client_listener, peers: peer_listener, metrics } = listeners;
        let disk = Disk::open(&config.data_dir, config.disk_reserve)
            .with_context(|| format!("cannot see how much space is free in {}", config.data_dir.display()))?;
        let secret = ClusterSecret::at_start(&config, &*sources.mint)?;
        let mut stored = identity::load_or_make(&store, InstanceId(sources.mint.id())).await?;
        let client_addr = match &config.advertise {
            Some(addr) => addr.clone(),
            None => reachable(client_listener.local_addr()?, "--advertise")?,
        };
        let own = Member {
            peer_addr: match &config.peer_advertise {
                Some(addr) => addr.clone(),
                None => match config.own_initial_addr() {
                    Some(addr) => addr,
                    None => reachable(peer_listener.local_addr()?, "--peer-advertise")?,
                },
            },
            client_addr: client_addr.clone(),
            instance: stored.instance,
        };

        let (stop, stop_http) = (CancellationToken::new(), CancellationToken::new());
        let (router, current) = watch::channel(http::starting());
        let http = tokio::spawn(http::serve(
            client_listener,
            current,
            config.max_connections as usize,
            stop_http.clone(),
        ));
        let has_membership = store.latest().membership().membership().nodes().next().is_some();
        let known = watch::Sender::new(LocalIdentity {
            cluster: stored.cluster,
            node: stored.node,
            is_initialized: has_membership,
            secret: secret.clone(),
            ..LocalIdentity::new(stored.instance, client_addr.clone())
        });
        let (raft_cell, service) = (RaftCell::default(), NodeService::default());
        let server = PeerServer {
            identity: known.subscribe(),
            raft: raft_cell.clone(),
            service: Arc::new(service.clone()),
        };
        let mut tasks = vec![tokio::spawn(server.run(peer_listener, stop.clone()))];
        let peers = PeerClient::new(TcpDial, known.subscribe());

        let bootstrap = Bootstrap { peers: &peers, identity: stored, own, has_membership };
        let outcome = bootstrap.run(&config.origin).await?;
        stored.node = Some(outcome.node);
        stored.cluster = stored.cluster.or(outcome.cluster);
        // The operator's secret takes precedence over that of the join: secrets are changed by hand.
        let secret =
            secret.or(outcome.secret.clone()).context("the cluster let this node in without a secret")?;
        // Before the identity is saved: a node that has joined is not sent the secret again.
        secret.store(&config.data_dir)?;
        identity::save(&store, &stored).await?;
        known.send_modify(|known| {
            known.node = stored.node;
            known.cluster = stored.cluster;
            known.secret = Some(secret.clone());
        });

        let raft = Raft::new(
            outcome.node.0,
            config.timing.config()?,
            PeerNetworkFactory::new(peers.clone()),
            log,
            machine,
        )
        .await
        .context("cannot start Raft")?;
        raft_cell.set(LocalRaft { raft: raft.clone(), store: store.clone() });
        form(&raft, outcome).await?;
        // A membership in the log is enough: the others wait for this node to start, and without them nothing commits.
        let is_initialized = raft.is_initialized().await.context("Raft stopped at once")?;
        known.send_modify(|known| known.is_initialized |= is_initialized);

        let id = NodeId(*raft.node_id());
        let node = Arc::new(Node {
            id,
            secret,
            raft,
            store,
            peers,
            leader_clock: LeaderClock::new(sources.clock.monotonic()),
            clock: sources.clock,
            mint: sources.mint.clone(),
            timing: config.timing,
            data_dir: config.data_dir,
            elections_won: AtomicU64::new(0),
            disk_bytes: AtomicU64::new(0),
            disk: Arc::new(disk),
            disk_admission: DiskAdmission::default(),
            reports: report::Reports::default(),
            slots: Slots::new(id, stored.starts, sources.mint.id().as_u64_pair().1, REQUEST_DEADLINE),
            flush_slow: AtomicBool::new(false),
            membership_change: tokio::sync::Mutex::default(),
        });
        let (reads, heartbeats) = (ReadIndexes::start(&node), Heartbeats::start(&node));
        service.begin(node.clone(), heartbeats.clone());
        let (fail, failure) = watch::channel(None);
        let disk_watch = flush_watch::watch(node.clone(), fail.clone(), stop.clone());
        tasks.push(watched("watching the disk", fail.clone(), disk_watch));
        tasks.push(watched("leading", fail, leader_duties::run(node.clone(), stop.clone())));
        tasks.push(tokio::spawn(disk::watch(node.clone(), stop.clone())));
        tasks.push(tokio::spawn(report::collect_reports(node.clone(), stop.clone())));
        tasks.push(tokio::spawn(token::remove_when_used(node.clone(), stop.clone())));
        tasks.push(tokio::spawn(learn_identity(node.clone(), known, stored, stop.clone())));

        let api_config = ApiConfig {
            open_metrics: is_loopback(&config.listen),
            allowed_hosts: own_names([&client_addr, &config.listen], config.allowed_hosts),
            allowed_origins: config.allowed_origins,
            rate_limit: config.rate_limit,
            trust_proxy: config.trust_proxy,
            max_sockets: config.max_sockets,
            ..ApiConfig::default()
        };
        let keep_alives = KeepAlives::default();
        let cluster = Arc::new(NodeCluster { node: node.clone(), reads, heartbeats, keep_alives });
        let api = Api::new(cluster, sources.mint, api_config);
        let served: Router = nexus_api::router(api.clone());
        let _starting = router.send_replace(served);
        if let Some(listener) = metrics {
            let (_, served) = watch::channel(nexus_api::monitoring(api.clone()));
            tasks.push(tokio::spawn(http::serve(listener, served, http::MAX_MONITORS, stop_http.clone())));
        }
        tracing::info!(node = %node.id, client_addr, "serving");
        Ok(Self { node, client_addr, stop, stop_http, failure, tasks, http, api })
    }

    /// The address that clients reach this node at, `host:port`.
    pub fn client_addr(&self) -> &str {
        &self.client_addr
    }

    /// Waits for a failure that the node cannot survive, and returns its description.
    pub async fn failed(&self) -> String {
        let mut fatal = self.node.store.fatal();
        let metrics = self.node.raft.metrics();
        let mut failure = self.failure.clone();
        loop {
            if let Some(why) = failure.borrow_and_update().as_ref() {
                return why.clone();
            }
            if let Some(error) = fatal.borrow_and_update().as_ref() {
                return error.to_string();
            }
            if let Err(error) = &metrics.borrow_watched().running_state {
                return error.to_string();
            }
            tokio::select! {
                // An error means that the watch ended because the node is stopping.
                Ok(()) = failure.changed() => {}
                changed = fatal.changed() => if changed.is_err() { return "the store is gone".to_owned() },
                // These metrics change with every entry: polling them costs less than being woken by each.
                () = tokio::time::sleep(RAFT_CHECK_INTERVAL) => {}
            }
        }
    }

    /// Stops within five seconds: hands leadership over, answers open requests, writes what is buffered, and logs what
    /// it had to cut off. Returns false when that takes too long, for example on a disk that hangs; the caller then
    /// ends the process as in a crash.
    pub fn stop(self) -> BoxFuture<'static, bool> {
        Box::pin(async move { tokio::time::timeout(STOP_TIMEOUT, self.stop_in_order()).await.is_ok() })
    }

    async fn stop_in_order(self) {
        // Clients that follow events move to another node meanwhile.
        let ((), sockets) = tokio::join!(self.hand_over(), self.api.drain());
        if sockets > 0 {
            tracing::warn!(sockets, "stopping: WebSockets that did not go by now are cut off");
        }
        self.stop_http.cancel();
        let _ = self.http.await;
        // Requests of peers are answered while Raft shuts down.
        self.stop.cancel();
        let _ = self.node.raft.shutdown().await;
        for task in self.tasks {
            let _ = task.await;
        }
        let store: StoreHandle = self.node.store.clone();
        drop((self.api, self.node));
        if tokio::time::timeout(CLOSE_TIMEOUT, store.released()).await.is_err() {
            tracing::warn!("the data folder is still in use at the end");
        }
    }

    async fn hand_over(&self) {
        if self.node.has_other_voters() && self.node.leader_id() == Some(self.node.id) {
            match tokio::time::timeout(HAND_OVER_TIMEOUT, self.node.transfer_leader(None)).await {
                Ok(Ok(_)) => tracing::info!("leadership handed over"),
                Ok(Err(why)) => tracing::warn!(?why, "leadership not handed over"),
                Err(_) => tracing::warn!("leadership not handed over in time"),
            }
        }
    }
}

/// The bound listeners. They are bound before anything else, so that a second node on the same ports leaves no traces.
struct Listeners {
    clients: TcpListener,
    peers: TcpListen,
    metrics: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
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
}

/// Makes a data folder that only its owner can read: it holds key hashes, tokens, and everybody's work.
fn make_folder(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Runs a task that the node cannot do without: a panic in it fails the node, which would otherwise run on without the
/// task.
fn watched(
    name: &'static str,
    fail: watch::Sender<Option<String>>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if tokio::spawn(work).await.is_err_and(|error| error.is_panic()) {
            let _ = fail.send(Some(format!("{name} panicked; the log says where")));
        }
    })
}

/// The names by which clients reach this node: the hosts of its addresses, and those of its settings.
fn own_names<const N: usize>(addrs: [&str; N], mut names: Vec<String>) -> Vec<String> {
    names.extend(addrs.iter().filter_map(|addr| Some(addr.rsplit_once(':')?.0.to_owned())));
    names
}

/// The address of a listener, if others can use it.
fn reachable(addr: std::net::SocketAddr, flag: &str) -> anyhow::Result<String> {
    anyhow::ensure!(
        !addr.ip().is_unspecified(),
        "listening on all addresses ({addr}) does not say where others reach this node: say so with {flag} HOST:PORT"
    );
    Ok(addr.to_string())
}

async fn form(raft: &Raft, outcome: BootstrapOutcome) -> anyhow::Result<()> {
    let Some(members) = outcome.form else { return Ok(()) };
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(error).context("cannot form the cluster"),
    }
}

/// Keeps the identity that peers see up to date: whether this node is a member, and of which cluster.
async fn learn_identity(
    node: Arc<Node>,
    known: watch::Sender<LocalIdentity>,
    mut stored: identity::StoredIdentity,
    stop: CancellationToken,
) {
    let mut published = node.store.published();
    loop {
        let (cluster, is_member) = {
            let now = published.borrow_and_update();
            let is_member = now.membership().membership().nodes().next().is_some();
            (now.state.origin().map(|origin| origin.cluster), is_member)
        };
        if cluster.is_some() && stored.cluster != cluster {
            stored.cluster = cluster;
            if let Err(error) = identity::save(&node.store, &stored).await {
                tracing::error!(%error, "cannot save the identity");
            }
        }
        known.send_if_modified(|known| {
            let is_new = known.cluster != stored.cluster || (is_member && !known.is_initialized);
            known.cluster = stored.cluster;
            known.is_initialized |= is_member;
            is_new
        });
        if stored.cluster.is_some() && is_member {
            return;
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
