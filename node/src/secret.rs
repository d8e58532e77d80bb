//! The cluster's secret, which only members know. Members prove to each other that they know it (`peer/proof.rs`). It
//! is never sent in the clear; a joining node receives it encrypted under its join token.
//!
//! The first nodes of a cluster get it from the operator, or from a file of the user who runs all of them on one
//! machine. Later nodes receive it when they join. It is stored in the data folder, and anyone who reads that file can
//! act as a member.

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

/// The name of the secret's file in the data folder.
pub const CLUSTER_SECRET_FILE: &str = "cluster-secret";
/// Minimum length of a secret in characters: as many hexadecimal digits are 128 bits, too many for a brute-force
/// search.
const MIN_LENGTH: usize = 32;
/// Maximum length of a secret in characters: a longer text is some other file.
const MAX_LENGTH: usize = 1_024;
/// Holds a folder for each user who runs local clusters. Home folders are not used, since the nodes of one cluster may
/// be given different ones. Files here survive a restart of the machine.
const LOCAL_FOLDERS: &str = "/var/tmp";
/// The secret of nodes on several machines that were given none, which `--insecure-peers` allows. It protects nothing.
const PUBLIC_SECRET: &str = "no secret was given: everybody knows this one";
/// Bytes of the random nonce of each encryption (XChaCha20-Poly1305): long enough never to repeat by chance.
const NONCE: usize = 24;
/// How to make a secret, for error messages.
const NEW_SECRET_ADVICE: &str = "make one with `nexusd new-secret` (or `openssl rand -hex 32`), and give the same file to all of \
                        these nodes with --cluster-secret-file (NEXUS_CLUSTER_SECRET_FILE)";

/// The cluster's secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret(Arc<str>);

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(…)")
    }
}

/// HMAC-SHA256 (RFC 2104) under the secret.
pub(crate) type Keyed = Hmac<Sha256>;

impl ClusterSecret {
    /// Makes a new secret of 256 random bits.
    pub fn fresh(mint: &dyn Mint) -> Self {
        Self(hex::encode(mint.secret()).into())
    }

    /// Reads a secret from the text of a file or a variable.
    ///
    /// # Errors
    /// When the text is too short or too long for a secret, or has control characters.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        let length = text.chars().count();
        ensure!(
            (MIN_LENGTH..=MAX_LENGTH).contains(&length) && !text.contains(char::is_control),
            "a cluster secret has {MIN_LENGTH} to {MAX_LENGTH} characters on one line, and this has {length}; {NEW_SECRET_ADVICE}"
        );
        Ok(Self(text.into()))
    }

    /// The secret as text, for a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The secret that the operator gave, by value or by file.
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

    /// The secret that this node starts with: the operator's, or that in the data folder. Without either, a cluster of
    /// one node makes a new one, a cluster on this machine alone uses the secret of the user who runs it, and any other
    /// cluster, which only `--insecure-peers` allows, uses a publicly known one. None for a joining node, which
    /// receives it with the answer.
    ///
    /// # Errors
    /// When the secret cannot be read or made, or a remembered node has none.
    pub(crate) fn at_start(config: &Config, mint: &dyn Mint) -> anyhow::Result<Option<Self>> {
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
                    format!("the nodes of a cluster have to know each other by a secret; {NEW_SECRET_ADVICE}")
                })
            }
            Origin::Initial { .. } => {
                tracing::warn!(
                    "no cluster secret was given: whoever reaches --peer-listen can act as a member, and change \
                     everything; {NEW_SECRET_ADVICE}"
                );
                Ok(Some(Self(PUBLIC_SECRET.into())))
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
            writeln!(new, "{}", Self::fresh(mint).as_str())?;
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
        let read = || Self::parse(&fs::read_to_string(&file)?);
        read().with_context(|| format!("cannot use {}", file.display()))
    }

    /// Stores the secret in the data folder, readable by its owner alone. It is durable on return.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn store(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = path_in(data_dir);
        let write = || {
            if fs::read_to_string(&path).is_ok_and(|kept| kept.trim() == self.as_str()) {
                return Ok(());
            }
            // Renamed into place: a node with half of its secret could not act as a member any more.
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

    /// An HMAC under the secret, for the bytes of a proof.
    pub(crate) fn keyed(&self) -> Keyed {
        Keyed::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length")
    }

    /// Encrypts the secret for a joining node. Only the holder of the join token can decrypt it.
    pub(crate) fn seal(&self, token: &str, joining: (ClusterId, InstanceId), mint: &dyn Mint) -> String {
        let random = mint.secret();
        let nonce: [u8; NONCE] = random[..NONCE].try_into().expect("a secret has 32 bytes");
        let bound = bound_to(joining);
        let payload = Payload { msg: self.0.as_bytes(), aad: &bound };
        let sealed = cipher(token).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("a text of a kilobyte can be encrypted");
        hex::encode([&nonce[..], &sealed].concat())
    }

    /// Decrypts the secret that a cluster encrypted for this node.
    ///
    /// # Errors
    /// When it was encrypted for another token, node or cluster, or is damaged.
    pub(crate) fn open(token: &str, joining: (ClusterId, InstanceId), sealed: &str) -> anyhow::Result<Self> {
        let bytes = hex::decode(sealed).context("the sealed secret is no hexadecimal text")?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).context("the sealed secret is too short")?;
        let nonce: [u8; NONCE] = nonce.try_into().expect("it was split there");
        let bound = bound_to(joining);
        let opened = cipher(token).decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &bound });
        let opened = opened.ok().context("the sealed secret was made for another token, node or cluster")?;
        Self::parse(std::str::from_utf8(&opened).context("the sealed secret is no text")?)
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join(CLUSTER_SECRET_FILE)
}

