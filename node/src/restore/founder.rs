//! The node that begins a new history: ids that nobody has used, a new secret, and a first log index above every one
//! that the former cluster can have reached.

use super::account::{quoted, say};
use crate::{
    membership::identity::{self, StoredIdentity},
    peer::secret::{CLUSTER_SECRET_FILE, ClusterSecret},
    raft::clock::Clock,
};
use anyhow::{Context, bail, ensure};
use nexus_api::mint::Mint;
use nexus_domain::{ClusterId, InstanceId, NodeId, Revision, State, WallTime};
use nexus_raft_store::{Founder, Inspection, Member, PRUNE_EVERY, Published, inspect_folder, storage::Rocks};
use std::{fs, io::ErrorKind, os::unix::fs::MetadataExt as _, path::Path};

/// Bits of the entries in a second. On average since 1970, a log has fewer than 2^20 entries each second: so a history
/// that begins at the present second times 2^20 lies above all earlier ones.
const ENTRY_BITS_OF_SECOND: u32 = 20;
/// Every client's JSON represents smaller numbers exactly. This leaves room for thousands of years of writes.
const MAX_FIRST: u64 = 1 << 52;
/// The highest index that an operator may give. A later restore, which begins above all that this one reaches, needs as
/// much room again.
const MAX_ABOVE: u64 = 1 << 51;

/// The operator's choices for the new cluster.
#[derive(Clone, Debug)]
pub struct NewCluster {
    /// The id of the cluster, which none had before; a random one if it is not given.
    pub cluster: Option<ClusterId>,
    /// The first log index is above this one, at most [`MAX_ABOVE`].
    pub above: Option<u64>,
    /// The address for other nodes, `host:port`.
    pub peer_addr: String,
    /// The address for clients, `host:port`.
    pub client_addr: String,
}

impl NewCluster {
    /// Checks the choices against the id of the former cluster.
    ///
    /// # Errors
    /// When the id is that one or none at all, or the log index is too high.
    pub(super) fn check(&self, former: ClusterId) -> anyhow::Result<()> {
        if let Some(cluster) = self.cluster {
            ensure!(
                cluster != former,
                "--new-cluster-id {cluster} is the id of the former cluster, whose nodes would come back to \
                 the new one: give an id that no cluster has had, or leave --new-cluster-id out for a random one"
            );
            ensure!(
                !cluster.0.is_nil(),
                "--new-cluster-id {cluster} names no cluster: give another id, or leave --new-cluster-id out \
                 for a random one"
            );
        }
        let above = self.above.unwrap_or(0);
        ensure!(
            above <= MAX_ABOVE,
            "--above {above} is too high: give at most {MAX_ABOVE}, so that a later restore has room above it"
        );
        Ok(())
    }
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
    /// The plan for what follows the history of a former cluster, whose last revision was reached at a time.
    ///
    /// # Errors
    /// When the choices are [refused](NewCluster::check), or the clock is earlier than that time and no index that the
    /// operator gave makes up for it.
    pub(super) fn new(
        new: &NewCluster,
        former: ClusterId,
        (revision, at): (Revision, WallTime),
        highest_node: NodeId,
        clock: &dyn Clock,
        mint: &dyn Mint,
    ) -> anyhow::Result<Self> {
        new.check(former)?;
        let above = new.above.unwrap_or(0);
        let now = clock.wall();
        let seconds = u64::try_from(now.0 / 1_000).unwrap_or(0);
        // A gap of one index at least, which a reset of the history is recognised by.
        let least = (revision.0 + 2).max(seconds << ENTRY_BITS_OF_SECOND);
        // A lower index changes nothing, so that it says nothing about the clock either.
        ensure!(
            above >= least || now >= at,
            "the clock of this machine is behind the data, which was written at {}: set it, or give a log index above \
             every one that anybody saw, and well above {least}, with --above N",
            nexus_api_types::Moment(at)
        );
        let least = least.max(above + 1);
        // The store prunes events at multiples of an index. The entries before `BeginHistory` must be none of them,
        // since the state does not know yet that indexes were skipped.
        let first = least.checked_next_multiple_of(PRUNE_EVERY).map_or(u64::MAX, |multiple| multiple + 1);
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
    check_is_data_folder(folder)?;
    read_beside(folder, |text_log| inspect_folder(folder, text_log))
}

/// Opens a data folder, and writes nothing into it.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open_to_read(folder: &Path) -> anyhow::Result<Rocks> {
    read_beside(folder, |text_log| Rocks::open_to_read(folder, text_log))
}

/// Reads a data folder. RocksDB's own log gets a place elsewhere, which is removed at once.
fn read_beside<T>(
    folder: &Path,
    read: impl FnOnce(&Path) -> Result<T, nexus_raft_store::StoreError>,
) -> anyhow::Result<T> {
    let text_log = std::env::temp_dir().join(format!("nexusd-inspect-{}", std::process::id()));
    let found = read(&text_log);
    let _ = fs::remove_dir_all(&text_log);
    found.with_context(|| format!("{} cannot be read", folder.display()))
}

