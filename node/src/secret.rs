//! The cluster's secret: every member knows it, and nobody else. Members prove to each other that they do
//! (`peer/proof.rs`); it is never sent, but sealed to a guest with a join token.
//!
//! It comes from the operator for the first nodes of a cluster, or from a file of the user who runs all of them on one
//! machine, and from the join for later ones, and stays in the data folder. Whoever reads that file can act as a member.

use crate::config::{Config, Origin, is_loopback};
use anyhow::{Context, bail, ensure};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, Mac as _};
use nexus_api::mint::Mint;
use nexus_domain::{ClusterId, InstanceId};
use sha2::Sha256;
use std::{
    fmt, fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The name of the file in the data folder.
pub const CLUSTER_SECRET_FILE: &str = "cluster-secret";
/// Characters of a secret at least: so many hexadecimal digits are 128 bits, which nobody can try out.
const MIN_LENGTH: usize = 32;
/// Characters of a secret at most: more is another file.
const MAX_LENGTH: usize = 1_024;
/// Where each user who runs local clusters has a folder. Not the home folder: nodes of one cluster may be given different
/// ones, and it outlives a restart of the machine.
const LOCAL_FOLDERS: &str = "/var/tmp";
/// What nodes prove to each other that were given no secret, although they are on several machines: nothing.
const KNOWN_TO_ALL: &str = "no secret was given: everybody knows this one";
/// Bytes of the random number that each sealing takes (XChaCha20-Poly1305): too many to come twice by chance.
const NONCE: usize = 24;
/// How to get one, for error messages.
const MAKE_ONE: &str = "make one with `nexusd new-secret` (or `openssl rand -hex 32`), and give the same file to all of \
                        these nodes with --cluster-secret-file (NEXUS_CLUSTER_SECRET_FILE)";

/// The cluster's secret. Shown to nobody: its `Debug` says nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret(Arc<str>);

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(…)")
    }
}

/// A keyed hash of some bytes under a secret (HMAC-SHA256, RFC 2104).
pub(crate) type Keyed = Hmac<Sha256>;

impl ClusterSecret {
    /// A new one, of 256 random bits.
    pub fn fresh(mint: &dyn Mint) -> Self {
        Self(hex::encode(mint.secret()).into())
    }

