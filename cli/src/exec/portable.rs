//! Paths in messages between the processes of `nexus exec`. A file name is bytes, and messages are text. So all bytes
//! of a path that are not ASCII are percent-encoded, as in a URL.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    borrow::Cow,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// ASCII characters that are percent-encoded, too.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// A path in a message.
#[derive(Clone, Copy)]
struct Written<'a>(&'a Path);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&percent_encode(&bytes(self.0), ESCAPED))
    }
}

/// A path from a message.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Read(PathBuf);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Self(name(percent_decode_str(&text).collect()).into()))
    }
}

#[cfg(unix)]
fn bytes(path: &Path) -> Cow<'_, [u8]> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}

#[cfg(unix)]
fn name(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Systems other than Unix have no such messages.
#[cfg(not(unix))]
fn bytes(path: &Path) -> Cow<'_, [u8]> {
    Cow::Owned(path.to_string_lossy().into_owned().into_bytes())
}

#[cfg(not(unix))]
fn name(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Serializes a field that is one path.
pub(super) mod one {
    use super::{Deserialize, Deserializer, Path, PathBuf, Read, Serialize, Serializer, Written};

    pub(in crate::exec) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        Written(path).serialize(serializer)
    }

    pub(in crate::exec) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        Ok(Read::deserialize(deserializer)?.0)
    }
}

/// Serializes a field that is a list or a set of paths.
pub(super) mod many {
    use super::{Deserialize, Deserializer, PathBuf, Read, Serializer, Written};

    pub(in crate::exec) fn serialize<'a, C, S>(paths: &'a C, serializer: S) -> Result<S::Ok, S::Error>
    where
        &'a C: IntoIterator<Item = &'a PathBuf>,
        S: Serializer,
    {
        serializer.collect_seq(paths.into_iter().map(|path| Written(path)))
    }

    pub(in crate::exec) fn deserialize<'de, C, D>(deserializer: D) -> Result<C, D::Error>
    where
        C: FromIterator<PathBuf>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<Read>::deserialize(deserializer)?.into_iter().map(|read| read.0).collect())
    }
}

/// Serializes a field that maps paths to numbers.
#[cfg(target_os = "linux")]
pub(super) mod counted {
    use super::{Deserialize, Deserializer, PathBuf, Read, Serializer, Written};
    use std::collections::BTreeMap;

    pub(in crate::exec) fn serialize<S: Serializer>(
        counts: &BTreeMap<PathBuf, u8>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(counts.iter().map(|(path, count)| (Written(path), count)))
    }

    pub(in crate::exec) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<PathBuf, u8>, D::Error> {
        let counts = BTreeMap::<Read, u8>::deserialize(deserializer)?;
        Ok(counts.into_iter().map(|(path, count)| (path.0, count)).collect())
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Message {
        #[serde(with = "one")]
        root: PathBuf,
        #[serde(with = "many")]
        list: Vec<PathBuf>,
        #[serde(with = "many")]
        set: BTreeSet<PathBuf>,
    }

    #[test]
    fn every_name_that_a_file_can_have_arrives_as_it_was() {
        let any: Vec<u8> = (1..=u8::MAX).filter(|byte| *byte != b'/').collect();
        let names: [&[u8]; 6] =
            [&any, b"src/db.rs", b"50%25 off", b"\xff\xfe", "größe".as_bytes(), b"a\nb\"c\\"];
        let paths = names.map(|bytes| PathBuf::from(name(bytes.to_vec())));
        let message =
            Message { root: paths[0].clone(), list: paths.to_vec(), set: paths.iter().cloned().collect() };
        let text = serde_json::to_vec(&message).unwrap();
        assert_eq!(serde_json::from_slice::<Message>(&text).unwrap(), message);
        assert!(text.is_ascii());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_can_be_a_key() {
        #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
        struct Counts(#[serde(with = "counted")] std::collections::BTreeMap<PathBuf, u8>);
        let counts = Counts([(PathBuf::from(name(b"src/\xff.rs".to_vec())), 2)].into());
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(text, r#"{"src/%FF.rs":2}"#);
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
    }
}
