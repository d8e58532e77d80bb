//! `.nexus/active/<slug>/` in a repository: what whoever works on a feature reads, each feature in a
//! folder of its own. Made by pick, removed by done, release and cancel, never committed.

use super::SpecFile;
use crate::{
    config::{
        atomic::{self, Readers},
        link,
    },
    error::Error,
};
use nexus_api_types::{
    feature::Feature,
    knowledge::{Decision, Learning},
};
use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What Git must not see, as `.gitignore` says it.
const IGNORED: &str = ".nexus/active/";

/// Where features that are worked on are laid out.
pub(crate) struct Active {
    root: PathBuf,
}

impl Active {
    /// In the repository around this folder, if it is linked to that project.
    ///
    /// # Errors
    /// When the link cannot be read.
    pub(crate) fn of(project: Uuid) -> Result<Option<Self>, Error> {
        let found = link::find()?.filter(|found| found.link.project_id == project);
        // A worktree of git has a link in the main one, and its own root.
        Ok(found.map(|found| Self { root: found.root }))
    }

    fn folder(&self, slug: &str) -> PathBuf {
        self.root.join(".nexus").join("active").join(slug)
    }

    /// Lays out a feature; gives its folder.
    ///
    /// # Errors
    /// When the repository cannot be written to.
    pub(crate) fn lay_out(
        &self,
        feature: &Feature,
        learnings: &[Learning],
        decisions: &[Decision],
    ) -> Result<PathBuf, Error> {
        let folder = self.folder(&feature.slug);
        fs::create_dir_all(&folder)
            .and_then(|()| write(&folder, "spec.md", &SpecFile::of(feature).text()))
            .and_then(|()| write(&folder, "learnings.md", &learnings_text(learnings)))
            .and_then(|()| write(&folder, "decisions.md", &decisions_text(decisions)))
            .and_then(|()| ignore(&self.root))
            .map_err(|error| Error::local(format!("cannot write to {}: {error}", folder.display())))?;
        Ok(folder)
    }

    /// Writes anew what was learnt with a feature that is laid out.
    ///
    /// # Errors
    /// When the repository cannot be written to.
    pub(crate) fn add_learnings(&self, slug: &str, learnings: &[Learning]) -> Result<(), Error> {
        self.renew(slug, "learnings.md", &learnings_text(learnings))
    }

    /// Writes anew what was decided about a feature that is laid out.
    ///
    /// # Errors
    /// When the repository cannot be written to.
    pub(crate) fn add_decisions(&self, slug: &str, decisions: &[Decision]) -> Result<(), Error> {
        self.renew(slug, "decisions.md", &decisions_text(decisions))
    }

    /// Whether it is laid out.
    pub(crate) fn has(&self, slug: &str) -> bool {
        self.folder(slug).is_dir()
    }

    fn renew(&self, slug: &str, name: &str, text: &str) -> Result<(), Error> {
        let folder = self.folder(slug);
        write(&folder, name, text)
            .map_err(|error| Error::local(format!("cannot write to {}: {error}", folder.display())))
    }

    /// Removes what was laid out; what is not there is no fault.
    ///
    /// # Errors
    /// When the repository cannot be written to.
    pub(crate) fn remove(&self, slug: &str) -> Result<(), Error> {
        let folder = self.folder(slug);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::local(format!("cannot remove {}: {error}", folder.display())));
            }
            _ => {}
        }
        // Empty folders say nothing; full ones stay.
        for above in folder.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(above);
        }
        Ok(())
    }
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    atomic::write(&folder.join(name), text.as_bytes(), Readers::Everyone)
}

/// Adds the folder to `.gitignore`, once.
fn ignore(root: &Path) -> io::Result<()> {
    let path = root.join(".gitignore");
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let covers = |line: &str| {
        let line = line.trim().trim_start_matches('/').trim_end_matches(['/', '*']);
        line == ".nexus" || line == ".nexus/active"
    };
    if before.lines().any(covers) {
        return Ok(());
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    atomic::write(&path, format!("{before}{gap}{IGNORED}\n").as_bytes(), Readers::Everyone)
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

    #[test]
    fn the_folder_is_ignored_once_and_nothing_else_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(".gitignore");
        fs::write(&file, "target\n*.log").unwrap();
        ignore(root.path()).unwrap();
        ignore(root.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "target\n*.log\n.nexus/active/\n");
        fs::write(&file, "/.nexus/\n").unwrap();
        ignore(root.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "/.nexus/\n");
    }

    #[test]
    fn two_features_are_laid_out_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let active = Active { root: root.path().to_owned() };
        for slug in ["one", "two"] {
            fs::create_dir_all(active.folder(slug)).unwrap();
            fs::write(active.folder(slug).join("spec.md"), slug).unwrap();
        }
        active.remove("one").unwrap();
        active.remove("one").unwrap();
        assert!(!active.folder("one").exists() && active.folder("two").exists());
        active.remove("two").unwrap();
        assert!(!root.path().join(".nexus").exists(), "nothing is left");
    }
}
