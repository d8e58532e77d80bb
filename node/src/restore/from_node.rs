//! `nexusd recover`: makes a cluster of one node from the data folder of a node whose cluster has lost its quorum for
//! good. What the others acknowledged and this node never received is lost.

use super::{
    account::say,
    folders::{NodeLock, Place, RECOVERING},
    founder::{self, NewCluster, Plan},
    inspection::{self, is_to_begin, shown},
};
use crate::{integrity::fence, raft::clock::Clock};
use anyhow::{Context, bail, ensure};
use nexus_api::mint::Mint;
use nexus_domain::{ClusterId, State};
use nexus_raft_store::{
    Inspection, inspect, recover,
    storage::{Rocks, Storage},
};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::Path,
    sync::Arc,
};

/// How the operator confirms a recovery.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The id of the cluster that is given up, typed out. Without it, a terminal is asked.
    pub cluster: Option<String>,
    /// Whether a node that has lost something that it had acknowledged is taken as well.
    pub accepts_quarantined: bool,
}

/// Recovers a data folder in place, and prints what may be lost before, and what to do next after. The former folder is
/// kept beside it. Blocks on the device.
///
/// # Errors
/// When a node runs on the folder, it is fenced or damaged, the operator does not confirm, or the device fails. Then
/// the folder is as it was.
pub fn run(
    data_dir: &Path,
    new: &NewCluster,
    confirmation: &Confirmation,
    (clock, mint): (&dyn Clock, &dyn Mint),
) -> anyhow::Result<()> {
    founder::check_is_data_folder(data_dir)?;
    let place = Place::take(data_dir)?;
    let data_dir = place.data_dir();
    // No node starts on the folder meanwhile. Nothing is written into it: it stays as it was, whoever runs this.
    let lock = NodeLock::take(data_dir)?;
    check_is_not_fenced(data_dir)?;
    let former = founder::open_to_read(data_dir)?;
    let found = inspect(&former, former.folder().as_ref());
    check(&found, confirmation)?;
    let state = found.state.as_ref().context("the state cannot be read")?;
    let cluster = state.state.origin().context("this node has never been part of a cluster")?.cluster;
    new.check(cluster)?;
    print_account(&found, &state.state, cluster);
    confirm(cluster, confirmation)?;
    place.clean_up()?;

    let building = place.begin(RECOVERING, mint)?;
    let mut planned = None;
    let built = {
        let storage: Arc<dyn Storage> = Arc::new(Rocks::open(building.path())?);
        let named = |published: &nexus_raft_store::Published| {
            let reached = (published.revision(), published.state.clock().wall);
            let plan =
                Plan::new(new, cluster, reached, founder::highest_node(&published.state), clock, mint)?;
            planned.insert(plan).founder()
        };
        recover::<anyhow::Error>(&storage, &former, named).context("the recovery failed")?
    };
    let plan = planned.context("the recovery named no node")?;
    founder::complete(building.path(), &built, mint)?;
    drop(former);
    let former = place.exchange(building, &clock.wall().0.to_string())?;
    drop(lock);
    say!("Recovered {}. The former folder is kept as {}.", data_dir.display(), former.display());
    say!("New        cluster {}, node {}, log from {}", plan.cluster, plan.node, plan.first);
    founder::print_next(data_dir, &plan);
    Ok(())
}

/// Refuses the folder of a node that has found its state to be wrong or damaged.
fn check_is_not_fenced(data_dir: &Path) -> anyhow::Result<()> {
    if let Some(fence) = fence::read(data_dir)? {
        bail!(
            "this node has fenced itself, so that a new cluster would begin with a wrong state: {}. Recover from the \
             folder of another node, or restore a backup",
            fence.reason.trim_end_matches('.')
        );
    }
    Ok(())
}

/// Checks that everything can be taken over.
fn check(found: &Inspection, confirmation: &Confirmation) -> anyhow::Result<()> {
    ensure!(
        !found.is_unfinished,
        "this folder is unfinished: run the restore or the recovery that built it again"
    );
    ensure!(
        !found.is_installing,
        "a snapshot was being installed when this node stopped: start nexusd on the folder once, which finishes that, \
         stop it, and recover again"
    );
    ensure!(
        found.damage.is_empty(),
        "this folder is damaged, and a recovery takes over nothing that it cannot read: use that of another node, or \
         restore a backup:\n  {}",
        found.damage.join("\n  ")
    );
    let log = found.log.unwrap_or_default();
    let is_applied = log.last <= found.state.as_ref().and_then(|state| state.applied());
    ensure!(
        !(is_to_begin(found) && is_applied),
        "this folder was restored or recovered, and no node has begun its new history: start it with nexusd start \
         and the addresses that it was made for, which nexusd inspect shows as its member, or restore the backup again"
    );
    if let Some(why) = &found.quarantined {
        ensure!(
            confirmation.accepts_quarantined,
            "this node is quarantined: {why}. Its votes do not matter to a new cluster, but it has lost entries that it had \
             acknowledged. If no other node has them, say --accept-quarantined"
        );
    }
    Ok(())
}

/// Says what the folder has, and what may be lost.
fn print_account(found: &Inspection, state: &State, cluster: ClusterId) {
    let log = found.log.unwrap_or_default();
    let applied = found.state.as_ref().and_then(|state| state.applied());
    let committed = log.committed.max(applied);
    let index = |id: Option<nexus_raft_store::LogId>| id.map_or(0, |id| id.index);
    let tail = index(log.last).saturating_sub(index(committed));
    say!("Cluster    {cluster}");
    say!("Vote       {}", shown(log.vote));
    say!("Log        up to {}", shown(log.last));
    say!("Committed  {}", shown(committed));
    say!("Applied    {}", shown(applied));
    say!("Members    {}", inspection::members(found));
    say!("Node ids   up to {}", founder::highest_node(state));
    say!("");
    say!("May be lost: every write after {} that other nodes acknowledged and", index(log.last));
    say!("this node never received. Prefer the node whose log ends last, or one that runs.");
    if tail > 0 {
        say!("May appear: the last {tail} entries of this node may never have been committed; they will");
        say!("count as committed, and clients that were told otherwise may see them.");
    }
    say!("All sessions, claims, tickets and join tokens end. The cluster gets a new id, so that no node");
    say!("of the former one can come back to it.");
    say!("");
}

fn confirm(cluster: ClusterId, confirmation: &Confirmation) -> anyhow::Result<()> {
    let typed = match &confirmation.cluster {
        Some(given) => given.clone(),
        None if std::io::stdin().is_terminal() => {
            let mut terminal = std::io::stdout();
            write!(terminal, "Type the id of the cluster that is given up: ")?;
            terminal.flush()?;
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            line
        }
        None => bail!("a recovery gives up the former cluster: confirm it with --cluster-id {cluster}"),
    };
    ensure!(
        typed.trim() == cluster.to_string(),
        "this folder belongs to cluster {cluster}, which is not what was typed; nothing was changed"
    );
    Ok(())
}
