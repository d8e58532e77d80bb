//! Rebuilds a node: its data is kept under another name in the data folder, and the node comes back with an empty
//! database, under a new id that replaces the former one.
//!
//! An order is a file. Whoever gives it, the next start carries it out, step by step: a start that was cut off is
//! repeated, and nothing is ever deleted. The data stays within the data folder, which may be a mount point, or in a
//! folder that only others can write.

use super::{durable_file, fence, folder_note, folder_note::FolderNote};
use anyhow::{Context, bail, ensure};
use nexus_domain::NodeId;
use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The name of the order in a data folder.
const NAME: &str = "rebuild.json";
/// The names of what is kept of the former node. Its secret and its settings stay in place.
const KEPT: [&str; 4] = ["db", "files", fence::NAME, folder_note::NAME];
/// Folders of former nodes that a data folder can have; more are removed by the operator first.
const MAX_KEPT: u32 = 100;

/// The order to rebuild a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    /// The node that the data belonged to.
    pub(crate) former: NodeId,
    /// The addresses of the other members for nodes.
    pub(crate) others: BTreeMap<u64, String>,
    /// The name of the folder that the data is kept in.
    kept_in: String,
    /// Whether all of it is there.
    is_moved: bool,
}

impl Order {
    /// Writes the order to rebuild the node of a data folder. A second order is the first one.
    ///
    /// # Errors
    /// When nobody knows which node it belongs to, the cluster has no other node, or the folder cannot be written.
    pub(crate) fn give(data_dir: &Path) -> anyhow::Result<Self> {
        if let Some(given) = Self::read(data_dir)? {
            return Ok(given);
        }
        let note = FolderNote::read(data_dir)?.with_context(|| {
            format!(
                "{} has no {}, which says whose it is: move what is in it away, and start the node with --join and \
                 a token from nexus cluster join-token",
                data_dir.display(),
                folder_note::NAME
            )
        })?;
        ensure!(
            !note.others.is_empty(),
            "this cluster has no other node to come back from: restore a backup"
        );
        let former = note.node;
        let names = (1..=MAX_KEPT).map(|count| match count {
            1 => format!("former-node-{former}"),
            count => format!("former-node-{former}-{count}"),
        });
        let mut free = names.filter(|name| !data_dir.join(name).exists());
        let kept_in =
            free.next().context("too much data of former nodes is kept: remove some of it first")?;
        let order = Self { former, others: note.others, kept_in, is_moved: false };
        order.write(data_dir)?;
        Ok(order)
    }

    /// The order in a data folder, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        durable_file::read(&data_dir.join(NAME))
    }

    /// The folder that the data is kept in, as an absolute path: it is printed on other machines, too.
    pub(crate) fn kept_in(&self, data_dir: &Path) -> PathBuf {
        let folder = data_dir.join(&self.kept_in);
        std::path::absolute(&folder).unwrap_or(folder)
    }

    fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        durable_file::write(&data_dir.join(NAME), self)
    }
}

/// Carries out the first part of an order before a start: moves the data away. Returns the order, if there is one.
///
/// # Errors
/// When a node runs on the folder, or the device fails. The next start goes on.
pub(crate) fn move_data_away(data_dir: &Path) -> anyhow::Result<Option<Order>> {
    let Some(mut order) = Order::read(data_dir)? else { return Ok(None) };
    if !order.is_moved {
        check_is_unused(data_dir)?;
        let kept = order.kept_in(data_dir);
        let moved = || -> io::Result<()> {
            fs::create_dir_all(&kept)?;
            for name in KEPT {
                match fs::rename(data_dir.join(name), kept.join(name)) {
                    // An earlier attempt has moved it, or it was never there.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    renamed => renamed?,
                }
            }
            fs::File::open(&kept)?.sync_all()?;
            fs::File::open(data_dir)?.sync_all()
        };
        moved().with_context(|| format!("cannot move the former data to {}", kept.display()))?;
        order.is_moved = true;
        order.write(data_dir)?;
        tracing::info!(former = %order.former, kept_in = %kept.display(), "the former data is kept; this node begins anew");
    }
    Ok(Some(order))
}

/// Whether a data folder has an order, of which any part may be carried out.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_ordered(data_dir: &Path) -> anyhow::Result<bool> {
    Order::read(data_dir).map(|order| order.is_some())
}

