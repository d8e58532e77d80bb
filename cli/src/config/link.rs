//! `.nexus.json` in the root of a repository: which project it is. Found from any folder below.

use super::atomic::{self, Readers};
use crate::error::Error;
use nexus_api_types::project::Project;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Its name.
pub(crate) const FILE_NAME: &str = ".nexus.json";

/// Which project a repository is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    /// Identity.
    pub(crate) project_id: Uuid,
    /// Short name, for people who read the file and for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project_slug: Option<String>,
    /// What other clients keep here.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Link {
    /// The project's name for people.
    pub(crate) fn name(&self) -> String {
        self.project_slug.clone().unwrap_or_else(|| self.project_id.to_string())
    }

    /// How hooks shall behave in this repository, if it says so.
    pub(crate) fn hooks(&self) -> Option<&Value> {
        self.others.get("hooks")
    }
}

/// A link and the file that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct FoundLink {
    /// What it says.
    pub(crate) link: Link,
    /// Where it says so.
    pub(crate) path: PathBuf,
    /// The root of the repository: what paths are relative to.
    pub(crate) root: PathBuf,
}

/// Finds the link of the folder that the command runs in.
///
/// # Errors
/// When the file cannot be read, or is not what it should be.
pub(crate) fn find() -> Result<Option<FoundLink>, Error> {
    find_above(&here()?)
}

fn here() -> Result<PathBuf, Error> {
    env::current_dir().map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))
}

