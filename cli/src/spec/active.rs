//! `.nexus/active/<slug>/` in a repository: the texts of a feature for the agent that works on it, in a folder for each
//! feature. Pick creates it, and done, release and cancel remove it. It is never committed: a `.gitignore` of its own
//! says so, and no file of the repository is changed.

use super::SpecFile;
use crate::{
    args::values,
    config::link,
    confined::{ConfinedDir, Links},
    error::Error,
};
use nexus_api_types::{
    feature::Feature,
    knowledge::{Decision, Learning},
};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The folder of all features.
const FOLDER: &str = ".nexus/active";

/// The file that keeps the folder and itself out of commits, in each work tree by itself.
const IGNORE_FILE: &str = ".nexus/active/.gitignore";

/// The text of that file: a pattern for everything.
const IGNORE_ALL: &str = "*\n";

/// The files of a feature: nothing else is written, and nothing else is removed.
const FILES: [&str; 3] = ["spec.md", "learnings.md", "decisions.md"];

/// The folder with the files of features that are being worked on.
pub(crate) struct Active {
    root: PathBuf,
}

impl Active {
    /// The folder in the repository around the current folder, if that is linked to the project.
    ///
    /// # Errors
    /// When the link cannot be read.
    pub(crate) fn of(project: Uuid) -> Result<Option<Self>, Error> {
        let found = link::find()?.filter(|found| found.link.project_id == project);
        // A worktree of git has a link in the main one, and its own root.
        Ok(found.map(|found| Self { root: found.root }))
    }

    fn dir(&self) -> Result<ConfinedDir, Error> {
        ConfinedDir::of(&self.root)
    }

    /// Writes the files of a feature. Returns its folder.
    ///
    /// # Errors
    /// When the repository cannot be written to, or a link is in the way.
    pub(crate) fn lay_out(
        &self,
        feature: &Feature,
        learnings: &[Learning],
        decisions: &[Decision],
    ) -> Result<PathBuf, Error> {
        let (dir, folder) = (self.dir()?, folder(&feature.slug)?);
        // First: what git does not ignore would be committed.
        ignore(&dir)?;
        let texts = [SpecFile::of(feature).text(), learnings_text(learnings), decisions_text(decisions)];
        for (name, text) in FILES.iter().zip(texts) {
            dir.write(&folder.join(name), &text, false)?;
        }
        // Another command may have removed it, with what was the last feature then.
        ignore(&dir)?;
        Ok(self.root.join(folder))
    }

    /// Rewrites the learnings of a feature that is laid out.
    ///
    /// # Errors
    /// When the repository cannot be written to, or a link is in the way.
    pub(crate) fn add_learnings(&self, slug: &str, learnings: &[Learning]) -> Result<(), Error> {
        self.dir()?.write(&folder(slug)?.join(FILES[1]), &learnings_text(learnings), false)
    }

    /// Rewrites the decisions about a feature that is laid out.
    ///
    /// # Errors
    /// When the repository cannot be written to, or a link is in the way.
    pub(crate) fn add_decisions(&self, slug: &str, decisions: &[Decision]) -> Result<(), Error> {
        self.dir()?.write(&folder(slug)?.join(FILES[2]), &decisions_text(decisions), false)
    }

    /// Whether it is laid out.
    pub(crate) fn has(&self, slug: &str) -> bool {
        let (Ok(dir), Ok(folder)) = (self.dir(), folder(slug)) else { return false };
        dir.is_folder(&folder)
    }

    /// Removes the files that were laid out; missing ones are ignored. Returns the folder if it stays, since there are
    /// files in it that others wrote.
    ///
    /// # Errors
    /// When the repository cannot be written to, or a link is in the way.
    pub(crate) fn remove(&self, slug: &str) -> Result<Option<PathBuf>, Error> {
        let (dir, folder) = (self.dir()?, folder(slug)?);
        for name in FILES {
            dir.remove_file(&folder.join(name))?;
        }
        // Empty folders say nothing; full ones stay.
        let stays = !dir.remove_empty_folder(&folder) && dir.has(&folder);
        dir.remove_file(Path::new(IGNORE_FILE))?;
        for above in folder.ancestors().skip(1).take(2) {
            dir.remove_empty_folder(above);
        }
        if dir.is_folder(Path::new(FOLDER)) {
            // There are other features.
            ignore(&dir)?;
        }
        Ok(stays.then(|| self.root.join(folder)))
    }
}

/// The folder of a feature, from the root of the repository.
///
/// # Errors
/// When the slug is none, and could lead elsewhere.
fn folder(slug: &str) -> Result<PathBuf, Error> {
    let slug = values::slug(slug)
        .map_err(|problem| Error::local(format!("the server calls the feature {slug:?}, which {problem}")))?;
    Ok(Path::new(FOLDER).join(slug))
}

/// Keeps the folder out of commits.
fn ignore(dir: &ConfinedDir) -> Result<(), Error> {
    let path = Path::new(IGNORE_FILE);
    // Git itself follows no link from there.
    if dir.read(path, Links::Refused)?.as_deref() == Some(IGNORE_ALL) {
        return Ok(());
    }
    dir.write(path, IGNORE_ALL, false)
}

