//! The writes that were let through while no server answered: a file for each run and project, and a line for each
//! tool, on disk before the tool is used. Once a server answers, free files are claimed and held ones are reported, and
//! only then is a line removed. The next run of the project takes over the journal of a run that ended.

use super::{
    checkout::LinkedCheckout,
    held_file::HeldFile,
    write_access::{self, WriteAccess},
};
use crate::{
    agent_run::{
        Actor, RunKey, RunRecords,
        journal_file::{ENDING, is_journal},
    },
    config::{atomic, link, stored::StoredPath},
    context::Context,
    error::Error,
    text::format,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// Paths of one check of the cluster.
const MOST_AT_ONCE: usize = 1_000;

/// One write of a tool that was let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// When it was let through, in milliseconds of the Unix epoch.
    at: u64,
    /// The root of the repository.
    root: StoredPath,
    /// The files, by their names in the repository.
    paths: Vec<String>,
    /// Why no server could be asked.
    why: String,
}

/// The result of a reconciliation with the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reconciled {
    /// Files that were free, and that this run holds now.
    pub(crate) taken: Vec<String>,
    /// Files that another session holds by now.
    pub(crate) held: Vec<HeldFile>,
}

impl Reconciled {
    /// Whether it found neither.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.taken.is_empty() && self.held.is_empty()
    }
}

/// The journal of a run in a project.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    project: Uuid,
}

impl Journal {
    /// The journal of the run that acts. A session that a person named has a journal of its own.
    pub(crate) fn of(context: &Context<'_>, project: Uuid) -> Self {
        let key = match context.actor() {
            Actor::AgentRun { key, .. } => Some(key.clone()),
            Actor::Session(id) => Some(RunKey::of_session(*id)),
            Actor::Engineer => RunKey::of_host("engineer", "default"),
        };
        let key = key.unwrap_or_else(|| RunKey::of_session(Uuid::nil()));
        Self::of_run(&context.records(), &key, project)
    }

    /// The journal of a run.
    pub(crate) fn of_run(records: &RunRecords, key: &RunKey, project: Uuid) -> Self {
        Self { folder: records.folder_of(key), project }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}{ENDING}", self.project))
    }

    /// Adds a write that is let through, before it happens.
    ///
    /// # Errors
    /// When it cannot be written to the disk.
    pub(crate) fn add(&self, checkout: &LinkedCheckout, paths: &[String], why: &str) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let line =
            Line { at, root: StoredPath(checkout.root.clone()), paths: paths.to_vec(), why: why.to_owned() };
        let mut text = serde_json::to_vec(&line).expect("a line has only text keys");
        text.push(b'\n');
        atomic::make_private_folder(&self.folder)?;
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

    /// Locks the journal while a line is written, or the file is renamed; never while a server is asked.
    fn lock(&self) -> io::Result<File> {
        let lock = File::create(self.folder.join(format!("{}{ENDING}-lock", self.project)))?;
        lock.lock()?;
        Ok(lock)
    }

    /// Renames the journal, so that further lines begin another file. Returns all files that are to be reconciled.
    fn taken_aside(&self) -> io::Result<Vec<PathBuf>> {
        let prefix = format!("{}{ENDING}.", self.project);
        if self.file().exists() {
            let _lock = self.lock()?;
            let aside = self.folder.join(format!("{prefix}{}", Uuid::now_v7().simple()));
            match fs::rename(self.file(), aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let is_ours =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        let mut files: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
        files.sort();
        Ok(files)
    }

    /// Takes over the journals of runs that ended in this project.
    pub(crate) fn adopt(&self, records: &RunRecords) {
        let of_project = format!("{}{ENDING}", self.project);
        let is_of_project = |file: &Path| {
            is_journal(file)
                && file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&of_project))
        };
        for folder in records.folders_of_ended_runs(self.project, is_of_project) {
            if folder == self.folder || atomic::make_private_folder(&self.folder).is_err() {
                continue;
            }
            let left = Self { folder, project: self.project };
            for file in left.taken_aside().unwrap_or_default() {
                let Some(name) = file.file_name() else { continue };
                // Another run may do the same at this moment: one of the two gets the file.
                let _ = fs::rename(&file, self.folder.join(name));
            }
        }
    }

    /// Claims the free files of what was let through, and finds those that others hold. `reconciled` has what was found
    /// also when it fails.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers. Lines that are not settled are kept for the next time.
    pub(crate) async fn reconcile(
        &self,
        context: &Context<'_>,
        reconciled: &mut Reconciled,
    ) -> Result<(), Error> {
        let in_the_way = |error| Error::local(format!("cannot read {}: {error}", self.file().display()));
        let mut first_failure = None;
        for file in self.taken_aside().map_err(in_the_way)? {
            let lines = lines(&file);
            let mut kept = Vec::new();
            let mut by_root: Vec<(&Path, Vec<&Line>)> = Vec::new();
            for line in &lines {
                match by_root.iter_mut().find(|(root, _)| *root == line.root.as_ref()) {
                    Some((_, of_root)) => of_root.push(line),
                    None => by_root.push((line.root.as_ref(), vec![line])),
                }
            }
            for (root, of_root) in by_root {
                match self.settle_in(context, root, &of_root, reconciled).await {
                    Ok(true) => {}
                    // A repository that is not linked now may be linked again, on another branch for example.
                    Ok(false) => kept.extend(of_root),
                    Err(error) => {
                        kept.extend(of_root);
                        first_failure.get_or_insert(error);
                    }
                }
            }
            keep(&file, lines.len(), &kept);
        }
        first_failure.map_or(Ok(()), Err)
    }

    /// Settles what was let through in one repository, unless that is linked to another project now.
    async fn settle_in(
        &self,
        context: &Context<'_>,
        root: &Path,
        lines: &[&Line],
        reconciled: &mut Reconciled,
    ) -> Result<bool, Error> {
        let Some(checkout) = LinkedCheckout::of(root)?.filter(|checkout| checkout.project() == self.project)
        else {
            return Ok(false);
        };
        let mut paths: Vec<String> = Vec::new();
        for path in lines.iter().flat_map(|line| &line.paths) {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        for paths in paths.chunks(MOST_AT_ONCE) {
            settle(context, &checkout, paths, reconciled).await?;
        }
        Ok(true)
    }
}

