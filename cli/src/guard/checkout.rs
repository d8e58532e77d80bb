//! The linked repository that a file is in, and the name that the cluster knows the file by. Asks nobody.

use crate::{
    config::link::{self, FoundLink, Link},
    error::Error,
    output::{format, plain},
    repository::{normalized, real},
};
use std::{
    fs,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

/// A longer path is refused by every server.
const MAX_PATH_BYTES: usize = 1_024;

/// The whole of a repository.
pub(crate) const EVERYTHING: &str = "**";

/// Folders in the root of a repository whose files are nobody's: git's own, and ours.
pub(crate) const UNCLAIMABLE_FOLDERS: [&str; 2] = [".git", ".nexus"];

/// A linked repository.
#[derive(Clone, Debug)]
pub(crate) struct LinkedCheckout {
    /// What it says of itself.
    pub(crate) link: Link,
    /// Its root, without symbolic links.
    pub(crate) root: PathBuf,
    /// Says of links further down that they do not count.
    pub(crate) warning: Option<String>,
}

impl LinkedCheckout {
    /// The repository that a folder or a file is in; the path need not exist. None if it is not linked.
    ///
    /// # Errors
    /// When its link cannot be read.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, Error> {
        let real = real(path);
        // A link to somewhere else may still stand in a repository of its own.
        for path in [real.as_path(), path] {
            if let Some(found) = link::find_above(path)? {
                return Ok(Some(Self::found(found)));
            }
        }
        Ok(None)
    }

    fn found(found: FoundLink) -> Self {
        let warning = found.warning();
        let root = fs::canonicalize(&found.root).unwrap_or(found.root);
        Self { link: found.link, root, warning }
    }

    /// The repository of another project that this one is in a folder of: whoever made a repository there may have done
    /// it to have its files in a project of their own.
    ///
    /// # Errors
    /// When its link cannot be read.
    pub(crate) fn enclosing(&self) -> Result<Option<Self>, Error> {
        let enclosing = link::find_around(&self.root)?;
        Ok(enclosing.filter(|enclosing| enclosing.link.project_id != self.project()).map(Self::found))
    }

    /// The project that it is linked to.
    pub(crate) const fn project(&self) -> Uuid {
        self.link.project_id
    }

    /// The names of a file: the one it was called by and, behind a symbolic link, the one that is written. None
    /// where it is outside, or nobody's.
    pub(crate) fn names(&self, path: &Path) -> Vec<String> {
        let normal = normalized(path);
        let parent = normal.parent().map(real);
        let called = parent.and_then(|parent| Some(parent.join(normal.file_name()?)));
        let mut names: Vec<String> = Vec::new();
        for path in [Some(real(path)), called].into_iter().flatten() {
            if let Some(name) = self.name(&path)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The name of a path without symbolic links.
    fn name(&self, path: &Path) -> Option<String> {
        let mut parts = Vec::new();
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let Component::Normal(part) = part else { return None };
            // A name that is no Unicode is covered by a pattern as any other.
            parts.push(part.to_string_lossy());
        }
        if parts.first().is_some_and(|first| UNCLAIMABLE_FOLDERS.contains(&first.as_ref())) {
            return None;
        }
        // The root is everything in it.
        let name = if parts.is_empty() { EVERYTHING.to_owned() } else { parts.join("/") };
        (!name.contains('\0')).then_some(name)
    }
}

/// Whether a server takes this name of a file. What it does not take nobody can hold.
pub(crate) fn is_claimable(name: &str) -> bool {
    name.len() <= MAX_PATH_BYTES && !name.contains(char::is_control) && !has_drive(name)
}

/// Says of which of these files nobody can be the holder.
pub(crate) fn explain_unclaimable(names: &[String]) -> Option<String> {
    let nobodys: Vec<&String> = names.iter().filter(|name| !is_claimable(name)).collect();
    let named = || plain(&format::list(&nobodys));
    (!nobodys.is_empty()).then(|| {
        format!("Nobody can hold {}: the name is too long, or has characters that no server takes.", named())
    })
}

/// What is asked about in place of a name that no server takes: a pattern that the name matches too.
pub(crate) fn claimable_pattern(name: &str) -> String {
    if name.len() > MAX_PATH_BYTES {
        // The folder that such a file is in, or one above it.
        let mut end = MAX_PATH_BYTES - 1;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        return name[..end]
            .rfind('/')
            .map_or_else(|| EVERYTHING.to_owned(), |at| claimable_pattern(&name[..=at]));
    }
    let any = |letter: char| if letter.is_control() { '?' } else { letter };
    let pattern: String = name.chars().map(any).collect();
    if has_drive(&pattern) { format!("?{}", &pattern[1..]) } else { pattern }
}

/// Whether it begins like `C:\` or `C:/`, which to a server is a place on a disk.
fn has_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn repository() -> (tempfile::TempDir, LinkedCheckout) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join("src/a.rs"), "").unwrap();
        let link = r#"{"projectId":"00000000-0000-0000-0000-000000000001"}"#;
        fs::write(root.join(".nexus.json"), link).unwrap();
        let checkout = LinkedCheckout::of(&root.join("src/new/deep.rs")).unwrap().unwrap();
        (folder, checkout)
    }

    #[test]
    fn a_file_is_named_from_the_root() {
        let (folder, checkout) = repository();
        let app = folder.path().join("app");
        assert_eq!(checkout.names(&app.join("src/a.rs")), ["src/a.rs"]);
        assert_eq!(checkout.names(&app.join("src/new/deep.rs")), ["src/new/deep.rs"]);
        assert_eq!(checkout.names(&app), ["**"]);
        assert_eq!(checkout.names(&app.join("src/nope/../a.rs")), ["src/a.rs"]);
        assert_eq!(checkout.names(&app.join("../app/./src//a.rs")), ["src/a.rs"]);
    }

    #[test]
    fn what_is_elsewhere_or_nobodys_has_no_name() {
        let (folder, checkout) = repository();
        let app = folder.path().join("app");
        for path in [
            folder.path().join("other.rs"),
            "/etc/passwd".into(),
            app.join(".git/config"),
            app.join(".nexus/x"),
        ] {
            assert_eq!(checkout.names(&path), [""; 0], "{path:?}");
        }
        assert!(LinkedCheckout::of(folder.path()).unwrap().is_none());
    }

    #[test]
    fn a_name_that_no_server_takes_has_one_that_covers_it() {
        for (name, asked) in [
            ("src/a\u{1}b.rs", "src/a?b.rs"),
            ("C:/a.rs", "?:/a.rs"),
            (&format!("src/{}", "a".repeat(2_000)), "src/"),
            (&"a".repeat(2_000), "**"),
        ] {
            assert!(!is_claimable(name) && is_claimable(&claimable_pattern(name)), "{name}");
            assert_eq!(claimable_pattern(name), asked);
        }
        assert!(is_claimable("src/[id] ä.rs"));
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_what_it_leads_to() {
        use std::os::unix::fs::symlink;
        let (folder, checkout) = repository();
        let app = folder.path().join("app");
        symlink(&app, folder.path().join("alias")).unwrap();
        symlink("a.rs", app.join("src/b.rs")).unwrap();
        symlink("/etc/passwd", app.join("src/c.rs")).unwrap();
        assert_eq!(checkout.names(&folder.path().join("alias/src/a.rs")), ["src/a.rs"]);
        assert_eq!(checkout.names(&app.join("src/b.rs")), ["src/a.rs", "src/b.rs"]);
        assert_eq!(checkout.names(&app.join("src/c.rs")), ["src/c.rs"]);
        let checkout = LinkedCheckout::of(&folder.path().join("alias/src/a.rs")).unwrap().unwrap();
        assert_eq!(checkout.names(&app.join("src/a.rs")), ["src/a.rs"]);
    }
}
