//! The files that an event is about, by their linked repositories. Sends no request.

use crate::{
    agent_run::{RunKey, RunRecords},
    error::Error,
    guard::{
        changes,
        checkout::{EVERYTHING, LinkedCheckout},
        snapshot::{FileChange, SnapshotDiff, WorkTreeSnapshot, roots},
    },
    hosts::{
        EventKind, HOSTS, HookEvent, Tool,
        shell::{self, UnrootedPattern, Writes},
    },
    repository::{Tree, meant, normalized},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    env,
    path::{Path, PathBuf},
};

/// The files of one repository that an event is about.
#[derive(Clone, Debug)]
pub(super) struct AffectedFiles {
    pub(super) checkout: LinkedCheckout,
    /// Files that are written, or were.
    pub(super) written: Vec<String>,
    /// The files among them that the tool names itself. The others may have been changed by another session.
    pub(super) declared: Vec<String>,
    /// Files whose uncommitted changes are discarded.
    pub(super) discarded: Vec<String>,
    /// Patterns of files that may be written.
    pub(super) possible: Vec<String>,
    /// Patterns of files that may be created in a folder that is not known.
    pub(super) unrooted: Vec<String>,
    /// Files that are named in the text of a program which writes something.
    pub(super) mentioned: Vec<String>,
    /// Why a part of the command could not be read.
    pub(super) unreadable: Option<&'static str>,
    /// The earlier contents of the files that a command changed, by name.
    pub(super) before: BTreeMap<String, FileChange>,
}

impl AffectedFiles {
    pub(super) const fn of(checkout: LinkedCheckout) -> Self {
        Self {
            checkout,
            written: Vec::new(),
            declared: Vec::new(),
            discarded: Vec::new(),
            possible: Vec::new(),
            unrooted: Vec::new(),
            mentioned: Vec::new(),
            unreadable: None,
            before: BTreeMap::new(),
        }
    }

    /// All files that are known by name.
    pub(super) fn all(&self) -> Vec<String> {
        self.written.iter().chain(&self.discarded).cloned().collect()
    }

    /// Whether no file is affected, as far as is known.
    pub(super) const fn is_nothing(&self) -> bool {
        self.written.is_empty()
            && self.discarded.is_empty()
            && self.possible.is_empty()
            && self.unrooted.is_empty()
            && self.mentioned.is_empty()
            && self.unreadable.is_none()
    }
}

/// All that an event is about.
#[derive(Clone, Debug, Default)]
pub(super) struct EventScope {
    /// The files of the event itself, by repository.
    pub(super) files: Vec<AffectedFiles>,
    /// Files that earlier commands changed whose end the host did not report.
    pub(super) left_over: Vec<AffectedFiles>,
    /// Why parts of what a command may have changed were not checked.
    pub(super) unchecked: Vec<String>,
}

impl EventScope {
    pub(super) const fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.left_over.is_empty() && self.unchecked.is_empty()
    }

    fn add_left_over(&mut self, diff: SnapshotDiff) -> Result<(), Error> {
        self.left_over = group_changes(diff.changes, &[])?;
        self.unchecked.extend(diff.unchecked);
        Ok(())
    }
}

/// The files that a tool writes, or wrote.
///
/// # Errors
/// When a file that it writes is in a repository whose link cannot be read.
pub(super) fn event_scope(event: &HookEvent, folder: &Path) -> Result<EventScope, Error> {
    let mut scope = EventScope::default();
    match (&event.tool, event.kind) {
        (Tool::Other | Tool::Unreadable(_), _) => {}
        (Tool::Edit(paths), kind) => {
            if kind == EventKind::BeforeTool
                && let Some(snapshot) = snapshot_of(event)
            {
                scope.add_left_over(snapshot.left_over(false))?;
            }
            let mut by_checkout = FilesByCheckout::default();
            for path in paths.iter().flat_map(|path| meant(folder, path)) {
                by_checkout.add(&path, |files| [&mut files.written, &mut files.declared])?;
            }
            scope.files = by_checkout.into_list();
        }
        (Tool::Shell { command, folder: own }, EventKind::BeforeTool) => {
            let folder = own_folder(folder, own.as_deref());
            if let Some((snapshot, call)) = snapshot_of(event).zip(call_id(event)) {
                let trees = roots::of_command(&folder, &project_folders(), command);
                let is_linked = LinkedCheckout::of(&folder).is_ok_and(|checkout| checkout.is_some());
                if !trees.is_empty() || is_linked {
                    let unchecked = report_missing_work_tree(&snapshot, &folder, trees.is_empty());
                    scope.add_left_over(snapshot.before(&call, trees, unchecked))?;
                }
            }
            let mut by_checkout = FilesByCheckout::default();
            by_checkout.add_writes(&shell::writes(command, &folder), &folder)?;
            scope.files = by_checkout.into_list();
        }
        (Tool::Shell { command, folder: own }, _) => {
            let folder = own_folder(folder, own.as_deref());
            let Some((snapshot, call)) = snapshot_of(event).zip(call_id(event)) else {
                scope.unchecked.extend(missing_snapshot(&folder, command));
                return Ok(scope);
            };
            let Some(diff) = snapshot.after(&call) else {
                scope.unchecked.extend(missing_snapshot(&folder, command));
                return Ok(scope);
            };
            scope.unchecked = diff.unchecked;
            scope.files = group_changes(diff.changes, &shell::writes(command, &folder).paths)?;
        }
    }
    Ok(scope)
}