/// Keeps the unsettled lines of a journal. If it cannot be written, they are settled once more, which changes nothing.
fn keep(file: &Path, before: usize, lines: &[&Line]) {
    if lines.is_empty() {
        // Another hook of this run may have removed it already.
        let _ = fs::remove_file(file);
    } else if lines.len() < before {
        let text = |line: &&Line| serde_json::to_string(line).expect("a line has only text keys") + "\n";
        let _ = atomic::write(file, lines.iter().map(text).collect::<String>().as_bytes());
    }
}

/// Settles and prints what this run wrote while no server answered, after a command that reached one.
pub(crate) async fn settle_up(context: &Context<'_>) {
    let Ok(Some(found)) = link::find() else { return };
    let journal = Journal::of(context, found.link.project_id);
    journal.adopt(&context.records());
    let mut reconciled = Reconciled::default();
    // If it fails, the next command tries again.
    let _ = journal.reconcile(context, &mut reconciled).await;
    for held_file in &reconciled.held {
        let sentence = held_file.sentence(context.out.clock());
        context.out.note(format_args!("WARNING: written while no server answered: {sentence}"));
    }
    if !reconciled.taken.is_empty() {
        let paths = format::list(&reconciled.taken);
        context.out.note(format_args!("Written while no server answered, and yours now: {paths}"));
    }
}

