//! Reads certificates and keys from files, and checks what can be checked before they are used.

use nexus_api_types::certificate::{Certificate, CertificateName};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Largest file that is read, in bytes: a bundle of many authorities has a tenth of it.
const MAX_FILE: u64 = 1 << 20;

/// The files of a certificate and of its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    /// The certificate, followed by those of authorities between it and the root, if there are any.
    pub cert: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// The files that a node takes its certificates from. Without any, it talks in plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate for other nodes.
    pub peers: Option<KeyPairFiles>,
    /// The authorities whose certificates it takes from other nodes. There is one whenever `peers` is there.
    pub authorities: Option<PathBuf>,
    /// The certificate for clients.
    pub clients: Option<KeyPairFiles>,
}

impl TlsFiles {
    /// The paths of all files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.peers.iter().chain(&self.clients);
        pairs.flat_map(|pair| [&pair.cert, &pair.key]).chain(&self.authorities).map(PathBuf::as_path)
    }

    /// Inode, size and time of each file, links followed: a file that is written anew or replaced has others.
    pub(super) fn fingerprint(&self) -> Vec<Option<[i64; 4]>> {
        let of = |path| {
            let is = fs::metadata(path).ok()?;
            Some([is.ino().cast_signed(), is.size().cast_signed(), is.mtime(), is.mtime_nsec()])
        };
        self.paths().map(of).collect()
    }
}

/// Why certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// A file cannot be read, or is not what it should be.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The reason, and what to do.
        reason: String,
    },
    /// The certificate belongs to another cluster or node than the one that was used so far.
    #[error("the certificate was for {before} and is for {now}: a running node keeps its name")]
    Renamed {
        /// The name so far.
        before: CertificateName,
        /// The name in the new certificate.
        now: CertificateName,
    },
}

impl TlsProblem {
    pub(super) fn of(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), reason: reason.into() }
    }
}

/// A certificate with its key.
pub(super) struct KeyPair {
    /// The certificate and those of authorities between it and the root.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The certificate as people look at it.
    pub(super) certificate: Certificate,
}

/// Reads a certificate with its key.
pub(super) fn key_pair(files: &KeyPairFiles) -> Result<KeyPair, TlsProblem> {
    let chain = certificates(&files.cert)?;
    let certificate = read_certificate(&files.cert, &chain[0])?;
    if certificate.is_authority {
        return Err(TlsProblem::of(
            &files.cert,
            "it is the certificate of an authority; a node needs one that the authority issued to it",
        ));
    }
    let key = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| TlsProblem::of(&files.key, format!("it holds no private key in PEM: {error}")))?;
    check_owner(&files.key)?;
    Ok(KeyPair { chain, key, certificate })
}

/// Reads the certificates of a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found =
        found.map_err(|error| TlsProblem::of(path, format!("it holds no certificate in PEM: {error}")))?;
    if found.is_empty() {
        return Err(TlsProblem::of(path, "it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

/// Reads the parts of a certificate that people look at.
pub(super) fn read_certificate(
    path: &Path,
    certificate: &CertificateDer<'_>,
) -> Result<Certificate, TlsProblem> {
    Certificate::read(certificate).map_err(|error| TlsProblem::of(path, error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsProblem> {
    let open = || {
        // Opening a pipe would wait for a writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = open().map_err(|error| TlsProblem::of(path, format!("it cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(TlsProblem::of(path, "it is larger than a MiB, which no certificate is"));
    }
    Ok(bytes)
}

/// Refuses a key that others may write, since they could become this node, and warns of one that they may read.
fn check_owner(key: &Path) -> Result<(), TlsProblem> {
    let mode = fs::metadata(key)
        .map_err(|error| TlsProblem::of(key, format!("it cannot be read: {error}")))?
        .permissions()
        .mode();
    if mode & 0o002 != 0 {
        return Err(TlsProblem::of(key, "every user of this machine may write it; say: chmod 600 FILE"));
    }
    if mode & 0o004 != 0 {
        tracing::warn!(file = %key.display(), "every user of this machine may read this private key; say: chmod 600 FILE");
    }
    Ok(())
}
