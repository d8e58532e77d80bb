//! The authorities whose certificates are accepted from servers that are reached through TLS.

use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The variable that names them for a process that is started.
pub(crate) const VARIABLE: &str = "NEXUS_CA";
/// The word for the authorities of this machine. A file of this name is written as `./system`.
const SYSTEM: &str = "system";
/// Bytes of the longest file: hundreds of authorities.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The authorities that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those that this machine trusts.
    #[default]
    System,
    /// Those in this file, and no others. The path is absolute.
    File(PathBuf),
}

impl Trust {
    /// Reads what `--ca`, its variable and the login file say: a path, or `system`. An empty text says nothing.
    ///
    /// # Errors
    /// When the path is relative, and the current folder cannot be told.
    pub(crate) fn named(name: &OsStr) -> io::Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }
        if name == SYSTEM {
            return Ok(Some(Self::System));
        }
        // Links in the path stay: the file may be replaced by another link.
        Ok(Some(Self::File(std::path::absolute(Path::new(name))?)))
    }

    /// The text that [`named`](Self::named) reads as this, from any folder.
    pub(crate) fn name(&self) -> OsString {
        match self {
            Self::System => SYSTEM.into(),
            Self::File(path) => path.clone().into(),
        }
    }

    /// The certificates of the authorities; none for those of this machine.
    ///
    /// # Errors
    /// When there are none in the file: the reason names the file, and what to do.
    pub(crate) fn read(&self) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
        let Self::File(path) = self else { return Ok(None) };
        let wrong = |why: &str| {
            Err(format!(
                "the authorities in {} cannot be read: {why}; --ca FILE names the cluster's ca.crt",
                path.display()
            ))
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => return wrong(&error.to_string()),
        };
        match CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>() {
            Ok(certificates) if certificates.is_empty() => wrong("it holds no certificate in PEM"),
            Ok(certificates) => Ok(Some(certificates)),
            Err(error) => wrong(&error.to_string()),
        }
    }
}

/// Reads a file of certificates or keys, in PEM.
///
/// # Errors
/// When it cannot be read, is longer than [`MAX_FILE_BYTES`], or is a pipe or a folder.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would keep the command waiting.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_in_every_folder() {
        let named = |name: &str| Trust::named(OsStr::new(name)).unwrap();
        assert_eq!(named(""), None);
        assert_eq!(named("system"), Some(Trust::System));
        for name in ["ca.crt", "./system", "/etc/nexus/ca.crt"] {
            let trust = named(name).unwrap();
            assert!(matches!(&trust, Trust::File(path) if path.is_absolute()), "{trust:?}");
            assert_eq!(Trust::named(&trust.name()).unwrap(), Some(trust));
        }
    }

    #[test]
    fn a_file_without_certificates_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let problem = || Trust::File(path.clone()).read().unwrap_err();
        assert!(problem().contains("ca.crt cannot be read: No such file"), "{}", problem());
        let begun = b"-----BEGIN CERTIFICATE-----\nMIIB".as_slice();
        for content in [b"".as_slice(), b"\xff\x00", b"-----BEGIN PRIVATE KEY-----", begun] {
            fs::write(&path, content).unwrap();
            assert!(problem().contains("--ca FILE"), "{}", problem());
        }
        fs::write(&path, vec![b'a'; 2 << 20]).unwrap();
        assert!(problem().contains("longer than 1 MiB"), "{}", problem());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(problem().contains("it is no file"), "{}", problem());
    }
}
