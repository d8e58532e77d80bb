//! The cluster's secret, which only members know. Members prove to each other that they know it (`proof.rs`). It is
//! never sent in the clear; a joining node receives it encrypted under its join token. It is stored in the data folder,
//! and anyone who reads that file can act as a member. `membership/secret.rs` says where the first nodes get it from.

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
    os::unix::fs::OpenOptionsExt as _,
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
/// Bytes of the random nonce of each encryption (XChaCha20-Poly1305): long enough never to repeat by chance.
const NONCE: usize = 24;
/// How to make a secret, for error messages.
pub(crate) const NEW_SECRET_ADVICE: &str = "make one with `nexusd new-secret` (or `openssl rand -hex 32`), and give the same file to all of \
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
            (None, Some(file)) => Self::from_file(file)
                .map(Some)
                .with_context(|| format!("--cluster-secret-file {}", file.display())),
            (None, None) => Ok(None),
        }
    }

    /// The secret that the data folder holds, if it holds one.
    ///
    /// # Errors
    /// When its file cannot be read, or holds no secret.
    pub(crate) fn stored(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = path_in(data_dir);
        if !path.exists() {
            return Ok(None);
        }
        Self::from_file(&path).map(Some).with_context(|| format!("cannot use {}", path.display()))
    }

    /// Reads a secret from a file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no secret.
    pub(crate) fn from_file(path: &Path) -> anyhow::Result<Self> {
        Self::parse(&fs::read_to_string(path)?)
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
    fn what_is_too_short_is_no_secret() {
        for text in ["", "hunter2", "two lines of a text that is\nlong enough all the same"] {
            assert!(
                ClusterSecret::parse(text).unwrap_err().to_string().contains("nexusd new-secret"),
                "{text}"
            );
        }
    }
}
