//! Files of certificates and keys: read up to a limit, and written so that a name always stands for a whole file, also
//! after a crash.

use crate::{client::trust, config::atomic, error::Error};
use nexus_api_types::certificate::Certificate;
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The certificates of the authorities, in the folder of the authority and in that of each node.
pub(super) const CA_CERTIFICATE: &str = "ca.crt";
/// The keys of the authorities.
pub(super) const CA_KEY: &str = "ca.key";
/// The certificate of a node.
pub(super) const NODE_CERTIFICATE: &str = "node.crt";
/// The key of a node.
pub(super) const NODE_KEY: &str = "node.key";

/// Certificates of one file: no bundle of a cluster has more.
const MAX_CERTIFICATES: usize = 64;

/// A certificate in a file.
#[derive(Clone)]
pub(super) struct Found {
    /// The section of the file, with its first and its last line.
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) certificate: Certificate,
}

/// The readers that a file is meant for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner alone: it holds a key.
    Owner,
    /// Everybody who gets into the folder.
    All,
}

/// A file that is to be written.
pub(super) struct NewFile<'a> {
    pub(super) name: &'a str,
    pub(super) text: String,
    pub(super) readers: Readers,
}

/// Reads a file.
///
/// # Errors
/// When it cannot be read, is longer than any such file, or is a pipe or a folder.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let read = trust::read(path)
        .map_err(|error| Error::local(format!("cannot read {}: {error}", path.display())))?;
    // Bytes that are no text can stand between certificates alone.
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// The certificates in a file, at least one.
///
/// # Errors
/// When it cannot be read, or has none.
pub(super) fn certificates(path: &Path) -> Result<Vec<Found>, Error> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = read(path)?;
    let wrong = |why: &str| Error::local(format!("{} {why}", path.display()));
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(begin) = rest.find(BEGIN) {
        let end = rest[begin..].find(END).ok_or_else(|| wrong("ends within a certificate: copy it again"))?;
        let end = begin + end + END.len();
        let pem = format!("{}\n", &rest[begin..end]);
        rest = &rest[end..];
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| wrong(&format!("holds a damaged certificate: {error}")))?;
        let certificate = Certificate::read(&der).map_err(|error| wrong(&format!("is damaged: {error}")))?;
        if found.len() == MAX_CERTIFICATES {
            return Err(wrong(&format!("holds more than {MAX_CERTIFICATES} certificates")));
        }
        found.push(Found { pem, der, certificate });
    }
    if found.is_empty() {
        let why =
            if text.contains("PRIVATE KEY-----") { "holds a key" } else { "holds no certificate in PEM" };
        return Err(wrong(why).hint("name a file such as ca.crt or node.crt"));
    }
    Ok(found)
}

/// The private keys in a file.
///
/// # Errors
/// When it cannot be read, or has none.
pub(super) fn keys(path: &Path) -> Result<Vec<PrivateKeyDer<'static>>, Error> {
    let text = read(path)?;
    let keys = PrivateKeyDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let keys = keys.map_err(|error| Error::local(format!("{} is damaged: {error}", path.display())))?;
    if keys.is_empty() {
        return Err(Error::local(format!("{} holds no private key in PEM", path.display())));
    }
    Ok(keys)
}

/// Whether a key is the one of a certificate.
pub(super) fn fits(der: &CertificateDer<'static>, key: &PrivateKeyDer<'static>) -> bool {
    CertifiedKey::from_der(vec![der.clone()], key.clone_key(), &ring::default_provider()).is_ok()
}

/// Makes a folder with these files, for its owner alone. Its name appears with all of them in it.
///
/// # Errors
/// When it cannot be written; nothing has the name then.
pub(super) fn make_folder(folder: &Path, files: &[NewFile<'_>]) -> Result<(), Error> {
    let temporary = beside(folder);
    let make = || {
        atomic::make_private_folder(&temporary)?;
        for file in files {
            write(&temporary.join(file.name), file)?;
        }
        sync(&temporary)?;
        fs::rename(&temporary, folder)?;
        sync(&parent(folder))
    };
    make().map_err(|error| {
        // The error is reported already.
        let _ = fs::remove_dir_all(&temporary);
        cannot_write(folder, &error)
    })
}

/// Writes these files into a folder, in this order, over those of the same names. All of them are on the disk before
/// the first gets its name, so that a certificate and its key are of different age for an instant alone.
///
/// # Errors
/// When they cannot be written.
pub(super) fn replace(folder: &Path, files: &[NewFile<'_>]) -> Result<(), Error> {
    let temporary: Vec<PathBuf> = files.iter().map(|file| beside(&folder.join(file.name))).collect();
    let replace = || {
        for (file, temporary) in files.iter().zip(&temporary) {
            write(temporary, file)?;
        }
        for (file, temporary) in files.iter().zip(&temporary) {
            fs::rename(temporary, folder.join(file.name))?;
        }
        sync(folder)
    };
    replace().map_err(|error| {
        for path in &temporary {
            let _ = fs::remove_file(path);
        }
        cannot_write(folder, &error)
    })
}

fn write(path: &Path, file: &NewFile<'_>) -> io::Result<()> {
    atomic::write(path, file.text.as_bytes())?;
    #[cfg(unix)]
    if file.readers == Readers::All {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

/// A name of its own in the same folder: a rename across file systems would be no single step.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!(".{name}.{}.tmp", Uuid::now_v7().simple()))
}

/// The folder of a path.
pub(super) fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems open no folder.
#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// An error about a file or a folder that cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::local(format!("cannot write {}: {error}", path.display()))
}

/// The only process that changes the folder of an authority, until it is dropped.
pub(super) struct Lock(Option<File>);

impl Lock {
    /// Waits until no other process changes the folder.
    ///
    /// # Errors
    /// When there is no such folder.
    pub(super) fn of(folder: &Path) -> Result<Self, Error> {
        if !folder.is_dir() {
            return Err(Error::misused(format!("there is no folder {}", folder.display()))
                .hint("nexus cluster certs init makes it; --dir names another one"));
        }
        // The folder itself is locked, where a system can do that: no further file has to lie in it.
        let file = if cfg!(unix) { File::open(folder).ok() } else { None };
        if let Some(file) = &file {
            // A file system without locks has no more than one that changes it at a time.
            let _ = file.lock();
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = file.unlock();
        }
    }
}