fn learnings_text(learnings: &[Learning]) -> String {
    let mut text = "# Learnings\n".to_owned();
    for learning in learnings {
        text += &format!(
            "\n## {} by {}\n\n{}\n",
            learning.created_at,
            learning.engineer_name,
            learning.content.trim_end()
        );
    }
    if learnings.is_empty() {
        text += "\nNone yet: nexus learn \"…\" adds one.\n";
    }
    text
}

fn decisions_text(decisions: &[Decision]) -> String {
    let mut text = "# Decisions\n".to_owned();
    for decision in decisions {
        text += &format!("\n## {}\n\n{}\n", decision.title, decision.decision.trim_end());
        let more = [("Why", &decision.rationale), ("Instead of", &decision.alternatives)];
        for (name, more) in more {
            if let Some(more) = more {
                text += &format!("\n{name}: {}\n", more.trim_end());
            }
        }
        text += &format!("\n{} by {}\n", decision.created_at, decision.engineer_name);
    }
    if decisions.is_empty() {
        text += "\nNone yet: nexus decision TITLE DECISION records one.\n";
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    use std::fs;

    fn feature(slug: &str) -> Feature {
        let text = serde_json::json!({ "id": Uuid::from_u128(1), "projectId": Uuid::from_u128(2), "slug": slug,
            "title": slug, "spec": "what is to be done", "lane": "now", "status": "active", "priority": 1,
            "touches": [], "reads": [], "dependsOn": [], "createdBy": Uuid::from_u128(3),
            "createdAt": "2026-01-31T12:00:00.000Z", "updatedAt": "2026-01-31T12:00:00.000Z" });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn git_sees_nothing_of_it_and_no_file_of_the_repository_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            let ended = git.arg("-C").arg(root.path()).args(args).output().unwrap();
            assert!(ended.status.success(), "{ended:?}");
            String::from_utf8(ended.stdout).unwrap()
        };
        git(&["init", "-q"]);
        fs::write(root.path().join(".gitignore"), "target").unwrap();
        git(&["add", ".gitignore"]);
        let before = git(&["status", "--porcelain", "--untracked-files=all"]);
        let active = Active { root: root.path().to_owned() };
        for slug in ["one", "two"] {
            active.lay_out(&feature(slug), &[], &[]).unwrap();
        }
        let seen = || git(&["status", "--porcelain", "--untracked-files=all"]);
        assert_eq!(seen(), before);
        active.remove("one").unwrap();
        assert_eq!(seen(), before, "the other one is ignored still");
        active.remove("two").unwrap();
        assert_eq!(fs::read_to_string(root.path().join(".gitignore")).unwrap(), "target");
    }

    #[test]
    fn two_features_are_laid_out_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let active = Active { root: root.path().to_owned() };
        for slug in ["one", "two"] {
            active.lay_out(&feature(slug), &[], &[]).unwrap();
        }
        assert_eq!(active.remove("one").unwrap(), None);
        assert_eq!(active.remove("one").unwrap(), None);
        assert!(!active.has("one") && active.has("two"));
        active.remove("two").unwrap();
        assert!(!root.path().join(".nexus").exists(), "nothing is left");
    }

    #[test]
    fn a_file_that_somebody_put_beside_them_stays() {
        let root = tempfile::tempdir().unwrap();
        let active = Active { root: root.path().to_owned() };
        let folder = active.lay_out(&feature("one"), &[], &[]).unwrap();
        fs::write(folder.join("notes.md"), "mine").unwrap();
        assert_eq!(active.remove("one").unwrap(), Some(folder.clone()));
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.md"]);
    }

    #[test]
    fn an_invalid_slug_leads_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let active = Active { root: root.path().to_owned() };
        for slug in ["..", "../x", "a/b", "/tmp", "", "."] {
            assert!(active.lay_out(&feature(slug), &[], &[]).is_err(), "{slug:?}");
            assert!(active.remove(slug).is_err() && !active.has(slug), "{slug:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_repository_leads_nothing_out_of_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        fs::create_dir_all(root.join(".nexus")).unwrap();
        fs::create_dir(folder.path().join("documents")).unwrap();
        fs::write(folder.path().join("documents/spec.md"), "mine").unwrap();
        fs::write(folder.path().join("config.json"), "a key").unwrap();
        let active = Active { root: root.clone() };

        symlink("../..", root.join(".nexus/active")).unwrap();
        for error in [
            active.lay_out(&feature("documents"), &[], &[]).unwrap_err().to_string(),
            active.remove("documents").unwrap_err().to_string(),
            active.add_learnings("documents", &[]).unwrap_err().to_string(),
        ] {
            assert!(error.starts_with(".nexus/active leads to ../.."), "{error}");
        }
        assert!(!active.has("documents"));
        assert_eq!(fs::read_to_string(folder.path().join("documents/spec.md")).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path().join("documents")).unwrap().count(), 1);

        fs::remove_file(root.join(".nexus/active")).unwrap();
        fs::create_dir(root.join(".nexus/active")).unwrap();
        symlink("../../../config.json", root.join(IGNORE_FILE)).unwrap();
        let error = active.lay_out(&feature("documents"), &[], &[]).unwrap_err().to_string();
        assert!(error.starts_with(".nexus/active/.gitignore leads to ../../../config.json"), "{error}");
        assert!(fs::symlink_metadata(root.join(IGNORE_FILE)).unwrap().is_symlink());
        assert!(!root.join(".nexus/active/documents").exists(), "what git would not ignore is not laid out");
    }
}
