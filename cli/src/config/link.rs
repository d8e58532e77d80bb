//! `.nexus.json` in the root of a repository: which project it is. Found from any folder below.

use crate::{
    confined::{ConfinedDir, Links},
    error::Error,
    git::{WorkTree, git_folder, read_git_file},
};
use nexus_api_types::project::Project;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The file in a repository's root that links it to a project.
pub(crate) const FILE_NAME: &str = ".nexus.json";

/// The content of a link file: the project that a repository belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    /// The id of the project.
    pub(crate) project_id: Uuid,
    /// Short name, for people who read the file and for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project_slug: Option<String>,
    /// Fields of other clients, which are kept.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Link {
    /// The project's name for people.
    pub(crate) fn name(&self) -> String {
        self.project_slug.clone().unwrap_or_else(|| self.project_id.to_string())
    }

    /// The settings of hooks in this repository, if there are any.
    pub(crate) fn hooks(&self) -> Option<&Value> {
        self.others.get("hooks")
    }
}

/// A link and the file that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct FoundLink {
    /// The content of the link file.
    pub(crate) link: Link,
    /// The path of the link file.
    pub(crate) path: PathBuf,
    /// The root of the repository, which paths are relative to.
    pub(crate) root: PathBuf,
    /// Links further down in the same work tree, which do not count.
    pub(crate) ignored: Vec<PathBuf>,
}