/// Checks that this user can list a folder that has a database.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn check_is_data_folder(folder: &Path) -> anyhow::Result<()> {
    match fs::read_dir(folder.join("db")) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            bail!("{} is no data folder of nexusd: it has no db", folder.display())
        }
        Err(error) => Err(unreadable(folder, error)),
    }
}

/// The error of a folder that cannot be listed.
pub(super) fn unreadable(folder: &Path, error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::PermissionDenied {
        return anyhow::anyhow!(
            "{} cannot be read by this user: run this as the user that nexusd runs as, or as root",
            folder.display()
        );
    }
    anyhow::Error::from(error).context(format!("{} cannot be read", folder.display()))
}

/// Prints what to do next.
pub(super) fn print_next(data_dir: &Path, plan: &Plan) {
    let Member { peer_addr, client_addr, .. } = &plan.member;
    say!("Next:");
    say!("  nexusd start --data-dir {} \\", quoted(data_dir));
    say!("      --listen {client_addr} --peer-listen {peer_addr}");
    say!("  nexus cluster join-token        # then start each further node with an empty folder and --join");
    say!(
        "Listening elsewhere, such as on 0.0.0.0, add --advertise {client_addr} --peer-advertise {peer_addr}."
    );
    say!(
        "With TLS, the nodes need certificates that name cluster {}, and this one node {}.",
        plan.cluster,
        plan.node
    );
    say!(
        "The cluster has a new secret. If its nodes are configured with --cluster-secret-file or its variable, leave that \
         out, or put the new one from {} into that file.",
        data_dir.join(CLUSTER_SECRET_FILE).display()
    );
    if fs::metadata(data_dir).is_ok_and(|found| found.uid() == 0) {
        say!(
            "The folder belongs to root. If nexusd runs as another user, type chown -R USER {}",
            quoted(data_dir)
        );
    }
    say!("Nodes of the former cluster stay out: empty their folders before they join this one.");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::raft::clock::SystemClock;
    use nexus_api::mint::SystemMint;
    use uuid::Uuid;

    const FORMER: ClusterId = ClusterId(Uuid::from_u128(1));

    fn plan(revision: u64, at: i64, above: Option<u64>) -> anyhow::Result<Plan> {
        plan_of(None, revision, at, above)
    }

    fn plan_of(
        cluster: Option<ClusterId>,
        revision: u64,
        at: i64,
        above: Option<u64>,
    ) -> anyhow::Result<Plan> {
        let new = NewCluster { cluster, above, peer_addr: "a:1".into(), client_addr: "a:2".into() };
        Plan::new(&new, FORMER, (Revision(revision), WallTime(at)), NodeId(3), &SystemClock, &SystemMint)
    }

    #[test]
    fn a_new_cluster_has_an_id_of_its_own() {
        let refused = |cluster| plan_of(Some(ClusterId(cluster)), 1_000, 0, None).unwrap_err().to_string();
        assert!(refused(FORMER.0).contains("is the id of the former cluster"));
        assert!(refused(Uuid::nil()).contains("names no cluster"));
        let other = ClusterId(Uuid::from_u128(2));
        assert_eq!(plan_of(Some(other), 1_000, 0, None).unwrap().cluster, other);
    }

    #[test]
    fn a_folder_without_a_database_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_is_data_folder(folder.path()).unwrap_err().to_string().contains("it has no db"));
        let denied = unreadable(folder.path(), ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("cannot be read by this user"));
        fs::create_dir(folder.path().join("db")).unwrap();
        check_is_data_folder(folder.path()).unwrap();
    }

    #[test]
    fn a_history_begins_above_all_that_anybody_saw() {
        let first = plan(1_000, 0, None).unwrap();
        assert_eq!(first.node, NodeId(4));
        assert!(first.first.0 > 1_700_000_000 << 20, "a million indexes for each second since 1970");
        // A restore of the same backup a second later lies above everything that the first one can reach until then.
        assert!(plan(first.first.0 + 900_000, 0, None).unwrap().first >= first.first);
        assert_eq!(plan(1_000, 0, Some(1 << 51)).unwrap().first, Revision((1 << 51) + PRUNE_EVERY + 1));
        assert_eq!(first.first.0 % PRUNE_EVERY, 1);
        for above in [(1 << 51) + 1, u64::MAX] {
            assert!(plan(1_000, 0, Some(above)).unwrap_err().to_string().contains("is too high"));
        }
        // A lower index than the usual one changes neither the first index nor what the clock is checked for.
        assert!(plan(1_000, 0, Some(7)).unwrap().first >= first.first);
        assert!(plan(1_000, i64::MAX, Some(7)).unwrap_err().to_string().contains("--above"));
        assert!(plan(1_000, i64::MAX, None).unwrap_err().to_string().contains("--above"));
        assert!(plan(1_000, i64::MAX, Some(1 << 51)).is_ok());
    }
}
