//! Paths in JSON files: a text, or a list of bytes where a name is not Unicode.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A name of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StoredPath(pub(crate) PathBuf);

impl AsRef<Path> for StoredPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for StoredPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[cfg(unix)]
        if self.0.to_str().is_none() {
            use std::os::unix::ffi::OsStrExt;
            return serializer.collect_seq(self.0.as_os_str().as_bytes());
        }
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

impl<'de> Deserialize<'de> for StoredPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = StoredPath;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of bytes")
    }

    fn visit_str<E>(self, text: &str) -> Result<StoredPath, E> {
        Ok(StoredPath(PathBuf::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StoredPath, A::Error> {
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            Ok(StoredPath(PathBuf::from(std::ffi::OsString::from_vec(bytes))))
        }
        #[cfg(not(unix))]
        Ok(StoredPath(PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    #[test]
    fn a_name_that_is_no_text_is_kept_as_it_is() {
        for bytes in [b"src/a.rs".as_slice(), b"src/\xff \n\".rs", "src/\u{e4}.rs".as_bytes()] {
            let path = StoredPath(PathBuf::from(OsStr::from_bytes(bytes)));
            let kept = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<StoredPath>(&kept).unwrap(), path, "{kept}");
        }
    }
}
