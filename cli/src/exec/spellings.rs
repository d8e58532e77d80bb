//! Existing files that may be a held one in another spelling: in another case, or in another Unicode composition. The
//! cluster decides which of them are, since it knows whether the project ignores case.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// Spellings of one path that are asked about.
const MOST_OF_PATH: usize = 100;

/// Reads each folder of a checkout once, however many held paths are in it.
pub(super) struct Spellings<'a> {
    root: &'a Path,
    folders: HashMap<PathBuf, FolderNames>,
    /// The last folder of a lookup, and the existing folders that it may be.
    last: Option<(PathBuf, Vec<PathBuf>)>,
}

/// The names in a folder, by their letters in one case.
#[derive(Default)]
struct FolderNames {
    plain: HashMap<String, Vec<String>>,
    /// Names with letters beyond ASCII, whose compositions can only be compared with tables.
    others: Vec<String>,
}

impl<'a> Spellings<'a> {
    pub(super) fn in_checkout(root: &'a Path) -> Self {
        Self { root, folders: HashMap::new(), last: None }
    }

    /// Existing paths that may be this one in another spelling, and those that are this very file: on a file
    /// system that ignores case, the file can be opened by this path but is listed by another one.
    pub(super) fn others_of(&mut self, path: &Path) -> (Vec<String>, Vec<PathBuf>) {
        let mut others = self.of(path);
        if others.iter().any(|listed| Path::new(listed) == path) {
            others.retain(|listed| Path::new(listed) != path);
            return (others, Vec::new());
        }
        let real = |path: &Path| fs::canonicalize(self.root.join(path)).ok();
        let here = if others.is_empty() { None } else { real(path) };
        let is_same = |listed: &&String| here.is_some() && real(Path::new(listed)) == here;
        let same = others.iter().filter(is_same).map(PathBuf::from).collect();
        (others, same)
    }

    /// Existing paths that may be this one.
    fn of(&mut self, path: &Path) -> Vec<String> {
        let Some(name) = path.file_name() else { return Vec::new() };
        let above = path.parent().unwrap_or(Path::new(""));
        // Paths of one folder mostly come one after the other.
        if self.last.as_ref().is_none_or(|(last, _)| last != above) {
            self.last = Some((above.to_owned(), self.folders_of(above)));
        }
        let name = in_one_case(&name.to_string_lossy());
        let folders = self.last.iter().flat_map(|(_, folders)| folders);
        let mut found = Vec::new();
        for folder in folders {
            let names = self.folders.get(folder).into_iter().flat_map(|known| known.names(&name));
            found.extend(names.filter_map(|name| folder.join(name).into_os_string().into_string().ok()));
        }
        found.truncate(MOST_OF_PATH);
        found
    }

    /// Existing folders that may be this one. Their entries are read.
    fn folders_of(&mut self, path: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in path.iter() {
            let part = in_one_case(&part.to_string_lossy());
            let mut below = Vec::new();
            for above in found {
                below.extend(self.read(&above).names(&part).map(|name| above.join(name)));
            }
            below.truncate(MOST_OF_PATH);
            found = below;
        }
        for folder in &found {
            self.read(folder);
        }
        found
    }

    fn read(&mut self, folder: &Path) -> &FolderNames {
        let root = self.root;
        self.folders.entry(folder.to_owned()).or_insert_with(|| FolderNames::read(&root.join(folder)))
    }
}

impl FolderNames {
    fn read(path: &Path) -> Self {
        let mut folder = Self::default();
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = in_one_case(&name);
            if key.is_ascii() {
                folder.plain.entry(key).or_default().push(name);
            } else {
                folder.others.push(name);
            }
        }
        folder
    }

    fn names(&self, part: &str) -> impl Iterator<Item = &String> {
        let others = if part.is_ascii() { &[][..] } else { &self.others };
        self.plain.get(part).into_iter().flatten().chain(others)
    }
}

/// Whether two names may be one, in another case or composed otherwise.
pub(super) fn may_be_same(one: &OsStr, other: &OsStr) -> bool {
    if one == other {
        return true;
    }
    let (Some(one), Some(other)) = (one.to_str(), other.to_str()) else { return false };
    let (one, other) = (in_one_case(one), in_one_case(other));
    one == other || !(one.is_ascii() || other.is_ascii())
}

/// Changes ASCII letters to lower case, and with them the Kelvin sign and the long s, whose other cases are ASCII
/// letters.
fn in_one_case(name: &str) -> String {
    let lower = |letter: char| match letter {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(lower).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_same_file_is_found_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("Docs")).unwrap();
        for name in ["ReadMe.md", "other.md", "cafe\u{301}.md"] {
            fs::write(root.join("Docs").join(name), "").unwrap();
        }
        let mut spellings = Spellings::in_checkout(root);
        assert_eq!(spellings.of(Path::new("docs/README.md")), ["Docs/ReadMe.md"]);
        assert_eq!(spellings.of(Path::new("docs/caf\u{e9}.md")), ["Docs/cafe\u{301}.md"]);
        assert!(spellings.of(Path::new("docs/missing.md")).is_empty());
        // Thousands of missing paths cost a table lookup each, and no folder is read again.
        for number in 0..10_000 {
            assert!(spellings.of(&PathBuf::from(format!("docs/missing-{number}.md"))).is_empty());
        }
        assert_eq!(spellings.folders.len(), 2);
    }
}