/// Claims what is free. A claim takes all files or none, so it is repeated without those that turn out to be held.
async fn settle(
    context: &Context<'_>,
    checkout: &LinkedCheckout,
    paths: &[String],
    reconciled: &mut Reconciled,
) -> Result<(), Error> {
    let held = write_access::held_by_others(context, checkout.project(), paths).await?;
    let is_held = |path: &&String| held.iter().any(|held_file| held_file.wanted == **path);
    let mut left: Vec<String> = paths.iter().filter(|path| !is_held(path)).cloned().collect();
    reconciled.held.extend(held);
    // A file that somebody claims at this moment shows only now.
    while !left.is_empty() {
        match write_access::acquire(context, checkout, &left).await? {
            WriteAccess::AlreadyHeld => return Ok(()),
            WriteAccess::Claimed { paths, .. } => {
                reconciled.taken.extend(paths);
                return Ok(());
            }
            WriteAccess::HeldByOthers(held) => {
                let before = left.len();
                left.retain(|path| !held.iter().any(|held_file| held_file.wanted == *path));
                reconciled.held.extend(held);
                if left.len() == before {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The lines of a journal. A line that a crash cut off does not count: its tool was not used.
fn lines(file: &Path) -> Vec<Line> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn journal() -> (tempfile::TempDir, Journal, LinkedCheckout) {
        let folder = tempfile::tempdir().unwrap();
        let link = r#"{"projectId":"00000000-0000-0000-0000-000000000001"}"#;
        fs::write(folder.path().join(".nexus.json"), link).unwrap();
        let checkout = LinkedCheckout::of(folder.path()).unwrap().unwrap();
        let journal = Journal { folder: folder.path().join("runs"), project: checkout.project() };
        (folder, journal, checkout)
    }

    fn paths(file: &Path) -> Vec<String> {
        lines(file).into_iter().flat_map(|line| line.paths).collect()
    }

    #[test]
    fn what_was_let_through_is_there_after_a_crash() {
        let (_folder, journal, checkout) = journal();
        journal.add(&checkout, &["a.rs".to_owned(), "b.rs".to_owned()], "nobody").unwrap();
        journal.add(&checkout, &["b.rs".to_owned(), "c.rs".to_owned()], "nobody").unwrap();
        OpenOptions::new().append(true).open(journal.file()).unwrap().write_all(b"{\"at\":1,\"ro").unwrap();
        assert_eq!(paths(&journal.file()), ["a.rs", "b.rs", "b.rs", "c.rs"]);
        assert_eq!(lines(&journal.file())[0].root.0, checkout.root);
    }

    #[cfg(unix)]
    #[test]
    fn a_root_that_is_no_text_is_remembered_as_any_other() {
        use std::os::unix::ffi::OsStrExt;
        let (_folder, journal, mut checkout) = journal();
        checkout.root.push(std::ffi::OsStr::from_bytes(b"\xff"));
        journal.add(&checkout, &["a.rs".to_owned()], "nobody").unwrap();
        assert_eq!(lines(&journal.file())[0].root.0, checkout.root);
    }

    #[test]
    fn what_is_written_while_it_is_read_is_kept() {
        let (_folder, journal, checkout) = journal();
        journal.add(&checkout, &["a.rs".to_owned()], "nobody").unwrap();
        let aside = journal.taken_aside().unwrap();
        journal.add(&checkout, &["b.rs".to_owned()], "nobody").unwrap();
        assert_eq!(aside.len(), 1);
        assert_eq!(paths(&aside[0]), ["a.rs"]);
        assert_eq!(paths(&journal.file()), ["b.rs"]);
        // The reconciling process died: both are found again.
        assert_eq!(journal.taken_aside().unwrap().len(), 2);
    }

    #[test]
    fn only_what_is_settled_is_thrown_away() {
        let (_folder, journal, checkout) = journal();
        for path in ["a.rs", "b.rs"] {
            journal.add(&checkout, &[path.to_owned()], "nobody").unwrap();
        }
        let file = journal.taken_aside().unwrap().remove(0);
        let all = lines(&file);
        keep(&file, all.len(), &[&all[1]]);
        assert_eq!(paths(&file), ["b.rs"]);
        assert!(is_journal(&file) && is_journal(&journal.file()));
        keep(&file, 1, &[]);
        assert!(!file.exists() && !is_journal(&journal.folder.join("x.journal-lock")));
    }

    #[test]
    fn two_that_write_at_once_lose_nothing() {
        let (_folder, journal, checkout) = journal();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (journal, checkout) = (&journal, &checkout);
                scope.spawn(move || {
                    for number in 0..10 {
                        journal.add(checkout, &[format!("{thread}-{number}")], "nobody").unwrap();
                    }
                });
            }
        });
        assert_eq!(paths(&journal.file()).len(), 40);
    }
}
