//! Paths as the cluster names them: from the root of the repository, behind its links.
//!
//! A typed path follows the rule of git: it is relative to the current folder, and `:/` stands for the root. Where no
//! file is called so, a backslash separates folders, and a comma separates paths.

use super::spelling::{meant, real};
use crate::{config::link, error::Error};
use std::{
    env,
    path::{Component, Path, PathBuf},
};

/// The beginning of a path that stands for the root of the repository, as in git.
const TOP: &str = ":/";

/// Paths as a person types them, in the folder they stand in, as the cluster names them: relative to the root of the
/// repository. Outside of a linked repository they are taken as they are.
///
/// # Errors
/// When one leads out of the repository.
pub(crate) fn from_here(typed: &[String]) -> Result<Vec<String>, Error> {
    let Some(root) = root()? else { return Ok(typed.to_vec()) };
    all_named(&root, &here()?, typed)
}

/// The same for paths in a file, such as the front matter of a spec: they are relative to the root, wherever the file
/// is read.
///
/// # Errors
/// As [`from_here`].
pub(crate) fn from_root(written: &[String]) -> Result<Vec<String>, Error> {
    let Some(root) = root()? else { return Ok(written.to_vec()) };
    all_named(&root, &root, written)
}

/// A path that the cluster named, as it is typed in the current folder; in a hook of git, in the folder that git was
/// called in.
pub(crate) fn as_typed(name: &str) -> String {
    let is_below = env::var_os("GIT_PREFIX").is_some_and(|prefix| !prefix.is_empty());
    let is_at_root = match (root(), here()) {
        _ if is_below => false,
        (Ok(Some(root)), Ok(here)) => real(&root) == real(&here),
        _ => true,
    };
    if is_at_root { name.to_owned() } else { format!("{TOP}{name}") }
}

/// The root of the linked repository.
pub(super) fn root() -> Result<Option<PathBuf>, Error> {
    Ok(link::find()?.map(|found| found.root))
}

fn here() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))
}

fn all_named(root: &Path, here: &Path, typed: &[String]) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for path in typed.iter().flat_map(|typed| separated(root, here, typed)) {
        let name = named(root, here, path).ok_or_else(|| {
            Error::misused(format!("{path} is outside of the repository {}", root.display()))
                .hint("paths are relative to the current folder, or after :/ to the root of the repository")
        })?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The folder that a typed path is relative to, and the rest of it.
fn based<'a>(root: &'a Path, here: &'a Path, typed: &'a str) -> (&'a Path, &'a str) {
    match typed.strip_prefix(TOP) {
        Some("") => (root, "."),
        Some(rest) => (root, rest),
        None => (here, typed),
    }
}

/// The paths of a list such as `a.rs,b.rs`; one path where a file is called so, or within brackets.
fn separated<'a>(root: &Path, here: &Path, typed: &'a str) -> Vec<&'a str> {
    let (base, rest) = based(root, here, typed);
    if !typed.contains(',') || is_there(base, rest) {
        return vec![typed];
    }
    let mut depth = 0_usize;
    let parts = typed.split(|letter: char| {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    let parts: Vec<&str> = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { vec![typed] } else { parts }
}

fn is_there(folder: &Path, path: &str) -> bool {
    folder.join(path).symlink_metadata().is_ok()
}

fn named(root: &Path, here: &Path, typed: &str) -> Option<String> {
    let (here, typed) = based(root, here, typed);
    let with_slashes = typed.replace('\\', "/");
    let typed = if is_there(here, typed) { typed } else { with_slashes.as_str() };
    let (fixed, pattern) = parted(here, typed);
    let found = if fixed.is_empty() { vec![real(here)] } else { meant(here, Path::new(fixed)) };
    let root_behind_links = real(root);
    let mut behind_links = found.iter().filter_map(|path| {
        let whole = if pattern.is_empty() { path.clone() } else { path.join(pattern) };
        relative(&root_behind_links, &root_behind_links, whole.to_str()?)
    });
    // A link out of the repository is a file of it all the same.
    let path = behind_links.next().or_else(|| relative(root, here, typed))?;
    // Without its slash it would be a file of that name.
    let is_folder = typed.ends_with('/') || root.join(&path).symlink_metadata().is_ok_and(|it| it.is_dir());
    Some(if is_folder && !path.ends_with('/') && path != "**" { path + "/" } else { path })
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

    #[test]
    fn the_root_is_named_as_for_git_and_every_system_separates_folders() {
        let path = |here: &str, typed: &str| named(Path::new("/r"), Path::new(here), typed);
        assert_eq!(path("/r/src", ":/docs/a.md").unwrap(), "docs/a.md");
        assert_eq!(path("/r/src", ":/").unwrap(), "**");
        assert_eq!(path("/r/src", ":/../x"), None);
        assert_eq!(path("/r", "src\\db.rs").unwrap(), "src/db.rs");
        assert_eq!(path("/r/src", "..\\docs\\").unwrap(), "docs/");
        assert_eq!(path("/r", "src\\**\\*.rs").unwrap(), "src/**/*.rs");
    }

    #[test]
    fn commas_separate_paths_where_no_file_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("src")).unwrap();
        std::fs::write(root.join("src/x,y.rs"), "").unwrap();
        let names = |here: &Path, typed: &[&str]| {
            all_named(root, here, &typed.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(names(root, &["a.rs,b.rs", "a.rs, c.rs,"]), ["a.rs", "b.rs", "c.rs"]);
        assert_eq!(names(root, &["src/x,y.rs", ":/src/x,y.rs"]), ["src/x,y.rs"]);
        assert_eq!(names(root, &["src/{a,b}.rs,c[,].rs"]), ["src/{a,b}.rs", "c[,].rs"]);
        assert_eq!(names(&root.join("src"), &["a.rs,:/b.rs"]), ["src/a.rs", "b.rs"]);
        assert_eq!(names(root, &["src"]), ["src/"], "a folder is all beneath it");
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