    /// Reads one from the text of a file or a variable.
    ///
    /// # Errors
    /// When it is too short to be a secret, or so long that it is something else.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        let length = text.chars().count();
        ensure!(
            (MIN_LENGTH..=MAX_LENGTH).contains(&length) && !text.contains(char::is_control),
            "a cluster secret has {MIN_LENGTH} to {MAX_LENGTH} characters on one line, and this has {length}; {MAKE_ONE}"
        );
        Ok(Self(text.into()))
    }

    /// The text, for a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the operator gave, by value or by file.
    ///
    /// # Errors
    /// When both were given, the file cannot be read, or it holds no secret.
    pub(crate) fn given(value: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        match (value, file) {
            (Some(_), Some(_)) => bail!("--cluster-secret and --cluster-secret-file exclude each other"),
            (Some(value), None) => Self::parse(value).map(Some),
            (None, Some(file)) => {
                let read = || Self::parse(&fs::read_to_string(file)?);
                read().map(Some).with_context(|| format!("--cluster-secret-file {}", file.display()))
            }
            (None, None) => Ok(None),
        }
    }

    /// What this node begins with: what the operator gave, or the data folder has. Without either, a cluster of one node
    /// makes one, one whose nodes are all on this machine has that of the user who runs it, and any other, which only
    /// `--insecure-peers` allows, one that everybody knows. None for a guest, which is handed it with its place.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(crate) fn to_begin_with(config: &Config, mint: &dyn Mint) -> anyhow::Result<Option<Self>> {
        if let Some(given) = &config.cluster_secret {
            return Ok(Some(given.clone()));
        }
        let kept = path_in(&config.data_dir);
        if kept.exists() {
            let read = || Self::parse(&fs::read_to_string(&kept)?);
            return read().map(Some).with_context(|| format!("cannot use {}", kept.display()));
        }
        match &config.origin {
            Origin::Initial { peers, .. } if peers.len() <= 1 => Ok(Some(Self::fresh(mint))),
            Origin::Initial { peers, .. } if peers.values().all(|addr| is_loopback(addr)) => {
                Self::of_local_user(Path::new(LOCAL_FOLDERS), mint).map(Some).with_context(|| {
                    format!("the nodes of a cluster have to know each other by a secret; {MAKE_ONE}")
                })
            }
            Origin::Initial { .. } => {
                tracing::warn!(
                    "no cluster secret was given: whoever reaches --peer-listen can act as a member, and change \
                     everything; {MAKE_ONE}"
                );
                Ok(Some(Self(KNOWN_TO_ALL.into())))
            }
            Origin::Join { .. } => Ok(None),
            Origin::Remembered => bail!(
                "the data folder {} holds no {CLUSTER_SECRET_FILE}: give this node the one of its cluster with \
                 --cluster-secret-file",
                config.data_dir.display()
            ),
        }
    }

    /// The secret of all local clusters of the user who runs this, made by the first node that needs it. Other users of
    /// the machine cannot read it.
    ///
    /// # Errors
    /// When the folder belongs to somebody else or cannot be written.
    fn of_local_user(folders: &Path, mint: &dyn Mint) -> anyhow::Result<Self> {
        let user = rustix::process::geteuid().as_raw();
        let folder = folders.join(format!("nexus-{user}"));
        let made = fs::DirBuilder::new().mode(0o700).create(&folder);
        if let Err(error) = made
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error).with_context(|| format!("cannot make {}", folder.display()));
        }
        // Everybody may make folders there: one that somebody else made, or can write to, or a link, is not trusted.
        let found = fs::symlink_metadata(&folder)?;
        ensure!(
            found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0,
            "{} is not a folder of this user alone",
            folder.display()
        );
        let (file, own) = (folder.join(CLUSTER_SECRET_FILE), folder.join(format!("new-{}", mint.id())));
        let write = || {
            let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own)?;
            writeln!(new, "{}", Self::fresh(mint).as_str())?;
            new.sync_all()?;
            // Whole or not at all, and never over what another node has made meanwhile.
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
        let read = || Self::parse(&fs::read_to_string(&file)?);
        read().with_context(|| format!("cannot use {}", file.display()))
    }

    /// Keeps it in the data folder, for its owner alone; durable on return.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn keep(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = path_in(data_dir);
        let write = || {
            if fs::read_to_string(&path).is_ok_and(|kept| kept.trim() == self.as_str()) {
                return Ok(());
            }
            // Whole or not at all: a node without its secret is no member any more.
            let unfinished = path.with_extension("new");
            let _ = fs::remove_file(&unfinished);
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            writeln!(file, "{}", self.as_str())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            fs::File::open(data_dir)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// A hash under the secret, to be fed with what is to be proved.
    pub(crate) fn keyed(&self) -> Keyed {
        Keyed::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length")
    }

    /// The secret for a guest: who has the join token can open it, and nobody else.
    pub(crate) fn seal(&self, token: &str, for_whom: (ClusterId, InstanceId), mint: &dyn Mint) -> String {
        let random = mint.secret();
        let nonce: [u8; NONCE] = random[..NONCE].try_into().expect("a secret has 32 bytes");
        let bound = bound_to(for_whom);
        let payload = Payload { msg: self.0.as_bytes(), aad: &bound };
        let sealed = cipher(token).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a text of a kilobyte can be encrypted");
        hex::encode([&nonce[..], &sealed].concat())
    }

    /// Opens what a cluster has sealed for this guest.
    ///
    /// # Errors
    /// When it was sealed for another token, guest or cluster, or damaged.
    pub(crate) fn open(token: &str, for_whom: (ClusterId, InstanceId), sealed: &str) -> anyhow::Result<Self> {
        let bytes = hex::decode(sealed).context("the sealed secret is no hexadecimal text")?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).context("the sealed secret is too short")?;
        let nonce: [u8; NONCE] = nonce.try_into().expect("it was split there");
        let bound = bound_to(for_whom);
        let opened = cipher(token).decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &bound });
        let opened = opened.ok().context("the sealed secret was made for another token, node or cluster")?;
        Self::parse(std::str::from_utf8(&opened).context("the sealed secret is no text")?)
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(CLUSTER_SECRET_FILE)
}

