//! The node that begins a new history: ids that nobody has used, a new secret, and a first log index above every one
//! that the former cluster can have reached.

use crate::{
    membership::identity::{self, StoredIdentity},
    peer::secret::ClusterSecret,
    raft::clock::Clock,
};
use anyhow::{Context, ensure};
use nexus_api::mint::Mint;
use nexus_domain::{ClusterId, InstanceId, NodeId, Revision, State, WallTime};
use nexus_raft_store::{Founder, Inspection, Member, Published, inspect_folder};
use std::path::Path;

/// A log index grows by less than this each second, on average since 1970: so a history that begins at the present
/// second times this lies above all earlier ones.
const INDEXES_OF_SECOND: u32 = 20;
/// The distance of the indexes at which the store prunes events.
const PRUNING: u64 = 1 << 10;
/// Every client's JSON represents smaller numbers exactly. This leaves room for thousands of years of writes.
const MAX_FIRST: u64 = 1 << 52;

/// The operator's choices for the new cluster.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// The id of the cluster; a random one if it is not given.
    pub cluster: Option<ClusterId>,
    /// The first log index is above this one.
    pub above: Option<u64>,
    /// The address for other nodes, `host:port`.
    pub peer_addr: String,
    /// The address for clients, `host:port`.
    pub client_addr: String,
}

/// The ids of a new cluster and its first node.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) cluster: ClusterId,
    pub(super) node: NodeId,
    pub(super) first: Revision,
    instance: InstanceId,
    member: Member,
}

impl Plan {
    /// The plan for what follows a revision that was reached at a time.
    ///
    /// # Errors
    /// When the clock is earlier than that time, and the operator gave no index.
    pub(super) fn new(
        new: &NewCluster,
        (revision, at): (Revision, WallTime),
        highest_node: NodeId,
        clock: &dyn Clock,
        mint: &dyn Mint,
    ) -> anyhow::Result<Self> {
        let now = clock.wall();
        ensure!(
            new.above.is_some() || now >= at,
            "the clock of this machine is behind the data, which was written at {}: set it, or give a log index above \
             every one that anybody saw with --above N",
            nexus_api_types::Moment(at)
        );
        let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0);
        // A gap of one index at least, which a reset of the history is recognised by.
        let least = (revision.0 + 2).max(seconds << INDEXES_OF_SECOND);
        let least = least.max(new.above.map_or(0, |above| above.saturating_add(1)));
        // The store prunes events at multiples of an index. The entries before `BeginHistory` must be none of them,
        // since the state does not know yet that indexes were skipped.
        let first = least.checked_next_multiple_of(PRUNING).map_or(u64::MAX, |multiple| multiple + 1);
        ensure!(first <= MAX_FIRST, "the first log index would be {first}; at most {MAX_FIRST} is possible");
        let instance = InstanceId(mint.id());
        let member =
            Member { peer_addr: new.peer_addr.clone(), client_addr: new.client_addr.clone(), instance };
        Ok(Self {
            cluster: new.cluster.unwrap_or_else(|| ClusterId(mint.id())),
            node: NodeId(highest_node.0 + 1),
            first: Revision(first),
            instance,
            member,
        })
    }

    /// The founder for the store.
    pub(super) fn founder(&self) -> anyhow::Result<Founder> {
        let stored = StoredIdentity {
            instance: self.instance,
            node: Some(self.node),
            cluster: Some(self.cluster),
            starts: 0,
        };
        Ok(Founder {
            cluster: self.cluster,
            first: self.first,
            node: self.node.0,
            member: self.member.clone(),
            identity: identity::encode(&stored)?,
        })
    }
}

/// The highest node id that a state knows.
pub(super) fn highest_node(state: &State) -> NodeId {
    state.nodes().last().map_or(NodeId(0), |node| node.id)
}

/// Completes a folder that the store has built: gives it a new secret, and checks by reading it anew that it has this
/// state.
///
/// # Errors
/// When the folder cannot be written or read, or has another state.
pub(super) fn complete(folder: &Path, built: &Published, mint: &dyn Mint) -> anyhow::Result<()> {
    ClusterSecret::fresh(mint).store(folder)?;
    let found = inspect(folder)?;
    let state = found.state.as_ref();
    ensure!(
        found.damage.is_empty() && !found.is_unfinished && found.quarantined.is_none(),
        "what was written cannot be read back: {}",
        found.damage.join("; ")
    );
    ensure!(
        state.is_some_and(|state| **state == *built),
        "what was written is not what is read back; the disk cannot be relied on"
    );
    Ok(())
}

/// Inspects a data folder, with a place for RocksDB's own log that is removed again.
///
/// # Errors
/// When there is no data folder, or it cannot be opened at all.
pub(super) fn inspect(folder: &Path) -> anyhow::Result<Inspection> {
    ensure!(folder.join("db").is_dir(), "{} is no data folder of nexusd: it has no db", folder.display());
    let text_log = std::env::temp_dir().join(format!("nexusd-inspect-{}", std::process::id()));
    let found = inspect_folder(folder, &text_log);
    let _ = std::fs::remove_dir_all(&text_log);
    found.with_context(|| format!("{} cannot be read", folder.display()))
}

/// Prints what to do next.
pub(super) fn print_next(data_dir: &Path, plan: &Plan) {
    let Member { peer_addr, client_addr, .. } = &plan.member;
    println!("Next:");
    println!("  nexusd start --data-dir {} \\", data_dir.display());
    println!("      --listen {client_addr} --peer-listen {peer_addr}");
    println!(
        "  nexus cluster join-token        # then start each further node with an empty folder and --join"
    );
    println!(
        "Listening elsewhere, such as on 0.0.0.0, add --advertise {client_addr} --peer-advertise {peer_addr}."
    );
    println!(
        "With TLS, the nodes need certificates that name cluster {}, and this one node {}.",
        plan.cluster, plan.node
    );
    println!("Nodes of the former cluster stay out: empty their folders before they join this one.");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::raft::clock::SystemClock;
    use nexus_api::mint::SystemMint;

    fn plan(revision: u64, at: i64, above: Option<u64>) -> anyhow::Result<Plan> {
        let new = NewCluster { cluster: None, above, peer_addr: "a:1".into(), client_addr: "a:2".into() };
        Plan::new(&new, (Revision(revision), WallTime(at)), NodeId(3), &SystemClock, &SystemMint)
    }

    #[test]
    fn a_history_begins_above_all_that_anybody_saw() {
        let first = plan(1_000, 0, None).unwrap();
        assert_eq!(first.node, NodeId(4));
        assert!(first.first.0 > 1_700_000_000 << 20, "a million indexes for each second since 1970");
        // A restore of the same backup a second later lies above everything that the first one can reach until then.
        assert!(plan(first.first.0 + 900_000, 0, None).unwrap().first >= first.first);
        assert_eq!(plan(1_000, 0, Some(1 << 51)).unwrap().first, Revision((1 << 51) + PRUNING + 1));
        assert_eq!(first.first.0 % PRUNING, 1);
        assert!(plan(1_000, 0, Some(u64::MAX - 1)).is_err());
        assert!(plan(1_000, i64::MAX, None).unwrap_err().to_string().contains("--above"));
        assert!(plan(1_000, i64::MAX, Some(1 << 51)).is_ok());
    }
}