/// A cipher whose key is derived from the join token, of which the cluster itself stores only a hash.
fn cipher(token: &str) -> XChaCha20Poly1305 {
    let mut key = Keyed::new_from_slice(token.trim().as_bytes()).expect("HMAC takes a key of any length");
    key.update(b"nexus cluster secret for a guest v1");
    let key: [u8; 32] = key.finalize().into_bytes().into();
    XChaCha20Poly1305::new(&key.into())
}

fn bound_to((cluster, joining): (ClusterId, InstanceId)) -> [u8; 32] {
    let mut bound = [0; 32];
    bound[..16].copy_from_slice(cluster.0.as_bytes());
    bound[16..].copy_from_slice(joining.0.as_bytes());
    bound
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api::mint::SystemMint;
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    const JOINING: (ClusterId, InstanceId) = (ClusterId(Uuid::from_u128(1)), InstanceId(Uuid::from_u128(2)));

    #[test]
    fn only_the_holder_of_the_token_decrypts_the_secret() {
        let secret = ClusterSecret::fresh(&SystemMint);
        let sealed = secret.seal("nexus_join_a", JOINING, &SystemMint);
        assert!(!sealed.contains(secret.as_str()));
        assert_eq!(ClusterSecret::open("nexus_join_a\n", JOINING, &sealed).unwrap(), secret);
        assert!(ClusterSecret::open("nexus_join_b", JOINING, &sealed).is_err());
        let other = (JOINING.0, InstanceId(Uuid::from_u128(3)));
        assert!(ClusterSecret::open("nexus_join_a", other, &sealed).is_err());
        assert!(ClusterSecret::open("nexus_join_a", JOINING, &sealed[..sealed.len() - 2]).is_err());
        assert!(ClusterSecret::open("nexus_join_a", JOINING, "00").is_err());
    }

    #[test]
    fn a_secret_is_stored_for_its_owner_alone_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let secret = ClusterSecret::fresh(&SystemMint);
        secret.store(folder.path()).unwrap();
        let path = folder.path().join(CLUSTER_SECRET_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ClusterSecret::given(None, Some(&path)).unwrap(), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains(secret.as_str()));
        let other = ClusterSecret::fresh(&SystemMint);
        other.store(folder.path()).unwrap();
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
        let found = ClusterSecret::at_start(&config, &SystemMint).unwrap().unwrap();
        assert_eq!(found.as_str(), PUBLIC_SECRET);
        let own = ClusterSecret::fresh(&SystemMint);
        config.cluster_secret = Some(own.clone());
        assert_eq!(ClusterSecret::at_start(&config, &SystemMint).unwrap(), Some(own));
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
