//! A fenced node: a process that listens, and says to clients, operators and other nodes why it serves no data. It has
//! no Raft and opens no database. It ends when it is to be rebuilt.

use super::{listeners::Listeners, service_manager::ServiceManager, sources::Sources};
use crate::{
    integrity::{folder_note::FolderNote, rebuild::Order},
    membership::secret,
    peer::{
        LocalIdentity, PeerServer, PeerService, RaftCell,
        details::NodeDetails,
        service::{ServiceRequest, ServiceResponse},
        tls::TlsListen,
    },
    serve::{
        client_tls::ClientTls,
        fenced::{FencedView, Remedy},
        http,
    },
    settings::config::Config,
    tls::Certificates,
    watch::build::build,
};
use futures::future::{BoxFuture, FutureExt};
use nexus_api_types::cluster::NodeFence;
use nexus_domain::{InstanceId, NodeId};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The tasks get this long to end. They hold nothing that could be lost.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the service manager hears of it: often enough for any watchdog.
const SIGN_OF_LIFE_INTERVAL: Duration = Duration::from_millis(500);

/// A running process of a fenced node.
pub struct FencedNode {
    summary: String,
    ordered: watch::Receiver<bool>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl FencedNode {
    /// Listens, and serves what a fenced node serves.
    pub(super) async fn start(config: Config, sources: Sources, fence: NodeFence) -> anyhow::Result<Self> {
        // It is fenced all the same, and a process that ended would be started again and again.
        let note = FolderNote::read(&config.data_dir).unwrap_or_else(|unreadable| {
            tracing::error!("{unreadable:#}");
            None
        });
        let listeners = Listeners::bind(&config).await?;
        let certificates = Arc::new(Certificates::read(config.tls.clone())?);
        let instance = note.as_ref().map_or(InstanceId(Uuid::nil()), |note| note.instance);
        let own = listeners.own_member(&config, instance)?;
        let node = note.as_ref().map_or(NodeId(config.own_initial_id().unwrap_or(0)), |note| note.node);
        let remedy =
            note.as_ref().map_or(Remedy::JoinAnew, |note| Remedy::with_others(!note.others.is_empty()));
        let (ordered, order) = watch::channel(false);
        let stop = CancellationToken::new();

        let view = FencedView::new(node, &own.client_addr, &fence, remedy);
        let summary = format!("Node {node} is FENCED and serves no data: {}", fence.reason);
        tracing::error!("{summary}. {}", view.remedy());
        let (_, router) = watch::channel(view.router());
        let tls = ClientTls { certificates: certificates.clone(), plain: config.plain_clients };
        let most = config.max_connections as usize;
        let mut tasks = vec![tokio::spawn(certificates.clone().follow(sources.reload.clone(), stop.clone()))];
        if let Some(clients) = listeners.clients {
            let served = http::serve(clients, router.clone(), most, Some(tls), stop.clone());
            tasks.push(tokio::spawn(served));
        }
        if let Some(monitors) = listeners.metrics {
            let monitored = http::serve(monitors, router, http::MAX_MONITORS, None, stop.clone());
            tasks.push(tokio::spawn(monitored));
        }
        // Without the note, it cannot prove to others which node it is.
        if let Some(note) = note {
            let service = FencedService {
                data_dir: config.data_dir.clone(),
                details: NodeDetails {
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    certificates: certificates.current().shown().clone(),
                    place: config.place.clone(),
                    build: Some(build(config.rules_up_to)),
                    fenced: Some(fence.clone()),
                    ..NodeDetails::default()
                },
                ordered,
            };
            let identity = LocalIdentity {
                cluster: note.cluster,
                node: Some(note.node),
                secret: secret::at_start(&config, &*sources.mint)?,
                is_initialized: true,
                ..LocalIdentity::new(instance, own.client_addr.clone())
            };
            let (_, identity) = watch::channel(identity);
            let server = PeerServer { identity, raft: RaftCell::default(), service: Arc::new(service) };
            let plain = config.plain_peers;
            let listen = TlsListen { below: listeners.peers, certificates, plain };
            tasks.push(tokio::spawn(server.run(listen, stop.clone())));
        }
        Ok(Self { summary, ordered: order, stop, tasks })
    }

    /// Waits until another node has ordered that this one is rebuilt. The order is written by then.
    pub async fn rebuild_is_ordered(&self) {
        if self.ordered.clone().wait_for(|ordered| *ordered).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Reports to a service manager for as long as the process runs; never returns. A fenced node is as ready as it
    /// gets, and no restart helps.
    pub async fn report_to(&self, manager: &ServiceManager) {
        manager.ready(&self.summary);
        loop {
            manager.alive();
            tokio::time::sleep(SIGN_OF_LIFE_INTERVAL).await;
        }
    }

    /// Stops listening, and ends all tasks.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = timeout(STOP_TIMEOUT, task).await;
        }
    }
}

/// Answers the other nodes.
struct FencedService {
    data_dir: PathBuf,
    details: NodeDetails,
    ordered: watch::Sender<bool>,
}

impl PeerService for FencedService {
    fn serve(&self, from: Option<NodeId>, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        async move {
            match request {
                ServiceRequest::Details => ServiceResponse::Details(self.details.to_text()),
                ServiceRequest::Rebuild { .. } if from.is_some() => match Order::give(&self.data_dir) {
                    Ok(order) => {
                        let kept_in = order.kept_in(&self.data_dir).display().to_string();
                        self.ordered.send_replace(true);
                        ServiceResponse::Rebuilding { kept_in }
                    }
                    Err(error) => ServiceResponse::Unavailable { reason: format!("{error:#}") },
                },
                ServiceRequest::ReadIndex
                | ServiceRequest::Propose { .. }
                | ServiceRequest::Heartbeats { .. }
                | ServiceRequest::Membership(_)
                | ServiceRequest::WhoIs { .. }
                | ServiceRequest::Status
                | ServiceRequest::Report
                | ServiceRequest::ClusterTime(_)
                | ServiceRequest::HashAt { .. }
                | ServiceRequest::MayFence { .. }
                | ServiceRequest::Drain { .. }
                | ServiceRequest::Rebuild { .. } => {
                    ServiceResponse::Unavailable { reason: "this node is fenced".to_owned() }
                }
            }
        }
        .boxed()
    }
}
