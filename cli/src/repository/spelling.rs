//! The files that a path may mean, however it is spelled. Hosts pass on what a model wrote, and some change it before
//! they write: so every meaning counts that a program could give it. Reads no file.

use std::{
    collections::VecDeque,
    env,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

/// Links of one path that are followed, as many as Linux follows: more are a circle.
const MAX_LINKS: usize = 40;

/// The files that a path may mean in this folder: absolute, without links. The likeliest comes first.
pub(crate) fn meant(folder: &Path, spelled: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for path in spelled_out(folder, spelled) {
        // The system follows a link before it goes up from it; who tidies a path up first does not.
        for path in [real(&path), real(&normalized(&path))] {
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// The path as it stands, or as what it stands for.
fn spelled_out(folder: &Path, spelled: &Path) -> Vec<PathBuf> {
    let whole = folder.join(spelled);
    let Some(text) = spelled.to_str() else { return vec![whole] };
    if let Some(path) = of_url(text) {
        return vec![folder.join(path)];
    }
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let mut found = Vec::new();
    if let Some(path) = of_home(text) {
        found.push(path);
        // A folder may have that name.
        found.extend(is_there(&folder.join("~")).then_some(whole));
        return found;
    }
    // Where a file is not called so to the letter, one may be meant that some programs and systems call so.
    let others = if is_there(&whole) { Vec::new() } else { otherwise(text) };
    let others: Vec<PathBuf> =
        others.into_iter().map(|text| folder.join(text)).filter(|path| is_there(path)).collect();
    if others.is_empty() { vec![whole] } else { others }
}

/// The path of a URL such as `file:///r/a%20b.rs`; none where it is not one of a local file.
fn of_url(text: &str) -> Option<PathBuf> {
    let scheme = text.get(..5)?;
    if !scheme.eq_ignore_ascii_case("file:") {
        return None;
    }
    let url = reqwest::Url::parse(text).ok()?;
    // It names another machine, but programs that read it as a path leave that out.
    url.to_file_path().ok().or_else(|| {
        let mut url = url.clone();
        url.set_host(None).ok()?;
        url.to_file_path().ok()
    })
}

/// `~` and `~/a.rs`
fn of_home(text: &str) -> Option<PathBuf> {
    let rest = text.strip_prefix('~')?;
    let is_own = rest.is_empty() || rest.starts_with('/') || (cfg!(windows) && rest.starts_with('\\'));
    if !is_own {
        return None;
    }
    Some(env::home_dir()?.join(rest.trim_start_matches(['/', '\\'])))
}

/// Spellings that some programs, and Windows, take for another one: spaces around, dots and spaces at the end, the
/// other slash, a drive where another system shows it.
fn otherwise(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |other: String| {
        if other != text && !other.is_empty() && !found.contains(&other) {
            found.push(other);
        }
    };
    let trimmed = text.trim();
    add(trimmed.to_owned());
    let (above, name) = trimmed.rsplit_once('/').map_or(("", trimmed), |(above, name)| (above, name));
    let short = name.trim_end_matches(['.', ' ']);
    if !short.is_empty() {
        add(if above.is_empty() && !trimmed.starts_with('/') {
            short.to_owned()
        } else {
            format!("{above}/{short}")
        });
    }
    let slashes = trimmed.replace('\\', "/");
    if let [letter, b':', b'/', ..] = slashes.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        // Linux within Windows, and the shells of Git for Windows.
        let letter = char::from(letter.to_ascii_lowercase());
        add(format!("/mnt/{letter}{}", &slashes[2..]));
        add(format!("/{letter}{}", &slashes[2..]));
    }
    if let [b'/', letter, b'/', ..] = slashes.as_bytes()
        && cfg!(windows)
    {
        add(format!("{}:{}", char::from(*letter), &slashes[2..]));
    }
    add(slashes);
    found
}

/// The path without `.` and `..`, as a program reads it that does not follow links.
pub(crate) fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// An absolute path without links, as the system follows them. What does not exist has none, and `..` leads up from it
/// all the same.
pub(crate) fn real(path: &Path) -> PathBuf {
    if let Ok(found) = fs::canonicalize(path) {
        return found;
    }
    let mut pending: VecDeque<OsString> = VecDeque::new();
    let mut found = PathBuf::new();
    let mut links = 0;
    for part in path.components() {
        match part {
            Component::Prefix(_) | Component::RootDir => found.push(part),
            _ => pending.push_back(part.as_os_str().to_owned()),
        }
    }
    while let Some(part) = pending.pop_front() {
        if part == "." {
            continue;
        }
        if part == ".." {
            found.pop();
            continue;
        }
        found.push(&part);
        // Also one that leads to nothing: who writes there makes what it leads to.
        let Some(target) = fs::read_link(&found).ok().filter(|_| links < MAX_LINKS) else { continue };
        links += 1;
        found.pop();
        for part in target.components().rev() {
            match part {
                Component::Prefix(_) | Component::RootDir => {}
                _ => pending.push_front(part.as_os_str().to_owned()),
            }
        }
        if target.is_absolute() {
            found = target.components().take_while(|part| !matches!(part, Component::Normal(_))).collect();
        }
    }
    // Some systems know a file by more than one spelling of its folders.
    for above in found.ancestors() {
        if let Ok(known) = fs::canonicalize(above) {
            return match found.strip_prefix(above) {
                Ok(rest) if !rest.as_os_str().is_empty() => known.join(rest),
                _ => known,
            };
        }
    }
    found
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn repository() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap().join("app");
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::write(root.join("src/db.rs"), "").unwrap();
        fs::write(root.join("src/a b.rs"), "").unwrap();
        (folder, root)
    }

    #[test]
    fn any_spelling_of_a_file_is_that_file() {
        let (folder, root) = repository();
        symlink("app", folder.path().join("alias")).unwrap();
        symlink("src", root.join("source")).unwrap();
        let db = root.join("src/db.rs");
        let whole = |path: &str| format!("{}/{path}", root.display());
        for spelled in [
            "src/db.rs".to_owned(),
            "./src//db.rs".to_owned(),
            "src/./db.rs".to_owned(),
            "src/nope/../db.rs".to_owned(),
            "nope/nope/../../src/db.rs".to_owned(),
            "src/db.rs/nope/..".to_owned(),
            "src/db.rs.".to_owned(),
            "src/db.rs. .".to_owned(),
            " src/db.rs ".to_owned(),
            "src\\db.rs".to_owned(),
            "source/db.rs".to_owned(),
            "../alias/source/db.rs".to_owned(),
            whole("src/db.rs"),
            whole("nope/../src/db.rs"),
            format!("{}/src/db.rs", folder.path().join("alias").display()),
            format!("file://{}", whole("src/db.rs")),
            format!("FILE://localhost{}", whole("src/db.rs")),
            format!("file:{}", whole("src/%64b.rs")),
        ] {
            assert_eq!(meant(&root, Path::new(&spelled)), [db.as_path()], "{spelled:?}");
        }
        let spaced = format!("file://{}", whole("src/a%20b.rs"));
        assert_eq!(meant(&root, Path::new(&spaced)), [root.join("src/a b.rs")]);
        assert_eq!(meant(&root, Path::new("src/new.")), [root.join("src/new.")], "it is called so");
    }

    #[test]
    fn what_goes_up_from_behind_a_link_means_both_what_systems_and_what_hosts_make_of_it() {
        let (folder, root) = repository();
        fs::create_dir_all(folder.path().join("other/deep")).unwrap();
        symlink("../../other/deep", root.join("src/away")).unwrap();
        let other = fs::canonicalize(folder.path()).unwrap().join("other/db.rs");
        assert_eq!(meant(&root, Path::new("src/away/../db.rs")), [other, root.join("src/db.rs")]);
    }

    #[test]
    fn a_link_to_nothing_is_what_is_made_behind_it() {
        let (_folder, root) = repository();
        symlink("new.rs", root.join("src/link.rs")).unwrap();
        symlink("circle", root.join("src/circle")).unwrap();
        assert_eq!(meant(&root, Path::new("src/link.rs")), [root.join("src/new.rs")]);
        assert_eq!(meant(&root, Path::new("src/circle")), [root.join("src/circle")]);
    }

    #[test]
    fn a_file_in_the_home_folder_is_none_of_the_repository() {
        let (_folder, root) = repository();
        let home = real(&env::home_dir().unwrap());
        assert_eq!(meant(&root, Path::new("~/x.rs")), [home.join("x.rs")]);
        fs::create_dir(root.join("~")).unwrap();
        assert_eq!(meant(&root, Path::new("~/x.rs")), [home.join("x.rs"), root.join("~/x.rs")]);
        assert_eq!(meant(&root, Path::new("~x.rs")), [root.join("~x.rs")]);
    }
}
