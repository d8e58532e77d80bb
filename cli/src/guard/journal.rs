//! What was let through while nobody could be asked: a file for each run and project, a line for each tool,
//! on disk before the tool is used. Once a server answers, what is free is taken and what is not is told.
//! A line is thrown away only after that.

use super::{
    decision::{self, Decision},
    holding::Holding,
    place::Place,
};
use crate::{
    config::link,
    context::Context,
    error::Error,
    output::words,
    run::{Actor, Key},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// Paths of one question to the cluster.
const MOST_AT_ONCE: usize = 1_000;

/// What was let through at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// When, in milliseconds of the Unix epoch.
    at: u64,
    /// The root of the repository.
    root: PathBuf,
    /// The files, by their names there.
    paths: Vec<String>,
    /// Why nobody could be asked.
    why: String,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// Free: this run's now.
    pub(crate) taken: Vec<String>,
    /// Somebody else's.
    pub(crate) held: Vec<Holding>,
}

impl Reconciled {
    /// Whether there was nothing.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.taken.is_empty() && self.held.is_empty()
    }
}

/// The journal of a run in a project.
pub(crate) struct Journal {
    folder: PathBuf,
    project: Uuid,
}

impl Journal {
    /// The journal of the run that acts. A session that was named by hand has one of its own.
    pub(crate) fn of(context: &Context<'_>, project: Uuid) -> Self {
        let key = match context.actor() {
            Actor::Run { key, .. } => Some(key.clone()),
            Actor::Session(id) => Some(Key::of_session(*id)),
            Actor::Engineer => Key::of_host("engineer", "default"),
        };
        let key = key.unwrap_or_else(|| Key::of_session(Uuid::nil()));
        Self { folder: context.records().folder_of(&key), project }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.journal", self.project))
    }

