//! The folder of one node: `ca.crt`, `node.crt` and `node.key`, as nexusd takes it.

use super::{
    authority::Authorities,
    files::{self, CA_CERTIFICATE, Found, NODE_CERTIFICATE, NODE_KEY, NewFile, Readers},
    host,
};
use crate::error::Error;
use nexus_api_types::certificate::CertificateName;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Days of the longest certificate of a node. Whoever copies its key can use it until it ends.
pub(super) const MAX_DAYS: u32 = 3_650;
/// Days of a certificate of a node, unless others are asked for.
pub(super) const DEFAULT_DAYS: u32 = 365;

/// The folder of a certificate that names no node.
const JOINING: &str = "joining";
/// Nodes of one cluster, and folders that are looked at.
const MAX_FOLDERS: usize = 1_000;

/// The folder of a node in that of the authority.
pub(super) fn folder(dir: &Path, node: Option<u64>) -> PathBuf {
    dir.join(node.map_or_else(|| JOINING.to_owned(), |node| format!("node-{node}")))
}

/// The subject and the term of a certificate.
pub(super) struct Wanted {
    pub(super) name: CertificateName,
    pub(super) hosts: Vec<String>,
    pub(super) days: u32,
}

/// A node's certificate, in its folder.
pub(super) struct Leaf {
    pub(super) folder: PathBuf,
    pub(super) name: CertificateName,
    pub(super) found: Found,
}

impl Leaf {
    /// Reads the certificate in a folder.
    ///
    /// # Errors
    /// When it cannot be read, or is not a node's.
    pub(super) fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(NODE_CERTIFICATE);
        let found = files::certificates(&path)?.swap_remove(0);
        let name = found.certificate.node_name().ok_or_else(|| {
            Error::local(format!("{} names no node of a cluster", path.display()))
                .hint("it is not from nexus cluster certs issue: --out names another folder")
        })?;
        Ok(Self { folder: folder.to_owned(), name, found })
    }

    /// The folders of nodes in that of the authority, in the order of their ids.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn all(dir: &Path) -> Result<Vec<Self>, Error> {
        let entries = fs::read_dir(dir)
            .map_err(|error| Error::local(format!("cannot read the folder {}: {error}", dir.display())))?;
        let is_of_node = |name: &str| {
            let id = name.strip_prefix("node-").and_then(|id| id.parse::<u64>().ok());
            name == JOINING || id.is_some()
        };
        let folders = entries.flatten().map(|entry| entry.path()).filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(is_of_node)
                && path.join(NODE_CERTIFICATE).exists()
        });
        let leaves = folders.take(MAX_FOLDERS).map(|folder| Self::read(&folder));
        let mut leaves = leaves.collect::<Result<Vec<_>, _>>()?;
        leaves.sort_by_key(|leaf| leaf.name.node.unwrap_or(u64::MAX));
        Ok(leaves)
    }

    /// The hosts that it is for.
    pub(super) fn hosts(&self) -> Vec<String> {
        let names = self.found.certificate.names.iter();
        names.filter_map(|name| host::parse(name).ok()).collect()
    }

    /// The days that it was issued for.
    pub(super) fn days(&self) -> u32 {
        let certificate = &self.found.certificate;
        let seconds = certificate.not_after.saturating_sub(certificate.not_before);
        // Certificates begin an hour before they are made.
        u32::try_from(seconds / 86_400).unwrap_or_default().clamp(1, MAX_DAYS)
    }

    /// The node that it is for, in words: `node 3`.
    pub(super) fn whom(&self) -> String {
        self.name.node.map_or_else(|| "nodes that join".to_owned(), |node| format!("node {node}"))
    }

    /// Gives the folder the present certificates of the authorities. Returns whether it had others.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn renew_bundle(&self, authorities: &Authorities) -> Result<bool, Error> {
        let bundle = authorities.bundle();
        if files::read(&self.folder.join(CA_CERTIFICATE)).is_ok_and(|present| present == bundle) {
            return Ok(false);
        }
        files::replace(&self.folder, &[bundle_file(bundle)]).map(|()| true)
    }
}

fn bundle_file(bundle: String) -> NewFile<'static> {
    NewFile { name: CA_CERTIFICATE, text: bundle, readers: Readers::All }
}

/// Issues a certificate into a folder: a new one, or over the files in one that is there.
///
/// # Errors
/// When it cannot be issued or written.
pub(super) fn write(
    authorities: &Authorities,
    wanted: &Wanted,
    folder: &Path,
    is_new: bool,
) -> Result<Leaf, Error> {
    let issued = authorities.issuer().issue(wanted.name, &wanted.hosts, wanted.days)?;
    let files = [
        bundle_file(authorities.bundle()),
        NewFile { name: NODE_KEY, text: issued.key, readers: Readers::Owner },
        NewFile { name: NODE_CERTIFICATE, text: issued.certificate, readers: Readers::All },
    ];
    if is_new {
        files::make_folder(folder, &files)?;
    } else {
        files::replace(folder, &files)?;
    }
    Leaf::read(folder)
}
