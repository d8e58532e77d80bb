//! Files that are there and may be a held one in another spelling: in another case, or with letters composed otherwise.
//! Which of them are is the cluster's to say: it knows whether the project regards case.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Spellings of one path that are asked about.
const MOST_OF_PATH: usize = 100;

/// Looks each folder of a checkout up once, however many paths in it are held.
pub(super) struct Spellings<'a> {
    root: &'a Path,
    folders: HashMap<PathBuf, Folder>,
}

/// The names in a folder, by their letters in one case.
#[derive(Default)]
struct Folder {
    plain: HashMap<String, Vec<String>>,
    /// With letters beyond ASCII, which may be composed in ways that take tables to tell.
    others: Vec<String>,
}

impl<'a> Spellings<'a> {
    pub(super) fn in_checkout(root: &'a Path) -> Self {
        Self { root, folders: HashMap::new() }
    }

    /// Paths that are there and may be this one.
    pub(super) fn of(&mut self, path: &Path) -> Vec<String> {
        let mut found = vec![PathBuf::new()];
        for part in path.iter() {
            let part = in_one_case(&part.to_string_lossy());
            let mut below = Vec::new();
            for above in found {
                let root = self.root;
                let folder =
                    self.folders.entry(above.clone()).or_insert_with(|| Folder::read(&root.join(&above)));
                below.extend(folder.names(&part).map(|name| above.join(name)));
            }
            below.truncate(MOST_OF_PATH);
            found = below;
        }
        found.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
    }
}

impl Folder {
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

/// In lower case as far as ASCII goes, with the two letters beyond it that are one of its letters in another case.
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
        // Thousands that are missing cost a look into a table each, and no folder is read again.
        for number in 0..10_000 {
            assert!(spellings.of(&PathBuf::from(format!("docs/missing-{number}.md"))).is_empty());
        }
        assert_eq!(spellings.folders.len(), 2);
    }
}
