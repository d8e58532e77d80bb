//! Starts a node: opens its store, finds out who it is, starts Raft, and serves clients and peers.

use super::{
    certificate_name::{check_name, lineage},
    known_identity,
    listeners::Listeners,
    parts::Parts,
    running::{RunningNode, ServedClients},
    sources::Sources,
};
use crate::{
    duties::{first_entry, scheduled_backups::ScheduledBackups},
    integrity::{
        fence,
        fencing::Fencing,
        folder_note,
        rebuild::{self, Order},
    },
    membership::{
        bootstrap::{Bootstrap, FormerNode},
        identity::{self, StoredIdentity},
        secret, token,
    },
    node::Node,
    peer::{
        LocalIdentity, LocalRaft, PeerClient, PeerNetworkFactory, PeerServer, RaftCell,
        secret::ClusterSecret,
        tls::{TlsDial, TlsListen},
        wire::Listen,
    },
    raft::setup::{Raft, Timing},
    restore,
    serve::{client_tls::ClientTls, http, peer_requests::NodeService},
    settings::{config::Config, origin::Origin, values::is_loopback},
    tls::Certificates,
    watch::{
        backups::BackupWatch,
        disk::{self, Disk},
    },
};
use anyhow::Context;
use axum::Router;
use futures::future::BoxFuture;
use nexus_api::{Api, ApiConfig};
use nexus_domain::{InstanceId, NodeId};
use nexus_raft_store::{LogStore, Member, NewHistory, StateMachine, StoreHandle, open_folder};
use openraft::errors::{InitializeError, RaftError};
use std::{collections::BTreeMap, fs, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The log, state machine and handle of an open store.
pub type Opened = (LogStore, StateMachine, StoreHandle);

/// A node that is starting. Boxed, so that its code is compiled here and not again in each program and test that awaits
/// it, which would take a minute each.
pub type Starting = BoxFuture<'static, anyhow::Result<RunningNode>>;

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
        restore::check_is_in_place(&config.data_dir)?;
        let is_rebuilt = rebuild::is_ordered(&config.data_dir)?;
        anyhow::ensure!(
            config.origin != Origin::Remembered || is_rebuilt || config.data_dir.join("db").exists(),
            "the data folder {} is new and nothing says where this node belongs: give --initial-cluster and \
             --node-id for a new cluster, or --join and --join-token for one that runs",
            config.data_dir.display()
        );
        let listeners = Listeners::bind(&config).await?;
        make_folder(&config.data_dir)
            .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
        let order = rebuild::move_data_away(&config.data_dir)?;
        let opened = open_folder(&config.data_dir)
            .await
            .with_context(|| format!("cannot open the data folder {}", config.data_dir.display()))?;
        Self::run(config, sources, listeners, (opened, order)).await
    }

    /// Starts a node on a store that was opened elsewhere, such as one on a disk that fails on demand. The data folder
    /// has to exist.
    ///
    /// # Errors
    /// The errors of [`Self::start`].
    pub fn start_on(config: Config, sources: Sources, opened: Opened) -> Starting {
        Box::pin(async move {
            let listeners = Listeners::bind(&config).await?;
            Self::run(config, sources, listeners, (opened, None)).await
        })
    }

    /// Starts a node of a simulation, on a store and a network of its own. Its clients ask [`Self::cluster`]. The data
    /// folder has to exist, and the settings say where others reach the node. If it has an order to rebuild the node,
    /// the store has to be an empty one.
    ///
    /// # Errors
    /// The errors of [`Self::start`], or that the folder is fenced.
    pub fn start_simulated(
        config: Config,
        sources: Sources,
        opened: Opened,
        peers: Box<dyn Listen>,
    ) -> Starting {
        Box::pin(async move {
            let fence = fence::read(&config.data_dir)?;
            let is_rebuilt = rebuild::is_ordered(&config.data_dir)?;
            if let Some(fence) = fence.filter(|_| !is_rebuilt) {
                anyhow::bail!("it is fenced: {}", fence.reason);
            }
            let order = rebuild::move_data_away(&config.data_dir)?;
            Self::run(config, sources, Listeners::for_peers(peers), (opened, order)).await
        })
    }

    async fn run(
        config: Config,
        sources: Sources,
        listeners: Listeners,
        ((log, machine, store), order): (Opened, Option<Order>),
    ) -> anyhow::Result<Self> {
        let disk = Disk::open(&config.data_dir, config.disk_reserve, sources.space.clone())
            .with_context(|| format!("cannot see how much space is free in {}", config.data_dir.display()))?;
        let certificates = Arc::new(Certificates::read(config.tls.clone())?);
        let secret = secret::at_start(&config, &*sources.mint)?;
        let stored = identity::load_or_make(&store, InstanceId(sources.mint.id())).await?;
        if let Some(name) = certificates.current().name() {
            check_name(name, &config.origin, stored.cluster)?;
        }
        let own = listeners.own_member(&config, stored.instance)?;
        let new_history = store.new_history().await?;
        check_own_addr(&store, new_history, &own)?;
        let known = LocalIdentity {
            cluster: stored.cluster,
            node: stored.node,
            is_initialized: has_membership(&store),
            secret: secret.clone(),
            lineage: lineage(store.clone()),
            ..LocalIdentity::new(stored.instance, own.client_addr.clone())
        };
        let listening = Listening::start(&config, listeners, known, &sources, certificates);
        let bootstrap = Bootstrap {
            peers: &listening.peers,
            identity: stored,
            own,
            has_membership: has_membership(&store),
            replaces: order
                .map(|order| FormerNode { id: order.former, others: order.others.into_values().collect() }),
            join_client: sources.join_client.clone(),
        };
        let identified = listening.identify(&config, bootstrap, secret, &store).await?;
        rebuild::is_done(&config.data_dir)?;
        let raft = listening.start_raft(&config.timing, &identified, log, machine, &store).await?;
        let node = Node::new(raft, store, config.timing);
        Ok(listening.serve(config, sources, identified, node, (Arc::new(disk), new_history)))
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

/// A node that listens, and serves clients and peers as far as that is possible without Raft.
struct Listening {
    client_addr: String,
    /// The identity that peers see.
    known: watch::Sender<LocalIdentity>,
    /// Answers clients; until the node runs, with the news that it starts.
    router: watch::Sender<Router>,
    metrics: Option<TcpListener>,
    /// Answers peers, once Raft runs and once the node does.
    raft: RaftCell,
    service: NodeService,
    peers: PeerClient,
    certificates: Arc<Certificates>,
    http: Option<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    stop_http: CancellationToken,
}

/// The place of a node in its cluster.
struct Identified {
    stored: StoredIdentity,
    node: NodeId,
    secret: ClusterSecret,
    /// The first members, if this node has to form the cluster.
    form: Option<BTreeMap<u64, Member>>,
}

impl Listening {
    fn start(
        config: &Config,
        listeners: Listeners,
        known: LocalIdentity,
        sources: &Sources,
        certificates: Arc<Certificates>,
    ) -> Self {
        let Listeners { clients, peers, metrics, .. } = listeners;
        let (stop, stop_http) = (CancellationToken::new(), CancellationToken::new());
        let (router, current) = watch::channel(http::starting());
        let most = config.max_connections as usize;
        let tls = ClientTls { certificates: certificates.clone(), plain: config.plain_clients };
        let http = clients
            .map(|clients| tokio::spawn(http::serve(clients, current, most, Some(tls), stop_http.clone())));
        let client_addr = known.client_addr.clone();
        let known = watch::Sender::new(known);
        let (raft, service) = (RaftCell::default(), NodeService::default());
        let server = PeerServer {
            identity: known.subscribe(),
            raft: raft.clone(),
            service: Arc::new(service.clone()),
        };
        let plain = config.plain_peers;
        let listen = TlsListen { below: peers, certificates: certificates.clone(), plain };
        let dial = TlsDial { below: sources.dial.clone(), certificates: certificates.clone(), plain };
        let tasks = vec![
            tokio::spawn(server.run(listen, stop.clone())),
            tokio::spawn(certificates.clone().follow(sources.reload.clone(), stop.clone())),
        ];
        let peers = PeerClient::new(dial, known.subscribe());
        Self {
            client_addr,
            known,
            router,
            metrics,
            raft,
            service,
            peers,
            certificates,
            http,
            tasks,
            stop,
            stop_http,
        }
    }

    /// Finds out which member of which cluster this node is. Waits for other nodes where it has to.
    async fn identify(
        &self,
        config: &Config,
        bootstrap: Bootstrap<'_>,
        secret: Option<ClusterSecret>,
        store: &StoreHandle,
    ) -> anyhow::Result<Identified> {
        let mut stored = bootstrap.identity;
        // It keeps the certificate of the node whose place it takes.
        let comes_back = bootstrap.replaces.is_some();
        let outcome = bootstrap.run(&config.origin, config.join_ca.as_deref()).await?;
        if let Some(named) = self.certificates.current().name().and_then(|name| name.node)
            && matches!(config.origin, Origin::Join { .. })
            && named != outcome.node.0
            && stored.node.is_none()
            && !comes_back
        {
            anyhow::bail!(
                "the cluster gave this node the id {0}, and its certificate is for node {named}. Issue one with nexus \
                 cluster certs issue --node {0}, or --joining for a node whose id is not known yet, and start again",
                outcome.node
            );
        }
        stored.node = Some(outcome.node);
        self.certificates.belong_to(outcome.node.0);
        stored.cluster = stored.cluster.or(outcome.cluster);
        // The operator's secret takes precedence over that of the join: secrets are changed by hand.
        let secret = secret.or(outcome.secret).context("the cluster let this node in without a secret")?;
        // Before the identity is saved: a node that has joined is not sent the secret again.
        secret.store(&config.data_dir)?;
        identity::save(store, &stored).await?;
        self.known.send_modify(|known| {
            known.node = stored.node;
            known.cluster = stored.cluster;
            known.secret = Some(secret.clone());
        });
        Ok(Identified { stored, secret, form: outcome.form, node: outcome.node })
    }

    /// Starts Raft, and forms the cluster if this node has to.
    async fn start_raft(
        &self,
        timing: &Timing,
        identified: &Identified,
        log: LogStore,
        machine: StateMachine,
        store: &StoreHandle,
    ) -> anyhow::Result<Raft> {
        let network = PeerNetworkFactory::new(self.peers.clone());
        let raft = Raft::new(identified.node.0, timing.config()?, network, log, machine);
        let raft = raft.await.context("cannot start Raft")?;
        self.raft.set(LocalRaft { raft: raft.clone(), store: store.clone() });
        if let Some(members) = identified.form.clone() {
            form(&raft, members).await?;
        }
        // A membership in the log is enough: the others wait for this node to start, and without them nothing commits.
        let is_initialized = raft.is_initialized().await.context("Raft stopped at once")?;
        self.known.send_modify(|known| known.is_initialized |= is_initialized);
        Ok(raft)
    }

    /// Starts the tasks of a node whose Raft runs, and serves clients and peers.
    fn serve(
        self,
        config: Config,
        sources: Sources,
        identified: Identified,
        node: Node,
        (disk, new_history): (Arc<Disk>, Option<NewHistory>),
    ) -> RunningNode {
        let Identified { stored, secret, .. } = identified;
        let (mint, stop, mut tasks) = (sources.mint.clone(), self.stop, self.tasks);
        let backups = config.backups.as_ref();
        let backups = Arc::new(backups.map_or_else(BackupWatch::default, |schedule| {
            BackupWatch::new(schedule.to.to_string(), schedule.every)
        }));
        let fencing = Arc::new(Fencing::new(config.data_dir.clone()));
        let parts = Parts::new(
            node.clone(),
            self.peers,
            disk.clone(),
            self.certificates,
            (config.place.clone(), config.rules_up_to, backups.clone()),
            fencing.clone(),
            sources,
        );
        self.service.begin(parts.peer_requests());
        let (fail, failure) = watch::channel(None);
        let flushes = parts.flush_watch().run(fail.clone(), stop.clone());
        tasks.push(watched("watching the disk", fail.clone(), flushes));
        tasks.push(watched(
            "leading",
            fail,
            parts.duties(config.data_dir.clone(), new_history).run(stop.clone()),
        ));
        let store = &node.store;
        if let Some(schedule) = config.backups.clone() {
            let backups = ScheduledBackups {
                schedule,
                node: node.clone(),
                reads: parts.reads.clone(),
                disk: disk.clone(),
                reports: parts.reports.clone(),
                watch: backups,
                data_dir: config.data_dir.clone(),
            };
            tasks.push(tokio::spawn(backups.run(stop.clone())));
        }
        tasks.push(tokio::spawn(disk::watch(disk, store.clone(), stop.clone())));
        tasks.push(tokio::spawn(parts.reports.clone().collect(stop.clone())));
        tasks.push(tokio::spawn(parts.judge().run(stop.clone())));
        if let Some(interval) = config.scrub_interval {
            tasks.push(tokio::spawn(parts.scrubber(interval).run(stop.clone())));
        }
        let own = (node.id, stored.instance);
        tasks.push(tokio::spawn(folder_note::keep(
            config.data_dir.clone(),
            own,
            store.clone(),
            stop.clone(),
        )));
        let token = token::remove_when_used(config.data_dir.clone(), store.clone(), stop.clone());
        tasks.push(tokio::spawn(token));
        tasks.push(tokio::spawn(known_identity::keep(store.clone(), self.known, stored, stop.clone())));

        let membership = parts.membership.clone();
        let cluster = Arc::new(parts.cluster(secret, stored.starts));
        let clients = self.http.map(|http| {
            let api = Api::new(cluster.clone(), mint, api_config(config, &self.client_addr));
            let served: Router = nexus_api::router(api.clone());
            match new_history {
                None => {
                    let _starting = self.router.send_replace(served);
                }
                // Nobody may act on the former history.
                Some(history) => {
                    let (store, router, stop) = (store.clone(), self.router.clone(), stop.clone());
                    tasks.push(tokio::spawn(async move {
                        if first_entry::has_begun(&store, history, &stop).await {
                            let _starting = router.send_replace(served);
                        }
                    }));
                }
            }
            if let Some(listener) = self.metrics {
                let (_, served) = watch::channel(nexus_api::monitoring(api.clone()));
                let monitored =
                    http::serve(listener, served, http::MAX_MONITORS, None, self.stop_http.clone());
                tasks.push(tokio::spawn(monitored));
            }
            ServedClients { api, http }
        });
        tracing::info!(node = %node.id, client_addr = self.client_addr, "serving");
        RunningNode {
            node,
            cluster,
            membership,
            client_addr: self.client_addr,
            stop,
            stop_http: self.stop_http,
            failure,
            fencing,
            router: self.router,
            tasks,
            clients,
        }
    }
}

/// Checks that a node that begins a new history is reached where its folder says: others will look for it there.
fn check_own_addr(store: &StoreHandle, history: Option<NewHistory>, own: &Member) -> anyhow::Result<()> {
    let latest = store.latest();
    let begins = history
        .filter(|history| latest.state.origin().is_some_and(|origin| origin.cluster != history.cluster));
    let membership = latest.membership().membership();
    let Some((_, built_for)) = membership.nodes().next().filter(|_| begins.is_some()) else { return Ok(()) };
    anyhow::ensure!(
        (&built_for.peer_addr, &built_for.client_addr) == (&own.peer_addr, &own.client_addr),
        "this folder was restored for a node at {} (for clients at {}), and this one would be at {} (for clients at {}): \
         say so with --peer-advertise {} --advertise {}, or restore it again for other addresses",
        built_for.peer_addr,
        built_for.client_addr,
        own.peer_addr,
        own.client_addr,
        built_for.peer_addr,
        built_for.client_addr
    );
    Ok(())
}

/// Whether the log of a node holds a membership.
fn has_membership(store: &StoreHandle) -> bool {
    store.latest().membership().membership().nodes().next().is_some()
}

fn api_config(config: Config, client_addr: &str) -> ApiConfig {
    ApiConfig {
        open_metrics: is_loopback(&config.listen),
        allowed_hosts: own_names([client_addr, &config.listen], config.allowed_hosts),
        allowed_origins: config.allowed_origins,
        rate_limit: config.rate_limit,
        trust_proxy: config.trust_proxy,
        max_sockets: config.max_sockets,
        traces: config.traces.is_some(),
        ..ApiConfig::default()
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

/// Forms a cluster of these members, unless that has been done already.
async fn form(raft: &Raft, members: BTreeMap<u64, Member>) -> anyhow::Result<()> {
    match raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(error).context("cannot form the cluster"),
    }
}
