//! The sources of the cluster's secret for a node that starts: the operator, its data folder, or a file of the user who
//! runs all nodes on one machine. Nodes that join later receive it with the answer.

use crate::{
    peer::secret::{CLUSTER_SECRET_FILE, ClusterSecret, NEW_SECRET_ADVICE},
    settings::{config::Config, origin::Origin, values::is_loopback},
};
use anyhow::{Context, bail, ensure};
use nexus_api::mint::Mint;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Holds a folder for each user who runs local clusters. Home folders are not used, since the nodes of one cluster may
/// be given different ones. Files here survive a restart of the machine.
const LOCAL_FOLDERS: &str = "/var/tmp";
/// The secret of nodes on several machines that were given none, which `--insecure-peers` allows. It protects nothing.
const PUBLIC_SECRET: &str = "no secret was given: everybody knows this one";

/// The secret that this node starts with: the operator's, or that in the data folder. Without either, a cluster of one
/// node makes a new one, a cluster on this machine alone uses the secret of the user who runs it, and any other
/// cluster, which only `--insecure-peers` allows, uses a publicly known one. It is `None` for a joining node, which
/// receives the secret with the answer.
///
/// # Errors
/// When the secret cannot be read or made, or a remembered node has none.
pub(crate) fn at_start(config: &Config, mint: &dyn Mint) -> anyhow::Result<Option<ClusterSecret>> {
    if let Some(given) = &config.cluster_secret {
        return Ok(Some(given.clone()));
    }
    if let Some(stored) = ClusterSecret::stored(&config.data_dir)? {
        return Ok(Some(stored));
    }
    match &config.origin {
        Origin::Initial { peers, .. } if peers.len() <= 1 => Ok(Some(ClusterSecret::fresh(mint))),
        Origin::Initial { peers, .. } if peers.values().all(|addr| is_loopback(addr)) => {
            of_local_user(Path::new(LOCAL_FOLDERS), mint).map(Some).with_context(|| {
                format!("the nodes of a cluster have to know each other by a secret; {NEW_SECRET_ADVICE}")
            })
        }
        Origin::Initial { .. } => {
            tracing::warn!(
                "no cluster secret was given: whoever reaches --peer-listen can act as a member, and change \
                 everything; {NEW_SECRET_ADVICE}"
            );
            Ok(Some(ClusterSecret::parse(PUBLIC_SECRET)?))
        }
        Origin::Join { .. } => Ok(None),
        Origin::Remembered => bail!(
            "the data folder {} holds no {CLUSTER_SECRET_FILE}: give this node the one of its cluster with \
             --cluster-secret-file",
            config.data_dir.display()
        ),
    }
}

/// The secret of all local clusters of the current user. The first node that needs it makes it. Other users of the
/// machine cannot read it.
///
/// # Errors
/// When the folder belongs to another user or cannot be written.
fn of_local_user(folders: &Path, mint: &dyn Mint) -> anyhow::Result<ClusterSecret> {
    let user = rustix::process::geteuid().as_raw();
    let folder = folders.join(format!("nexus-{user}"));
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("cannot make {}", folder.display()));
    }
    // Anybody can make folders there. One that another user made or can access, or a link, is not trusted.
    let found = fs::symlink_metadata(&folder)?;
    ensure!(
        found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0,
        "{} is not a folder of this user alone",
        folder.display()
    );
    let (file, own) = (folder.join(CLUSTER_SECRET_FILE), folder.join(format!("new-{}", mint.id())));
    let write = || {
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own)?;
        writeln!(new, "{}", ClusterSecret::fresh(mint).as_str())?;
        new.sync_all()?;
        // A hard link is atomic, and does not overwrite a file that another node has made meanwhile.
        let linked = fs::hard_link(&own, &file);
        fs::remove_file(&own)?;
        match linked {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    if !file.exists() {
        write().with_context(|| format!("cannot write {}", file.display()))?;
    }
    ClusterSecret::from_file(&file).with_context(|| format!("cannot use {}", file.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api::mint::SystemMint;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn local_nodes_of_one_user_find_the_same_secret_and_trust_no_folder_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let found = || of_local_user(folder.path(), &SystemMint);
        let first = found().unwrap();
        assert_eq!(found().unwrap(), first);
        let own = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1, "nothing half-made is left");
        assert_eq!(fs::metadata(own.join(CLUSTER_SECRET_FILE)).unwrap().mode() & 0o777, 0o600);

        fs::set_permissions(&own, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(found().unwrap_err().to_string().contains("not a folder of this user alone"));
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&own, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &own).unwrap();
        assert!(found().is_err(), "a link may lead anywhere");
    }

    #[test]
    fn nodes_on_several_machines_prove_nothing_without_a_secret_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::alone(folder.path().to_owned(), "127.0.0.1:0".to_owned());
        let peers = [(1, "192.0.2.1:7501".to_owned()), (2, "192.0.2.2:7501".to_owned())].into();
        config.origin = Origin::Initial { node_id: 1, peers };
        let found = at_start(&config, &SystemMint).unwrap().unwrap();
        assert_eq!(found.as_str(), PUBLIC_SECRET);
        let own = ClusterSecret::fresh(&SystemMint);
        config.cluster_secret = Some(own.clone());
        assert_eq!(at_start(&config, &SystemMint).unwrap(), Some(own));
    }
}