    /// Remembers what is let through.
    ///
    /// # Errors
    /// When it cannot be written to the disk.
    pub(crate) fn add(&self, place: &Place, paths: &[String], why: &str) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let line = Line { at, root: place.root.clone(), paths: paths.to_vec(), why: why.to_owned() };
        let mut text = serde_json::to_vec(&line).expect("a line has only text keys");
        text.push(b'\n');
        crate::config::atomic::make_private_folder(&self.folder)?;
        let _lock = self.lock()?;
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(self.file())?;
        file.write_all(&text)?;
        file.sync_all()
    }

    /// Held while a line is written, and while the file gets another name: never across a question.
    fn lock(&self) -> io::Result<File> {
        let lock = File::create(self.folder.join(format!("{}.journal-lock", self.project)))?;
        lock.lock()?;
        Ok(lock)
    }

    /// The files with lines; whoever writes from now on begins another one.
    fn taken_aside(&self) -> io::Result<Vec<PathBuf>> {
        let prefix = format!("{}.journal", self.project);
        if self.file().exists() {
            let _lock = self.lock()?;
            let aside = self.folder.join(format!("{prefix}.{}", Uuid::now_v7().simple()));
            match fs::rename(self.file(), aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let prefix = format!("{prefix}.");
        let is_ours =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        let mut files: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
        files.sort();
        Ok(files)
    }

    /// Takes what is free of what was let through, and finds what is not. Nothing is forgotten before.
    ///
    /// # Errors
    /// When the cluster says no, or nothing: all is kept for the next time.
    pub(crate) async fn reconcile(&self, context: &Context<'_>) -> Result<Reconciled, Error> {
        let files = self
            .taken_aside()
            .map_err(|error| Error::local(format!("cannot read {}: {error}", self.file().display())))?;
        let mut reconciled = Reconciled::default();
        for file in files {
            for (root, paths) in lines(&file) {
                let Ok(Some(place)) = Place::of(&root) else { continue };
                if place.project() != self.project {
                    continue;
                }
                for paths in paths.chunks(MOST_AT_ONCE) {
                    settle(context, &place, paths, &mut reconciled).await?;
                }
            }
            // It may be gone already: another hook of this run did the same.
            let _ = fs::remove_file(file);
        }
        Ok(reconciled)
    }
}

/// After a command that reached a server: what this run wrote while none answered is settled, and told.
pub(crate) async fn settle_up(context: &Context<'_>) {
    let Ok(Some(found)) = link::find() else { return };
    let journal = Journal::of(context, found.link.project_id);
    // What cannot be settled now is kept for the next command.
    let Ok(reconciled) = journal.reconcile(context).await else { return };
    for holding in &reconciled.held {
        let sentence = holding.sentence(context.out.clock());
        context.out.note(format_args!("WARNING: written while no server answered: {sentence}"));
    }
    if !reconciled.taken.is_empty() {
        let paths = words::list(&reconciled.taken);
        context.out.note(format_args!("Written while no server answered, and yours now: {paths}"));
    }
}

/// What is held is left out, and the rest tried again, since a claim takes all or none.
async fn settle(
    context: &Context<'_>,
    place: &Place,
    paths: &[String],
    reconciled: &mut Reconciled,
) -> Result<(), Error> {
    let mut left = paths.to_vec();
    while !left.is_empty() {
        match decision::decide(context, place, &left).await? {
            Decision::Mine => return Ok(()),
            Decision::Taken(taken) => {
                reconciled.taken.extend(taken);
                return Ok(());
            }
            Decision::Held(held) => {
                let before = left.len();
                left.retain(|path| !held.iter().any(|holding| holding.wanted == *path));
                reconciled.held.extend(held);
                if left.len() == before {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The paths of a journal by repository, each once. A line that was cut off by a crash came before its tool.
fn lines(file: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut found: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        let at = found.iter().position(|(root, _)| *root == line.root).unwrap_or_else(|| {
            found.push((line.root.clone(), Vec::new()));
            found.len() - 1
        });
        for path in line.paths {
            if !found[at].1.contains(&path) {
                found[at].1.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal, Place) {
        let folder = tempfile::tempdir().unwrap();
        let link = r#"{"projectId":"00000000-0000-0000-0000-000000000001"}"#;
        fs::write(folder.path().join(".nexus.json"), link).unwrap();
        let place = Place::of(folder.path()).unwrap().unwrap();
        let journal = Journal { folder: folder.path().join("runs"), project: place.project() };
        (folder, journal, place)
    }

    #[test]
    fn what_was_let_through_is_there_after_a_crash() {
        let (_folder, journal, place) = journal();
        journal.add(&place, &["a.rs".to_owned(), "b.rs".to_owned()], "nobody").unwrap();
        journal.add(&place, &["b.rs".to_owned(), "c.rs".to_owned()], "nobody").unwrap();
        OpenOptions::new().append(true).open(journal.file()).unwrap().write_all(b"{\"at\":1,\"ro").unwrap();
        assert_eq!(
            lines(&journal.file()),
            [(place.root, ["a.rs", "b.rs", "c.rs"].map(str::to_owned).to_vec())]
        );
    }

    #[test]
    fn what_is_written_while_it_is_read_is_kept() {
        let (_folder, journal, place) = journal();
        journal.add(&place, &["a.rs".to_owned()], "nobody").unwrap();
        let aside = journal.taken_aside().unwrap();
        journal.add(&place, &["b.rs".to_owned()], "nobody").unwrap();
        assert_eq!(aside.len(), 1);
        assert_eq!(lines(&aside[0])[0].1, ["a.rs"]);
        assert_eq!(lines(&journal.file())[0].1, ["b.rs"]);
        // Whoever reconciles died: both are found again.
        assert_eq!(journal.taken_aside().unwrap().len(), 2);
    }

    #[test]
    fn two_that_write_at_once_lose_nothing() {
        let (_folder, journal, place) = journal();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (journal, place) = (&journal, &place);
                scope.spawn(move || {
                    for number in 0..10 {
                        journal.add(place, &[format!("{thread}-{number}")], "nobody").unwrap();
                    }
                });
            }
        });
        assert_eq!(lines(&journal.file())[0].1.len(), 40);
    }
}