impl FoundLink {
    /// Says which links do not count, if there are any.
    pub(crate) fn warning(&self) -> Option<String> {
        let ignored: Vec<String> = self.ignored.iter().map(|path| path.display().to_string()).collect();
        (!ignored.is_empty()).then(|| {
            format!(
                "{} does not count: within one work tree it is the outermost {FILE_NAME} that says which project it \
                 is, which is {}",
                ignored.join(", "),
                self.path.display()
            )
        })
    }
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

/// Finds the link of a folder. Within a work tree of git the outermost counts: what is in a folder of a repository does
/// not decide whose project that folder is. Where there is no link in it, and outside of any, it is the nearest above.
/// In a worktree of git a link of the main one counts as if it stood in the worktree, since one that is not committed
/// stands only there; also where the worktree lies in a folder of the main one. Another repository in a folder of one
/// that is linked belongs to that, unless it has a link of its own.
///
/// # Errors
/// When the file cannot be read, leads elsewhere, or is not what it should be.
pub(crate) fn find_above(folder: &Path) -> Result<Option<FoundLink>, Error> {
    let tree = folder.ancestors().find_map(worktree);
    let trees: Vec<&Path> = folder.ancestors().filter(|root| WorkTree::at(root).is_some()).collect();
    let mut found: Option<Result<FoundLink, Error>> = None;
    let mut ignored: Vec<PathBuf> = Vec::new();
    for root in folder.ancestors() {
        if let Some(next) = link_of(root, tree.as_ref()).transpose() {
            ignored.extend(found.and_then(Result::ok).map(|inner| inner.path));
            found = Some(next);
        }
        let is_within = trees.iter().any(|tree| *tree != root && root.starts_with(tree));
        if found.is_some() && (trees.contains(&root) || !is_within) {
            break;
        }
    }
    Ok(found.transpose()?.map(|found| FoundLink { ignored, ..found }))
}

/// The link of the repository around the work tree that this folder is in, if there is one: a repository in a folder of
/// another one that is linked as well.
///
/// # Errors
/// The errors of [`find_above`].
pub(crate) fn find_around(folder: &Path) -> Result<Option<FoundLink>, Error> {
    let tree = folder.ancestors().find(|root| WorkTree::at(root).is_some());
    tree.and_then(Path::parent).map_or(Ok(None), find_above)
}

/// The link that stands in a folder, or in the same folder of the main worktree.
fn link_of(root: &Path, tree: Option<&(PathBuf, PathBuf)>) -> Result<Option<FoundLink>, Error> {
    if let Some(found) = read_in(root, root)? {
        return Ok(Some(found));
    }
    match tree.and_then(|(tree, main)| Some(main.join(root.strip_prefix(tree).ok()?))) {
        Some(main) => read_in(&main, root),
        None => Ok(None),
    }
}

/// A folder that is the root of a worktree, and the main one that it belongs to.
fn worktree(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let git = git_folder(root)?;
    // `commondir` says where all worktrees keep what they share: the `.git` of the main one, or a bare
    // repository beside them.
    let common = read_git_file(&git.join("commondir"))?;
    let common = fs::canonicalize(git.join(common.trim())).ok()?;
    Some((root.to_owned(), common.parent()?.to_owned()))
}

fn read_in(folder: &Path, root: &Path) -> Result<Option<FoundLink>, Error> {
    // A folder that cannot be opened, or a path that leads through a file: beneath it there is no link.
    let Ok(dir) = ConfinedDir::open(folder) else { return Ok(None) };
    let Some(text) = dir.read(Path::new(FILE_NAME), Links::Within)? else { return Ok(None) };
    let path = folder.join(FILE_NAME);
    let link = serde_json::from_str(&text).map_err(|error| {
        Error::local(format!("{} names no project: {error}", path.display()))
            .hint("run nexus project link SLUG to write it again")
    })?;
    Ok(Some(FoundLink { link, path, root: root.to_owned(), ignored: Vec::new() }))
}

/// Links the repository that the command runs in. Returns the path of the link file.
///
/// # Errors
/// When it cannot be written; it is then as it was.
pub(crate) fn write(project: &Project) -> Result<PathBuf, Error> {
    write_in(&root_of(&here()?), project)
}

/// Removes a link.
///
/// # Errors
/// When it cannot be removed, or is itself a link to somewhere.
pub(crate) fn remove(found: &FoundLink) -> Result<(), Error> {
    let folder = found.path.parent().unwrap_or(&found.root);
    ConfinedDir::of(folder)?.remove_file(Path::new(FILE_NAME)).map(drop)
}

/// The folder for the link of a folder: that of the link in force, else the root of the repository, else the folder
/// itself.
pub(crate) fn root_of(folder: &Path) -> PathBuf {
    let mut linked = None;
    for above in folder.ancestors() {
        if above.join(FILE_NAME).symlink_metadata().is_ok() {
            linked = Some(above);
        }
        if WorkTree::at(above).is_some() {
            return linked.unwrap_or(above).to_owned();
        }
    }
    let nearest = folder.ancestors().find(|above| above.join(FILE_NAME).symlink_metadata().is_ok());
    nearest.unwrap_or(folder).to_owned()
}

fn write_in(root: &Path, project: &Project) -> Result<PathBuf, Error> {
    let dir = ConfinedDir::of(root)?;
    let path = Path::new(FILE_NAME);
    // A file that says nothing useful is replaced: that is what linking again is for.
    let before = dir.read(path, Links::Refused)?.and_then(|text| serde_json::from_str::<Link>(&text).ok());
    let others = before.map(|link| link.others).unwrap_or_default();
    let link = Link { project_id: project.id, project_slug: Some(project.slug.clone()), others };
    let mut text = serde_json::to_string_pretty(&link).expect("a link has only text keys");
    text.push('\n');
    dir.write(path, &text, false)?;
    Ok(root.join(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api_types::{Moment, project::Case};

    fn project(slug: &str) -> Project {
        let moment = Moment::parse("2026-01-31T12:00:00Z").unwrap();
        Project {
            id: Uuid::from_u128(7),
            name: slug.to_uppercase(),
            slug: slug.to_owned(),
            repo_url: None,
            repo_path: None,
            default_branch: "main".to_owned(),
            case: Case::default(),
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
        // Its own values count.
        write_in(&inner, &project("own")).unwrap();
        assert_eq!(find_above(&inner).unwrap().unwrap().link.name(), "own");
        fs::remove_file(inner.join(FILE_NAME)).unwrap();
        // A link of a folder in the main one is that of the same folder in the worktree.
        fs::remove_file(root.path().join(FILE_NAME)).unwrap();
        fs::create_dir(root.path().join("app")).unwrap();
        write_in(&root.path().join("app"), &project("app")).unwrap();
        let found = find_above(&inner.join("app/src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root), ("app".to_owned(), inner.join("app")));
    }

    /// Makes a folder a repository.
    fn make_repository(root: &Path) {
        for folder in ["objects", "refs"] {
            fs::create_dir_all(root.join(".git").join(folder)).unwrap();
        }
        fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn outside_of_a_repository_the_nearest_link_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("vendor/inner");
        fs::create_dir_all(&inner).unwrap();
        write_in(root.path(), &project("outer")).unwrap();
        write_in(&inner, &project("inner")).unwrap();
        assert_eq!(find_above(&inner).unwrap().unwrap().link.name(), "inner");
    }

    #[test]
    fn within_a_work_tree_the_outermost_link_counts_and_the_others_are_named() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("src/deep");
        fs::create_dir_all(&deep).unwrap();
        make_repository(root.path());
        write_in(root.path(), &project("outer")).unwrap();
        write_in(&root.path().join("src"), &project("inner")).unwrap();
        fs::write(deep.join(FILE_NAME), "{oops").unwrap();
        let found = find_above(&deep).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root.as_path()), ("outer".to_owned(), root.path()));
        assert_eq!(found.ignored, [root.path().join("src").join(FILE_NAME)]);
        assert!(found.warning().unwrap().contains("src/.nexus.json does not count"));
        assert_eq!(root_of(&deep), root.path(), "linking again writes the one that counts");
        // A folder that only looks like a repository is none.
        fs::create_dir(root.path().join("src/.git")).unwrap();
        assert_eq!(find_above(&deep).unwrap().unwrap().link.name(), "outer");
        // Where the root has no link, the outermost that there is.
        fs::remove_file(root.path().join(FILE_NAME)).unwrap();
        assert_eq!(find_above(&deep).unwrap().unwrap().link.name(), "inner");
    }

    #[test]
    fn a_repository_in_a_folder_of_another_one_has_its_own_link_or_that_of_the_other() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("vendor/inner");
        fs::create_dir_all(inner.join("src")).unwrap();
        make_repository(root.path());
        make_repository(&inner);
        write_in(root.path(), &project("outer")).unwrap();
        let found = find_above(&inner.join("src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.root.as_path()), ("outer".to_owned(), root.path()));
        write_in(&inner, &project("inner")).unwrap();
        let found = find_above(&inner.join("src")).unwrap().unwrap();
        assert_eq!((found.link.name(), found.ignored), ("inner".to_owned(), Vec::new()));
        let around = find_around(&found.root).unwrap().unwrap();
        assert_eq!(around.link.name(), "outer");
        assert!(find_around(root.path()).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_is_a_link_to_somewhere_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        fs::create_dir(&root).unwrap();
        write_in(folder.path(), &project("others")).unwrap();
        std::os::unix::fs::symlink("../.nexus.json", root.join(FILE_NAME)).unwrap();
        let error = find_above(&root).unwrap_err().to_string();
        assert!(error.contains(".nexus.json leads to ../.nexus.json"), "{error}");
        assert!(write_in(&root, &project("mine")).is_err());
        assert!(fs::symlink_metadata(root.join(FILE_NAME)).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_link_keeps_nobody_waiting() {
        let root = tempfile::tempdir().unwrap();
        for name in [FILE_NAME, ".git"] {
            let made = std::process::Command::new("mkfifo").arg(root.path().join(name)).status().unwrap();
            assert!(made.success());
        }
        assert!(find_above(root.path()).unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn a_link_is_written_to_the_root_of_the_repository() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("src");
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(root_of(&deep), deep, "outside of a repository it is the folder itself");
        make_repository(root.path());
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