/// A cipher under a key that only who has the token can make: the cluster itself keeps no more than its hash.
fn cipher(token: &str) -> XChaCha20Poly1305 {
    let mut key = Keyed::new_from_slice(token.trim().as_bytes()).expect("HMAC takes a key of any length");
    key.update(b"nexus cluster secret for a guest v1");
    let key: [u8; 32] = key.finalize().into_bytes().into();
    XChaCha20Poly1305::new(&key.into())
}

fn bound_to((cluster, guest): (ClusterId, InstanceId)) -> [u8; 32] {
    let mut bound = [0; 32];
    bound[..16].copy_from_slice(cluster.0.as_bytes());
    bound[16..].copy_from_slice(guest.0.as_bytes());
    bound
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api::mint::SystemMint;
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    const GUEST: (ClusterId, InstanceId) = (ClusterId(Uuid::from_u128(1)), InstanceId(Uuid::from_u128(2)));

    #[test]
    fn a_sealed_secret_is_opened_by_the_holder_of_the_token_alone() {
        let secret = ClusterSecret::fresh(&SystemMint);
        let sealed = secret.seal("nexus_join_a", GUEST, &SystemMint);
        assert!(!sealed.contains(secret.as_str()));
        assert_eq!(ClusterSecret::open("nexus_join_a\n", GUEST, &sealed).unwrap(), secret);
        assert!(ClusterSecret::open("nexus_join_b", GUEST, &sealed).is_err());
        let other = (GUEST.0, InstanceId(Uuid::from_u128(3)));
        assert!(ClusterSecret::open("nexus_join_a", other, &sealed).is_err());
        assert!(ClusterSecret::open("nexus_join_a", GUEST, &sealed[..sealed.len() - 2]).is_err());
        assert!(ClusterSecret::open("nexus_join_a", GUEST, "00").is_err());
    }

    #[test]
    fn a_secret_is_kept_for_its_owner_alone_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let secret = ClusterSecret::fresh(&SystemMint);
        secret.keep(folder.path()).unwrap();
        let path = folder.path().join(CLUSTER_SECRET_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ClusterSecret::given(None, Some(&path)).unwrap(), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(secret.as_str()));
        let other = ClusterSecret::fresh(&SystemMint);
        other.keep(folder.path()).unwrap();
        assert_eq!(ClusterSecret::given(None, Some(&path)).unwrap(), Some(other));
    }

    #[test]
    fn local_nodes_of_one_user_find_the_same_secret_and_trust_no_folder_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let found = || ClusterSecret::of_local_user(folder.path(), &SystemMint);
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
        let found = ClusterSecret::to_begin_with(&config, &SystemMint).unwrap().unwrap();
        assert_eq!(found.as_str(), KNOWN_TO_ALL);
        let own = ClusterSecret::fresh(&SystemMint);
        config.cluster_secret = Some(own.clone());
        assert_eq!(ClusterSecret::to_begin_with(&config, &SystemMint).unwrap(), Some(own));
    }

    #[test]
    fn what_is_too_short_is_no_secret() {
        for text in ["", "hunter2", "two lines of a text that is\nlong enough all the same"] {
            assert!(
                ClusterSecret::parse(text).unwrap_err().to_string().contains("nexusd new-secret"),
                "{text}"
            );
        }
    }
}