/// The changes of commands whose end the host did not report, once the agent is done.
///
/// # Errors
/// The errors of [`event_scope`].
pub(super) fn stop_scope(event: &HookEvent, checkout: LinkedCheckout) -> Result<EventScope, Error> {
    let mut scope = EventScope { files: vec![AffectedFiles::of(checkout)], ..EventScope::default() };
    if let Some(snapshot) = snapshot_of(event) {
        scope.add_left_over(snapshot.left_over(true))?;
    }
    Ok(scope)
}

/// A reason that is given once in a run: the folder is in no work tree of git.
fn report_missing_work_tree(snapshot: &WorkTreeSnapshot, folder: &Path, is_none: bool) -> Vec<String> {
    let is_first = is_none && snapshot.is_first("no-work-tree");
    is_first.then(|| format!("{} is in no work tree of git", folder.display())).into_iter().collect()
}

/// The reason why the changes of a command are not known, where it may have written files of a linked repository.
fn missing_snapshot(folder: &Path, command: &str) -> Option<String> {
    let is_linked = LinkedCheckout::of(folder).is_ok_and(|checkout| checkout.is_some());
    let is_linked = is_linked || !roots::of_command(folder, &project_folders(), command).is_empty();
    is_linked.then(|| "nothing was noted before it ran".to_owned())
}

/// Groups changes by repository; `declared` are the files that the command's text names.
fn group_changes(changes: Vec<FileChange>, declared: &[PathBuf]) -> Result<Vec<AffectedFiles>, Error> {
    let mut by_checkout = FilesByCheckout::default();
    for change in changes {
        by_checkout.add_change(change)?;
    }
    let mut own = FilesByCheckout::default();
    for path in declared.iter().flat_map(|path| as_shell(path)) {
        own.add(&path, |files| [&mut files.declared])?;
    }
    by_checkout.mark_declared(&own);
    Ok(by_checkout.into_list())
}

/// The folders that the host's variables name.
pub(super) fn project_folders() -> Vec<PathBuf> {
    let variables = HOSTS.iter().filter_map(|host| host.project_folder_variable);
    variables.filter_map(|name| env::var_os(name).map(PathBuf::from)).collect()
}

/// The folder that a tool runs in: its own, or that of the agent.
pub(super) fn own_folder(folder: &Path, own: Option<&Path>) -> PathBuf {
    own.map_or_else(
        || folder.to_owned(),
        |own| meant(folder, own).into_iter().next().unwrap_or_else(|| folder.join(own)),
    )
}

/// The paths that a shell may mean: as it is written, and without its `..`, whose folder may not exist.
fn as_shell(path: &Path) -> Vec<PathBuf> {
    let normal = normalized(path);
    if normal == path { vec![normal] } else { vec![path.to_owned(), normal] }
}

/// Files by their repositories.
#[derive(Default)]
struct FilesByCheckout {
    all: Vec<AffectedFiles>,
    /// The index of the repository that a folder's files belong to, by folder.
    folders: BTreeMap<PathBuf, Option<usize>>,
    /// The index of the repository around another one, by the index of the inner one.
    around: BTreeMap<usize, Option<usize>>,
    /// The files of each repository that were listed already, by its index.
    trees: BTreeMap<usize, Option<Tree>>,
}

