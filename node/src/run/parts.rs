//! Puts the parts of a node together, each from those below it.

use super::sources::Sources;
use crate::{
    duties::{Duties, disk_space::SpaceAdmission, first_entry::FirstEntry, slow_disk::FlushWatch},
    integrity::{fencing::Fencing, judge::Judge, scrubber::Scrubber},
    leader::{
        client::LeaderClient, heartbeats::Heartbeats, keep_alives::KeepAlives, read_index::ReadIndexes,
        service::LeaderService, slots::Slots, writes::Writes,
    },
    membership::change::Membership,
    node::Node,
    peer::{PeerClient, secret::ClusterSecret},
    proposer::Proposer,
    raft::clock::Clock,
    serve::{cluster::NodeCluster, peer_requests::PeerRequests},
    tls::Certificates,
    watch::{
        backups::BackupWatch,
        cluster_clock::ClusterClock,
        disk::Disk,
        reports::{Reports, SelfDescription},
        scrubs::ScrubResults,
        timings::{self, Timings},
    },
};
use nexus_api::mint::Mint;
use nexus_api_types::cluster::NodePlace;
use nexus_domain::{ClusterId, RulesVersion};
use nexus_raft_store::NewHistory;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The parts that several others need.
pub(super) struct Parts {
    node: Node,
    peers: PeerClient,
    disk: Arc<Disk>,
    certificates: Arc<Certificates>,
    clock: Arc<dyn Clock>,
    mint: Arc<dyn Mint>,
    fencing: Arc<Fencing>,
    scrubs: Arc<ScrubResults>,
    pub(super) reports: Arc<Reports>,
    cluster_clock: Arc<ClusterClock>,
    proposer: Arc<Proposer>,
    pub(super) membership: Arc<Membership>,
    service: Arc<LeaderService>,
    leader: LeaderClient,
    heartbeats: Heartbeats,
    pub(super) reads: ReadIndexes,
}

impl Parts {
    /// Makes the parts of a node whose Raft runs.
    pub(super) fn new(
        node: Node,
        peers: PeerClient,
        disk: Arc<Disk>,
        certificates: Arc<Certificates>,
        (place, rules_up_to, backups): (NodePlace, Option<RulesVersion>, Arc<BackupWatch>),
        fencing: Arc<Fencing>,
        sources: Sources,
    ) -> Self {
        let Sources { clock, mint, .. } = sources;
        let scrubs = Arc::<ScrubResults>::default();
        let reports = Reports::new(
            node.clone(),
            peers.clone(),
            clock.clone(),
            disk.clone(),
            certificates.clone(),
            SelfDescription { place, rules_up_to, scrubs: scrubs.clone(), backups },
        );
        let reports = Arc::new(reports);
        let cluster_clock = Arc::new(ClusterClock::new(node.clone(), clock.clone(), reports.clone()));
        let timings = Arc::new(Timings::default());
        tokio::spawn(timings::count_elections(&node.raft, timings.clone()));
        let proposer = Arc::new(Proposer::new(node.clone(), cluster_clock.clone(), timings.clone()));
        let membership =
            Arc::new(Membership::new(node.clone(), peers.clone(), proposer.clone(), reports.clone()));
        let service = Arc::new(LeaderService {
            node: node.clone(),
            proposer: proposer.clone(),
            membership: membership.clone(),
            reports: reports.clone(),
        });
        let leader =
            LeaderClient { node: node.clone(), peers: peers.clone(), service: service.clone(), timings };
        let heartbeats = Heartbeats::start(leader.clone());
        let reads = ReadIndexes::start(leader.clone());
        Self {
            node,
            peers,
            disk,
            certificates,
            clock,
            mint,
            fencing,
            scrubs,
            reports,
            cluster_clock,
            proposer,
            membership,
            service,
            leader,
            heartbeats,
            reads,
        }
    }

    /// The service that answers peers.
    pub(super) fn peer_requests(&self) -> PeerRequests {
        PeerRequests {
            leader: self.service.clone(),
            heartbeats: self.heartbeats.clone(),
            reports: self.reports.clone(),
            clock: self.cluster_clock.clone(),
            fencing: self.fencing.clone(),
        }
    }

    /// The judge of this node's state.
    pub(super) fn judge(&self) -> Judge {
        Judge {
            node: self.node.clone(),
            peers: self.peers.clone(),
            clock: self.clock.clone(),
            fencing: self.fencing.clone(),
            differences: self.reports.differences(),
        }
    }

    /// The scrubber of this node's store.
    pub(super) fn scrubber(&self, interval: Duration) -> Scrubber {
        Scrubber {
            node: self.node.clone(),
            peers: self.peers.clone(),
            membership: self.membership.clone(),
            clock: self.clock.clone(),
            fencing: self.fencing.clone(),
            results: self.scrubs.clone(),
            interval,
        }
    }

    /// The watch that transfers the leadership when the disk is slow.
    pub(super) fn flush_watch(&self) -> FlushWatch {
        FlushWatch {
            node: self.node.clone(),
            disk: self.disk.clone(),
            membership: self.membership.clone(),
            reports: self.reports.clone(),
        }
    }

    /// The duties of a leader.
    pub(super) fn duties(&self, data_dir: PathBuf, new_history: Option<NewHistory>) -> Duties {
        let space = SpaceAdmission::new(
            self.node.clone(),
            self.disk.clone(),
            self.proposer.clone(),
            self.membership.clone(),
            self.reports.clone(),
        );
        Duties {
            node: self.node.clone(),
            peers: self.peers.clone(),
            clock: self.cluster_clock.clone(),
            proposer: self.proposer.clone(),
            membership: self.membership.clone(),
            reports: self.reports.clone(),
            space,
            first_entry: FirstEntry {
                data_dir,
                new_history,
                clock: self.clock.clone(),
                mint: self.mint.clone(),
                cluster: self.certificates.current().name().map(|name| ClusterId(name.cluster)),
            },
        }
    }

    /// The view of this node for the API. `starts` counts the starts of the node on its data folder.
    pub(super) fn cluster(self, secret: ClusterSecret, starts: u32) -> NodeCluster {
        let (node, clock, leader) = (self.node, self.clock, self.leader);
        let slots =
            Slots::new(node.id, starts, self.mint.id().as_u64_pair().1, node.timing.request_deadline());
        NodeCluster {
            writes: Writes { leader: leader.clone(), clock: clock.clone(), slots },
            reads: self.reads,
            leader,
            heartbeats: self.heartbeats,
            keep_alives: KeepAlives::default(),
            reports: self.reports,
            disk: self.disk,
            secret,
            clock,
            mint: self.mint,
            fencing: self.fencing,
        }
    }
}
