//! Tests with a repository that has hostile content.

#![allow(clippy::unwrap_used)]

use super::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

/// A repository in a folder with something of the person's own beside it.
fn repository() -> (tempfile::TempDir, PathBuf, ConfinedDir) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    fs::create_dir_all(root.join("src")).unwrap();
    fs::create_dir(folder.path().join("documents")).unwrap();
    fs::write(folder.path().join("documents/mine.md"), "mine").unwrap();
    let dir = ConfinedDir::open(&root).unwrap();
    (folder, root, dir)
}

fn read(dir: &ConfinedDir, path: &str, links: Links) -> Result<Option<String>, String> {
    dir.read(Path::new(path), links).map_err(|error| error.to_string())
}

#[test]
fn a_link_that_leads_out_is_refused_and_named_with_where_it_leads() {
    let (folder, root, dir) = repository();
    symlink("../documents/mine.md", root.join("a.md")).unwrap();
    symlink(folder.path().join("documents"), root.join("docs")).unwrap();
    symlink("../app/../documents", root.join("round")).unwrap();
    for links in [Links::Refused, Links::Within] {
        for (path, named) in
            [("a.md", "../documents/mine.md"), ("docs/mine.md", "documents"), ("round/mine.md", "documents")]
        {
            let error = read(&dir, path, links).unwrap_err();
            assert!(error.contains("leads to") && error.contains(named), "{path}: {error}");
        }
    }
    for path in ["a.md", "docs/mine.md", "docs/new.md", "round/mine.md"] {
        let path = Path::new(path);
        assert!(dir.write(path, "theirs", false).is_err(), "{path:?}");
        assert!(dir.remove_file(path).is_err(), "{path:?}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("documents/mine.md")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path().join("documents")).unwrap().count(), 1);
}

#[test]
fn a_path_with_dots_does_not_lead_out_either() {
    let (_folder, _, dir) = repository();
    for path in ["../documents/mine.md", "src/../../documents/mine.md", "/etc/hostname"] {
        for links in [Links::Refused, Links::Within] {
            assert!(read(&dir, path, links).is_err(), "{path}");
        }
        assert!(dir.write(Path::new(path), "theirs", false).is_err(), "{path}");
        assert!(dir.make_folder(Path::new(path)).is_err(), "{path}");
    }
}

#[test]
fn a_link_within_the_repository_is_followed_where_that_is_wanted() {
    let (_folder, root, dir) = repository();
    fs::write(root.join("CLAUDE.md"), "guide").unwrap();
    symlink("CLAUDE.md", root.join("AGENTS.md")).unwrap();
    symlink(root.join("CLAUDE.md"), root.join("src/GEMINI.md")).unwrap();
    symlink("missing.md", root.join("new.md")).unwrap();
    for path in ["AGENTS.md", "src/GEMINI.md"] {
        assert_eq!(read(&dir, path, Links::Within).unwrap().unwrap(), "guide");
        assert!(read(&dir, path, Links::Refused).is_err());
        assert_eq!(dir.resolve(Path::new(path)).unwrap(), Path::new("CLAUDE.md"));
    }
    assert_eq!(dir.resolve(Path::new("new.md")).unwrap(), Path::new("missing.md"));
}

#[test]
fn what_is_gits_own_is_behind_no_link() {
    let (_folder, root, dir) = repository();
    fs::create_dir_all(root.join(".git/hooks")).unwrap();
    symlink(".git/hooks/pre-commit", root.join("AGENTS.md")).unwrap();
    symlink(".GIT", root.join("docs")).unwrap();
    for path in ["AGENTS.md", "docs/config"] {
        let error = dir.resolve(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains("leads to"), "{error}");
    }
}

#[test]
fn links_in_a_circle_end() {
    let (_folder, root, dir) = repository();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    assert!(read(&dir, "a", Links::Within).is_err() && read(&dir, "a/x", Links::Within).is_err());
}

#[test]
fn a_pipe_or_a_folder_in_place_of_a_file_keeps_nobody_waiting() {
    let (_folder, root, dir) = repository();
    assert!(std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
    for path in ["pipe", "src"] {
        assert!(read(&dir, path, Links::Within).unwrap_err().contains("no regular file"), "{path}");
        assert!(dir.write(Path::new(path), "x", false).is_err() && dir.remove_file(Path::new(path)).is_err());
    }
    fs::write(root.join("file"), "").unwrap();
    assert_eq!(read(&dir, "file/below", Links::Within), Ok(None));
    fs::File::create(root.join("huge")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(read(&dir, "huge", Links::Refused).unwrap_err().contains("longer than"));
}

#[test]
fn a_file_with_two_names_is_replaced_under_one_and_keeps_its_mode() {
    let (folder, root, dir) = repository();
    let own = folder.path().join("documents/mine.md");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&own, root.join(".gitignore")).unwrap();
    dir.write(Path::new(".gitignore"), "theirs", false).unwrap();
    assert_eq!(fs::read_to_string(&own).unwrap(), "mine");
    let mode = fs::metadata(root.join(".gitignore")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn folders_are_made_on_the_way_and_only_empty_ones_are_removed() {
    let (_folder, root, dir) = repository();
    let made = dir.make_folder(Path::new("src/new/deep")).unwrap();
    assert_eq!(made, [Path::new("src/new"), Path::new("src/new/deep")]);
    dir.write(Path::new("src/new/deep/a.sh"), "x", true).unwrap();
    assert_eq!(fs::metadata(root.join("src/new/deep/a.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!dir.remove_empty_folder(Path::new("src/new/deep")));
    assert!(dir.remove_file(Path::new("src/new/deep/a.sh")).unwrap());
    assert!(!dir.remove_file(Path::new("src/new/deep/a.sh")).unwrap());
    assert!(dir.remove_empty_folder(Path::new("src/new/deep")) && dir.is_folder(Path::new("src/new")));
}