/// Finds the link of a folder: the nearest above. In a worktree of git a link of the main one counts as if it
/// stood in the worktree, since one that is not committed stands only there; also where the worktree lies in a
/// folder of the main one. Another repository in a folder of one that is linked belongs to that.
///
/// # Errors
/// When the file cannot be read, or is not what it should be.
pub(crate) fn find_above(folder: &Path) -> Result<Option<FoundLink>, Error> {
    let tree = folder.ancestors().find_map(worktree);
    for root in folder.ancestors() {
        if let Some(found) = read_in(root, root)? {
            return Ok(Some(found));
        }
        if let Some((tree, main)) = &tree
            && let Ok(below) = root.strip_prefix(tree)
            && let Some(found) = read_in(&main.join(below), root)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A folder that is the root of a worktree, and the main one that it belongs to.
fn worktree(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let text = fs::read_to_string(root.join(".git")).ok()?;
    let git = root.join(text.strip_prefix("gitdir:")?.trim());
    // `commondir` says where all worktrees keep what they share: the `.git` of the main one, or a bare
    // repository beside them.
    let common = fs::read_to_string(git.join("commondir")).ok()?;
    let common = fs::canonicalize(git.join(common.trim())).ok()?;
    Some((root.to_owned(), common.parent()?.to_owned()))
}

fn read_in(folder: &Path, root: &Path) -> Result<Option<FoundLink>, Error> {
    let path = folder.join(FILE_NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // A path may lead through a file: beneath it there is no link.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::local(format!("cannot read {}: {error}", path.display()))),
    };
    let link = serde_json::from_str(&text).map_err(|error| {
        Error::local(format!("{} names no project: {error}", path.display()))
            .hint("run nexus project link SLUG to write it again")
    })?;
    Ok(Some(FoundLink { link, path, root: root.to_owned() }))
}

/// Links the repository that the command runs in; gives the file.
///
/// # Errors
/// When it cannot be written; it is then as it was.
pub(crate) fn write(project: &Project) -> Result<PathBuf, Error> {
    write_in(&root_of(&here()?), project)
}

/// The nearest folder that is linked already or is the root of a repository, else the folder itself.
fn root_of(folder: &Path) -> PathBuf {
    let marked = |above: &&Path| [FILE_NAME, ".git"].iter().any(|name| above.join(name).exists());
    folder.ancestors().find(marked).unwrap_or(folder).to_owned()
}

fn write_in(root: &Path, project: &Project) -> Result<PathBuf, Error> {
    let path = root.join(FILE_NAME);
    // A file that says nothing useful is replaced: that is what linking again is for.
    let before = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Link>(&text).ok());
    let others = before.map(|link| link.others).unwrap_or_default();
    let link = Link { project_id: project.id, project_slug: Some(project.slug.clone()), others };
    let mut text = serde_json::to_vec_pretty(&link).expect("a link has only text keys");
    text.push(b'\n');
    atomic::write(&path, &text, Readers::Everyone)
        .map_err(|error| Error::local(format!("cannot write {}: {error}", path.display())))?;
    Ok(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api_types::Moment;

    fn project(slug: &str) -> Project {
        let moment = Moment::parse("2026-01-31T12:00:00Z").unwrap();
        Project {
            id: Uuid::from_u128(7),
            name: slug.to_uppercase(),
            slug: slug.to_owned(),
            repo_url: None,
            repo_path: None,
            default_branch: "main".to_owned(),
            created_at: moment,
            updated_at: moment,
        }
    }

    #[test]
    fn a_link_is_found_from_any_folder_below() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("src/deep");
        fs::create_dir_all(&deep).unwrap();
        assert!(find_above(&deep).unwrap().is_none());
        let path = write_in(root.path(), &project("billing")).unwrap();
        let found = find_above(&deep).unwrap().unwrap();
        assert_eq!((found.link.name(), found.path), ("billing".to_owned(), path));
    }

    #[test]
    fn a_worktree_has_the_link_of_the_main_one() {
        let root = tempfile::tempdir().unwrap();
        let (main, other) = (root.path().join("main"), root.path().join("other"));
        let git = main.join(".git/worktrees/other");
        fs::create_dir_all(&git).unwrap();
        fs::create_dir_all(other.join("src")).unwrap();
        fs::write(git.join("commondir"), "../..\n").unwrap();
        fs::write(other.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
        assert!(find_above(&other).unwrap().is_none());
        write_in(&main, &project("billing")).unwrap();
        let found = find_above(&other.join("src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root), ("billing".to_owned(), other));
    }

    #[test]
    fn a_worktree_within_the_main_one_is_none_of_its_folders() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join(".worktrees/inner");
        let git = root.path().join(".git/worktrees/inner");
        fs::create_dir_all(&git).unwrap();
        fs::create_dir_all(inner.join("app/src")).unwrap();
        fs::write(git.join("commondir"), "../..\n").unwrap();
        fs::write(inner.join(".git"), format!("gitdir: {}\n", git.display())).unwrap();
        write_in(root.path(), &project("billing")).unwrap();
        let found = find_above(&inner.join("app/src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root), ("billing".to_owned(), inner.clone()));
        // A link of a folder in the main one is that of the same folder in the worktree.
        fs::create_dir(root.path().join("app")).unwrap();
        write_in(&root.path().join("app"), &project("app")).unwrap();
        let found = find_above(&inner.join("app/src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root), ("app".to_owned(), inner.join("app")));
        // What it says itself counts.
        write_in(&inner, &project("own")).unwrap();
        assert_eq!(find_above(&inner).unwrap().unwrap().link.name(), "own");
    }

    #[test]
    fn the_nearest_link_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("vendor/inner");
        fs::create_dir_all(&inner).unwrap();
        write_in(root.path(), &project("outer")).unwrap();
        write_in(&inner, &project("inner")).unwrap();
        assert_eq!(find_above(&inner).unwrap().unwrap().link.name(), "inner");
    }

    #[test]
    fn a_link_is_written_to_the_root_of_the_repository() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("src");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(root_of(&deep), deep, "outside of a repository it is the folder itself");
        fs::create_dir(root.path().join(".git")).unwrap();
        assert_eq!(root_of(&deep), root.path());
    }

    #[test]
    fn linking_again_keeps_what_other_clients_wrote() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILE_NAME);
        let before = r#"{"projectId":"00000000-0000-0000-0000-000000000001","hooks":true}"#;
        fs::write(&path, before).unwrap();
        write_in(root.path(), &project("billing")).unwrap();
        let link = find_above(root.path()).unwrap().unwrap().link;
        assert_eq!((link.project_id, link.others["hooks"].clone()), (Uuid::from_u128(7), Value::Bool(true)));
    }

    #[test]
    fn a_file_that_names_no_project_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(FILE_NAME), "{}").unwrap();
        let error = find_above(root.path()).unwrap_err();
        assert!(error.to_string().contains("names no project"), "{error}");
    }
}