/// Removes an order that is carried out: the node has its new id.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn is_done(data_dir: &Path) -> anyhow::Result<()> {
    durable_file::remove(&data_dir.join(NAME))
}

/// Orders that the node of a folder is rebuilt when it is started next. Returns what to tell the operator.
///
/// # Errors
/// When a node runs on it, or it is not fenced and `is_forced` is false.
pub fn order(data_dir: &Path, is_forced: bool) -> anyhow::Result<String> {
    ensure!(data_dir.is_dir(), "there is no data folder {}", data_dir.display());
    check_is_unused(data_dir)?;
    ensure!(
        is_forced || fence::read(data_dir)?.is_some(),
        "{} has no mark of a fence. If a start says that it is damaged, or if you know that it is, say --force",
        data_dir.display()
    );
    let order = Order::give(data_dir)?;
    Ok(format!(
        "Node {} is rebuilt at its next start. Its former data will be kept in {}",
        order.former,
        order.kept_in(data_dir).display()
    ))
}

/// Checks that no node has the database of a folder open.
fn check_is_unused(data_dir: &Path) -> anyhow::Result<()> {
    let lock = data_dir.join("db").join("LOCK");
    let file = match fs::OpenOptions::new().write(true).open(&lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", lock.display())),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::ACCESS | Errno::AGAIN) => {
            bail!("a node runs on {}: use nexus cluster rebuild, or stop it first", data_dir.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot lock {}", lock.display())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_domain::InstanceId;
    use tempfile::TempDir;
    use uuid::Uuid;

    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("db").join("000007.sst"), "rows").unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        fs::write(folder.path().join("cluster-secret"), "secret").unwrap();
        let note = FolderNote {
            node: NodeId(2),
            instance: InstanceId(Uuid::nil()),
            cluster: None,
            others: BTreeMap::from([(1, "10.0.0.1:7501".to_owned())]),
        };
        durable_file::write(&folder.path().join(folder_note::NAME), &note).unwrap();
        folder
    }

    #[test]
    fn an_order_moves_the_data_away_and_leaves_the_secret() {
        let folder = folder();
        let at = |path: &str| folder.path().join(path);
        assert!(order(folder.path(), false).unwrap_err().to_string().contains("--force"));
        let said = order(folder.path(), true).unwrap();
        assert!(said.contains("Node 2") && said.contains("former-node-2"), "{said}");
        assert!(at("db/000007.sst").exists(), "nothing moves before the start");
        let carried_out = move_data_away(folder.path()).unwrap().unwrap();
        assert_eq!(carried_out.former, NodeId(2));
        assert!(at("former-node-2/db/000007.sst").exists() && at("former-node-2/node.json").exists());
        assert!(!at("db").exists() && at("cluster-secret").exists());
        is_done(folder.path()).unwrap();
        assert_eq!(move_data_away(folder.path()).unwrap(), None);
    }

    #[test]
    fn a_start_that_was_cut_off_goes_on_and_moves_nothing_of_the_new_node() {
        let folder = folder();
        let at = |path: &str| folder.path().join(path);
        order(folder.path(), true).unwrap();
        fs::create_dir(at("former-node-2")).unwrap();
        fs::rename(at("files"), at("former-node-2/files")).unwrap();
        move_data_away(folder.path()).unwrap();
        assert!(at("former-node-2/db").exists() && !at("db").exists());
        // The new node has begun, and does not know its id yet.
        fs::create_dir(at("db")).unwrap();
        assert!(move_data_away(folder.path()).unwrap().is_some());
        assert!(at("db").exists());
    }

    #[test]
    fn a_node_without_others_is_not_rebuilt() {
        let folder = folder();
        let mut note = FolderNote::read(folder.path()).unwrap().unwrap();
        note.others.clear();
        durable_file::write(&folder.path().join(folder_note::NAME), &note).unwrap();
        assert!(Order::give(folder.path()).unwrap_err().to_string().contains("restore a backup"));
        assert!(!is_ordered(folder.path()).unwrap());
    }

    #[test]
    fn the_data_of_an_earlier_rebuild_stays() {
        let folder = folder();
        fs::create_dir(folder.path().join("former-node-2")).unwrap();
        let order = Order::give(folder.path()).unwrap();
        assert!(order.kept_in(folder.path()).ends_with("former-node-2-2"));
        assert_eq!(Order::give(folder.path()).unwrap(), order, "a second order is the first one");
    }
}
