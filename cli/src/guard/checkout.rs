//! A checkout that is linked to a project, and the names that the cluster knows its files by. Sends no request.

use crate::{
    config::link::{self, FoundLink, Link},
    error::Error,
    repository::{normalized, real},
    text::{format, plain},
};
use std::{
    fs,
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

/// Bytes of the longest path that a server takes.
const MAX_PATH_BYTES: usize = 1_024;

/// The pattern of all files in a repository.
pub(crate) const EVERYTHING: &str = "**";

/// Folders in the root of a repository whose files nobody can claim: those of git and of Nexus.
pub(crate) const UNCLAIMABLE_FOLDERS: [&str; 2] = [".git", ".nexus"];

/// A checkout of a repository that is linked to a project.
#[derive(Clone, Debug)]
pub(crate) struct LinkedCheckout {
    /// The content of its link file.
    pub(crate) link: Link,
    /// Its root, without symbolic links.
    pub(crate) root: PathBuf,
    /// A warning about link files further down, which do not count.
    pub(crate) warning: Option<String>,
}

impl LinkedCheckout {
    /// The checkout that a folder or a file is in; the path need not exist; `None` if it is not linked.
    ///
    /// # Errors
    /// When its link cannot be read.
    pub(crate) fn of(path: &Path) -> Result<Option<Self>, Error> {
        let real = real(path);
        // A symbolic link to a file elsewhere may itself be in a linked repository.
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

    /// The checkout of another project around this one; `None` if the one around it has the same project, or there is
    /// none.
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

    /// The names of a file from the root: that of the file that is written and, where it is behind a symbolic link, the
    /// one that it was called by; `None` for a file outside, or one that nobody can claim.
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

    /// The name of a path that has no symbolic links.
    fn name(&self, path: &Path) -> Option<String> {
        let mut parts = Vec::new();
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let Component::Normal(part) = part else { return None };
            // A pattern covers names that are not Unicode as well.
            parts.push(part.to_string_lossy());
        }
        if parts.first().is_some_and(|first| UNCLAIMABLE_FOLDERS.contains(&first.as_ref())) {
            return None;
        }
        // The root stands for everything in it.
        let name = if parts.is_empty() { EVERYTHING.to_owned() } else { parts.join("/") };
        (!name.contains('\0')).then_some(name)
    }
}

/// Whether a server takes this name of a file. Nobody can hold a file with another name.
pub(crate) fn is_claimable(name: &str) -> bool {
    name.len() <= MAX_PATH_BYTES && !name.contains(char::is_control) && !has_drive(name)
}

/// A sentence that names those of these files that nobody can hold; none if there are none.
pub(crate) fn explain_unclaimable(names: &[String]) -> Option<String> {
    let nobodys: Vec<&String> = names.iter().filter(|name| !is_claimable(name)).collect();
    let named = || plain(&format::list(&nobodys));
    (!nobodys.is_empty()).then(|| {
        format!("Nobody can hold {}: the name is too long, or has characters that no server takes.", named())
    })
}

/// The pattern to ask about in place of a name that no server takes. The name matches it.
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

/// Whether it begins like `C:\` or `C:/`, which a server takes for an absolute path.
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