impl FilesByCheckout {
    /// Adds a file to lists of its repository.
    fn add<const LISTS: usize>(
        &mut self,
        path: &Path,
        lists: impl Fn(&mut AffectedFiles) -> [&mut Vec<String>; LISTS],
    ) -> Result<(), Error> {
        let Some(at) = self.repository(path)? else { return Ok(()) };
        let files = &mut self.all[at];
        let names = files.checkout.names(path);
        for list in lists(files) {
            for name in &names {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
        // Another repository in a folder of this one has its own project: nothing of the other is taken, but what is
        // held there stays held.
        if let Some(around) = self.around(at)? {
            let files = &mut self.all[around];
            for name in files.checkout.names(path) {
                if !files.possible.contains(&name) {
                    files.possible.push(name);
                }
            }
        }
        Ok(())
    }

    /// The lists that are not empty. Those that can only be refused come first, so that a refused tool claims nothing.
    fn into_list(mut self) -> Vec<AffectedFiles> {
        self.all.retain(|files| !files.is_nothing());
        self.all.sort_by_key(|files| !files.written.is_empty());
        self.all
    }

    /// Adds what a command writes when it runs in this folder.
    fn add_writes(&mut self, writes: &Writes, folder: &Path) -> Result<(), Error> {
        for path in writes.paths.iter().flat_map(|path| as_shell(path)) {
            if path.to_string_lossy().contains(char::REPLACEMENT_CHARACTER) {
                // The host replaced letters that it could not encode.
                self.add_unreadable(&path)?;
            } else {
                self.add(&path, |files| [&mut files.written, &mut files.declared])?;
            }
        }
        for folder in &writes.discards {
            if let Some(checkout) = LinkedCheckout::of(folder)? {
                let found = changes::uncommitted(folder);
                for path in &found.paths {
                    self.add(path, |files| [&mut files.discarded])?;
                }
                self.mark_unreadable(checkout, found.incomplete);
            }
        }
        for (folder, stash) in &writes.unstashed {
            if let Some(checkout) = LinkedCheckout::of(folder)? {
                let found = changes::stashed(folder, stash.as_deref());
                for path in &found.paths {
                    self.add(path, |files| [&mut files.possible])?;
                }
                self.mark_unreadable(checkout, found.incomplete);
            }
        }
        for (folder, pattern) in &writes.patterns {
            self.add_possible(folder, pattern)?;
        }
        for path in &writes.mentioned {
            self.add(path, |files| [&mut files.mentioned])?;
        }
        for one in writes.unrooted_existing.iter().chain(&writes.unrooted_new) {
            self.add_unrooted(one, folder, writes.unrooted_new.contains(one))?;
        }
        if (writes.may_write_anything || writes.unreadable.is_some())
            && let Some(checkout) = LinkedCheckout::of(folder)?
        {
            if writes.may_write_anything {
                self.add_possible(&checkout.root, EVERYTHING)?;
            }
            self.mark_unreadable(checkout, writes.unreadable);
        }
        Ok(())
    }

    /// Remembers why not everything that is written in a repository is known.
    fn mark_unreadable(&mut self, checkout: LinkedCheckout, why: Option<&'static str>) {
        if why.is_some() {
            let at = self.index_of(checkout);
            self.all[at].unreadable = self.all[at].unreadable.or(why);
        }
    }

    /// Adds a file whose name could be read in part, as the pattern of all files that it may be.
    fn add_unreadable(&mut self, path: &Path) -> Result<(), Error> {
        let Some(at) = self.repository(path)? else { return Ok(()) };
        let files = &mut self.all[at];
        for name in files.checkout.names(path) {
            let pattern = name.replace(char::REPLACEMENT_CHARACTER, "*");
            if !files.possible.contains(&pattern) {
                files.possible.push(pattern);
            }
        }
        Ok(())
    }

    /// Adds a pattern below a folder.
    fn add_possible(&mut self, folder: &Path, pattern: &str) -> Result<(), Error> {
        let Some(checkout) = LinkedCheckout::of(folder)? else { return Ok(()) };
        let at = self.index_of(checkout);
        let files = &mut self.all[at];
        for name in files.checkout.names(folder) {
            let name = if name == EVERYTHING { pattern.to_owned() } else { format!("{name}/{pattern}") };
            if !files.possible.contains(&name) {
                files.possible.push(name);
            }
        }
        Ok(())
    }

    /// Adds files of which it is not known in which folder they are: those that are there by their names, and the
    /// pattern of those that may be made. Without a folder they are below the root of the one that the command runs in.
    fn add_unrooted(&mut self, one: &UnrootedPattern, folder: &Path, is_made: bool) -> Result<(), Error> {
        let Some(checkout) = LinkedCheckout::of(one.below.as_deref().unwrap_or(folder))? else {
            return Ok(());
        };
        let below = one.below.clone().unwrap_or_else(|| checkout.root.clone());
        let at = self.index_of(checkout);
        let files = &mut self.all[at];
        let tree = self.trees.entry(at).or_insert_with(|| Tree::below(&files.checkout.root));
        for name in files.checkout.names(&below) {
            let pattern =
                if name == EVERYTHING { one.pattern.clone() } else { format!("{name}/{}", one.pattern) };
            let found = tree.as_ref().and_then(|tree| tree.matching(&pattern));
            if is_made && found.is_some() && !files.unrooted.contains(&pattern) {
                files.unrooted.push(pattern.clone());
            }
            let known: BTreeSet<String> = files.possible.iter().cloned().collect();
            let found = found.unwrap_or_else(|| vec![pattern]);
            files.possible.extend(found.into_iter().filter(|name| !known.contains(name)));
        }
        Ok(())
    }

    /// The index of the repository that a file is in. It is looked up once for all files of a folder, except for links.
    fn repository(&mut self, path: &Path) -> Result<Option<usize>, Error> {
        let is_plain = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
        let folder = path.parent().filter(|_| is_plain).map(Path::to_owned);
        if let Some(known) = folder.as_ref().and_then(|folder| self.folders.get(folder)) {
            return Ok(*known);
        }
        let at = LinkedCheckout::of(path)?.map(|checkout| self.index_of(checkout));
        if let Some(folder) = folder {
            self.folders.insert(folder, at);
        }
        Ok(at)
    }

    /// The repository of another project around this one.
    fn around(&mut self, at: usize) -> Result<Option<usize>, Error> {
        if let Some(known) = self.around.get(&at) {
            return Ok(*known);
        }
        let around = self.all[at].checkout.enclosing()?.map(|checkout| self.index_of(checkout));
        self.around.insert(at, around);
        Ok(around)
    }

    fn index_of(&mut self, checkout: LinkedCheckout) -> usize {
        let known = self.all.iter().position(|files| files.checkout.root == checkout.root);
        known.unwrap_or_else(|| {
            self.all.push(AffectedFiles::of(checkout));
            self.all.len() - 1
        })
    }

    /// Adds a file that changed, with what it was.
    fn add_change(&mut self, change: FileChange) -> Result<(), Error> {
        let Some(at) = self.repository(&change.path)? else { return Ok(()) };
        let around = self.around(at)?;
        for (at, is_around) in [(Some(at), false), (around, true)] {
            let Some(files) = at.map(|at| &mut self.all[at]) else { continue };
            for name in files.checkout.names(&change.path) {
                // In another project around this one nothing is taken.
                let list = if is_around { &mut files.possible } else { &mut files.written };
                if let Entry::Vacant(vacant) = files.before.entry(name) {
                    list.push(vacant.key().clone());
                    vacant.insert(change.clone());
                }
            }
        }
        Ok(())
    }

    /// Marks those of the written files that the tool names itself.
    fn mark_declared(&mut self, declared: &Self) {
        for files in &mut self.all {
            let own = declared.all.iter().find(|own| own.checkout.root == files.checkout.root);
            let own = own.map(|own| own.declared.as_slice()).unwrap_or_default();
            files.declared = files.written.iter().filter(|name| own.contains(name)).cloned().collect();
        }
    }
}

/// The snapshot of the event's run; none where the host does not identify the run.
pub(super) fn snapshot_of(event: &HookEvent) -> Option<WorkTreeSnapshot> {
    Some(WorkTreeSnapshot::of_run(RunRecords::locate().ok()?.folder_of(&run_key(event)?)))
}

/// The host's id of this tool call.
pub(super) fn call_id(event: &HookEvent) -> Option<String> {
    event.call.clone().or_else(|| run_key(event).map(|key| changes::fallback_call_id(&key)))
}

/// The key of the run that the event belongs to.
pub(super) fn run_key(event: &HookEvent) -> Option<RunKey> {
    RunKey::of_host(event.host, event.session.as_deref()?)
}
