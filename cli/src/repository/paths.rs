//! Paths as the cluster names them: from the root of the repository, behind its links.

use super::spelling::{meant, real};
use crate::{config::link, error::Error};
use std::{
    env,
    path::{Component, Path, PathBuf},
};

/// A path as a person types it, in the folder they stand in, as the cluster names it: relative to the root
/// of the repository. Outside of a linked repository it is taken as it is.
///
/// # Errors
/// When it leads out of the repository.
pub(crate) fn from_root(typed: &str) -> Result<String, Error> {
    let Some(root) = link::find()?.map(|found| found.root) else {
        return Ok(typed.to_owned());
    };
    let here = env::current_dir()
        .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
    named(&root, &here, typed)
        .ok_or_else(|| Error::misused(format!("{typed} is outside of the repository {}", root.display())))
}

fn named(root: &Path, here: &Path, typed: &str) -> Option<String> {
    let (fixed, pattern) = parted(here, typed);
    let found = if fixed.is_empty() { vec![real(here)] } else { meant(here, Path::new(fixed)) };
    let root_behind_links = real(root);
    let mut behind_links = found.iter().filter_map(|path| {
        let whole = if pattern.is_empty() { path.clone() } else { path.join(pattern) };
        relative(&root_behind_links, &root_behind_links, whole.to_str()?)
    });
    // A link out of the repository is a file of it all the same.
    let path = behind_links.next().or_else(|| relative(root, here, typed))?;
    let is_folder = typed.ends_with('/') && !path.ends_with('/') && path != "**";
    Some(if is_folder { path + "/" } else { path })
}

/// The literal part of a path, and the pattern beneath it. Names such as `[id].tsx` can be literal.
fn parted<'a>(here: &Path, typed: &'a str) -> (&'a str, &'a str) {
    let is_pattern = |part: &str| part.contains(['*', '?', '[', '{']);
    if !is_pattern(typed) || here.join(typed).symlink_metadata().is_ok() {
        return (typed, "");
    }
    let mut from = 0;
    for part in typed.split_inclusive('/') {
        if is_pattern(part) {
            break;
        }
        from += part.len();
    }
    typed.split_at(from)
}

fn relative(root: &Path, here: &Path, typed: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let whole: PathBuf = here.join(typed);
    for part in whole.strip_prefix(root).ok()?.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?.to_owned()),
            Component::ParentDir => drop(parts.pop()?),
            _ => {}
        }
    }
    // A folder keeps its slash: it stands for all beneath it. The root itself is everything.
    let path = parts.join("/");
    Some(match (path.is_empty(), typed.ends_with('/')) {
        (true, _) => "**".to_owned(),
        (false, true) => path + "/",
        (false, false) => path,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_from_the_root_wherever_one_stands() {
        let path = |here: &str, typed: &str| named(Path::new("/r"), Path::new(here), typed);
        assert_eq!(path("/r/src/deep", "../db.rs").unwrap(), "src/db.rs");
        assert_eq!(path("/r/src", "auth/").unwrap(), "src/auth/");
        assert_eq!(path("/r/src", "**/*.rs").unwrap(), "src/**/*.rs");
        assert_eq!(path("/r/src", "../{a,b}/x.rs").unwrap(), "{a,b}/x.rs");
        assert_eq!(path("/r/src", "/r/a.rs").unwrap(), "a.rs");
        assert_eq!(path("/r/src", "nope/.././/a.rs").unwrap(), "src/a.rs");
        assert_eq!(path("/r/src", "file:///r/a%20b.rs").unwrap(), "a b.rs");
        assert_eq!(path("/r", ".").unwrap(), "**");
        assert_eq!(path("/r", "../x"), None);
        assert_eq!(path("/r", "/etc/passwd"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_root_behind_a_link_is_the_same_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        std::fs::create_dir_all(root.join("src")).unwrap();
        std::fs::write(root.join("src/a.rs"), "").unwrap();
        let alias = folder.path().join("alias");
        std::os::unix::fs::symlink("app", &alias).unwrap();
        std::os::unix::fs::symlink("a.rs", root.join("src/b.rs")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("src/c.rs")).unwrap();
        let path = |here: &Path, typed: &str| named(&root, here, typed).unwrap();
        for (typed, name) in
            [("src/a.rs", "src/a.rs"), ("src/b.rs", "src/a.rs"), ("src/*.rs", "src/*.rs"), ("src/", "src/")]
        {
            assert_eq!(path(&root, typed), name);
            assert_eq!(path(&root, &alias.join(typed).display().to_string()), name);
        }
        assert_eq!(path(&root, "src/c.rs"), "src/c.rs");
    }
}
