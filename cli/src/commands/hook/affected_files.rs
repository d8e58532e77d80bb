//! Which files an event is about, and in which linked repositories they are. Asks no server.

use crate::{
    agent_run::{RunKey, RunRecords},
    error::Error,
    guard::{
        changes,
        checkout::{EVERYTHING, LinkedCheckout},
        snapshot::{Change, Look, Snapshot, roots},
    },
    hosts::{
        EventKind, HookEvent, Tool,
        shell::{self, Unplaced, Writes},
    },
    repository::{Tree, meant, normalized},
};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    env,
    path::{Path, PathBuf},
};

/// What an event is about, in one repository.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) checkout: LinkedCheckout,
    /// Files that are written.
    pub(super) names: Vec<String>,
    /// Those of them that the tool itself was told to write: others may have changed them as well.
    pub(super) told: Vec<String>,
    /// Files whose changes are thrown away.
    pub(super) discarded: Vec<String>,
    /// Patterns of files that may be written.
    pub(super) anywhere: Vec<String>,
    /// Patterns of files that may be made in a folder that is not known.
    pub(super) somewhere: Vec<String>,
    /// Files that the text of a program names which also writes.
    pub(super) mentioned: Vec<String>,
    /// Why a part of the command cannot be read.
    pub(super) unreadable: Option<&'static str>,
    /// What files were before a command changed them, by name.
    pub(super) before: BTreeMap<String, Change>,
}

impl Asked {
    pub(super) const fn of(checkout: LinkedCheckout) -> Self {
        Self {
            checkout,
            names: Vec::new(),
            told: Vec::new(),
            discarded: Vec::new(),
            anywhere: Vec::new(),
            somewhere: Vec::new(),
            mentioned: Vec::new(),
            unreadable: None,
            before: BTreeMap::new(),
        }
    }

    /// All files that have names.
    pub(super) fn all(&self) -> Vec<String> {
        self.names.iter().chain(&self.discarded).cloned().collect()
    }

    const fn is_nothing(&self) -> bool {
        self.names.is_empty()
            && self.discarded.is_empty()
            && self.anywhere.is_empty()
            && self.somewhere.is_empty()
            && self.mentioned.is_empty()
            && self.unreadable.is_none()
    }
}

/// What an event is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// Files that are written, or were, by their repositories.
    pub(super) asked: Vec<Asked>,
    /// Files that commands changed whose end nobody told.
    pub(super) left_over: Vec<Asked>,
    /// Why something was not looked at that a command may have changed.
    pub(super) gaps: Vec<String>,
}

impl About {
    pub(super) const fn is_nothing(&self) -> bool {
        self.asked.is_empty() && self.left_over.is_empty() && self.gaps.is_empty()
    }

    fn leave(&mut self, look: Look) -> Result<(), Error> {
        self.left_over = sorted(look.changes, &[])?;
        self.gaps.extend(look.gaps);
        Ok(())
    }
}

/// What a tool writes, or wrote, by the repositories that its files are in.
///
/// # Errors
/// When a file that it writes is in a repository whose link cannot be read.
pub(super) fn about(event: &HookEvent, folder: &Path) -> Result<About, Error> {
    let mut about = About::default();
    match (&event.tool, event.kind) {
        (Tool::Other | Tool::Unreadable(_), _) => {}
        (Tool::Edit(paths), kind) => {
            if kind == EventKind::BeforeTool
                && let Some(snapshot) = snapshot(event)
            {
                about.leave(snapshot.left_over(false))?;
            }
            let mut sorted = Sorted::default();
            for path in paths.iter().flat_map(|path| meant(folder, path)) {
                sorted.add(&path, |asked| [&mut asked.names, &mut asked.told])?;
            }
            about.asked = sorted.finished();
        }
        (Tool::Shell { command, folder: own }, EventKind::BeforeTool) => {
            let folder = own_folder(folder, own.as_deref());
            if let Some((snapshot, call)) = snapshot(event).zip(call(event)) {
                let trees = roots::of_command(&folder, &project_folders(), command);
                let is_linked = LinkedCheckout::of(&folder).is_ok_and(|checkout| checkout.is_some());
                if !trees.is_empty() || is_linked {
                    let gaps = without_tree(&snapshot, &folder, trees.is_empty());
                    about.leave(snapshot.before(&call, trees, gaps))?;
                }
            }
            let mut sorted = Sorted::default();
            sorted.add_writes(&shell::writes(command, &folder), &folder)?;
            about.asked = sorted.finished();
        }
        (Tool::Shell { command, folder: own }, _) => {
            let folder = own_folder(folder, own.as_deref());
            let Some((snapshot, call)) = snapshot(event).zip(call(event)) else {
                about.gaps.extend(unnoted(&folder, command));
                return Ok(about);
            };
            let Some(look) = snapshot.after(&call) else {
                about.gaps.extend(unnoted(&folder, command));
                return Ok(about);
            };
            about.gaps = look.gaps;
            about.asked = sorted(look.changes, &shell::writes(command, &folder).paths)?;
        }
    }
    Ok(about)
}

/// What commands changed whose end nobody told, once the agent is done.
///
/// # Errors
/// As [`about`].
pub(super) fn about_stop(event: &HookEvent, checkout: LinkedCheckout) -> Result<About, Error> {
    let mut about = About { asked: vec![Asked::of(checkout)], ..About::default() };
    if let Some(snapshot) = snapshot(event) {
        about.leave(snapshot.left_over(true))?;
    }
    Ok(about)
}

/// Says once that there is no git to go by.
fn without_tree(snapshot: &Snapshot, folder: &Path, is_none: bool) -> Vec<String> {
    let is_told = is_none && snapshot.is_first("no-work-tree");
    is_told.then(|| format!("{} is in no work tree of git", folder.display())).into_iter().collect()
}

/// Says that nothing is known of a command that is over, where it may have written files of a linked repository.
fn unnoted(folder: &Path, command: &str) -> Option<String> {
    let is_linked = LinkedCheckout::of(folder).is_ok_and(|checkout| checkout.is_some());
    let is_linked = is_linked || !roots::of_command(folder, &project_folders(), command).is_empty();
    is_linked.then(|| "nothing was noted before it ran".to_owned())
}

/// What changed, by the repositories that the files are in; `told` are the files that the command was seen to write.
fn sorted(changes: Vec<Change>, told: &[PathBuf]) -> Result<Vec<Asked>, Error> {
    let mut sorted = Sorted::default();
    for change in changes {
        sorted.add_change(change)?;
    }
    let mut own = Sorted::default();
    for path in told.iter().flat_map(|path| as_shell(path)) {
        own.add(&path, |asked| [&mut asked.told])?;
    }
    sorted.tell_apart(&own);
    Ok(sorted.finished())
}

/// Where hosts say in the environment which folder the agent works in.
const PROJECT_FOLDERS: [&str; 3] = ["CLAUDE_PROJECT_DIR", "CURSOR_PROJECT_DIR", "GEMINI_PROJECT_DIR"];

/// What they say.
pub(super) fn project_folders() -> Vec<PathBuf> {
    PROJECT_FOLDERS.iter().filter_map(|name| env::var_os(name).map(PathBuf::from)).collect()
}

/// The folder that a tool works in: its own, or that of the agent.
pub(super) fn own_folder(folder: &Path, own: Option<&Path>) -> PathBuf {
    own.map_or_else(
        || folder.to_owned(),
        |own| meant(folder, own).into_iter().next().unwrap_or_else(|| folder.join(own)),
    )
}

/// A shell writes what its words say, to the letter; what it goes up from may not be there.
fn as_shell(path: &Path) -> Vec<PathBuf> {
    let normal = normalized(path);
    if normal == path { vec![normal] } else { vec![path.to_owned(), normal] }
}

/// Files by their repositories.
#[derive(Default)]
struct Sorted {
    all: Vec<Asked>,
    /// Which of them the files of a folder belong to.
    folders: BTreeMap<PathBuf, Option<usize>>,
    /// In which other one each of them is.
    around: BTreeMap<usize, Option<usize>>,
    /// Their files, of those that were looked into.
    trees: BTreeMap<usize, Option<Tree>>,
}

impl Sorted {
    /// Adds a file to lists of its repository.
    fn add<const LISTS: usize>(
        &mut self,
        path: &Path,
        lists: impl Fn(&mut Asked) -> [&mut Vec<String>; LISTS],
    ) -> Result<(), Error> {
        let Some(at) = self.repository(path)? else { return Ok(()) };
        let asked = &mut self.all[at];
        let names = asked.checkout.names(path);
        for list in lists(asked) {
            for name in &names {
                if !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
        // Another repository in a folder of this one has its own project: nothing of the other is taken, but what is
        // held there stays held.
        if let Some(around) = self.around(at)? {
            let asked = &mut self.all[around];
            for name in asked.checkout.names(path) {
                if !asked.anywhere.contains(&name) {
                    asked.anywhere.push(name);
                }
            }
        }
        Ok(())
    }

    /// First what may only be refused: who is refused takes nothing.
    fn finished(mut self) -> Vec<Asked> {
        self.all.retain(|asked| !asked.is_nothing());
        self.all.sort_by_key(|asked| !asked.names.is_empty());
        self.all
    }

    /// Adds what a command writes that runs in this folder.
    fn add_writes(&mut self, writes: &Writes, folder: &Path) -> Result<(), Error> {
        for path in writes.paths.iter().flat_map(|path| as_shell(path)) {
            if path.to_string_lossy().contains(char::REPLACEMENT_CHARACTER) {
                // What the host could not say may be any letters.
                self.add_unreadable(&path)?;
            } else {
                self.add(&path, |asked| [&mut asked.names, &mut asked.told])?;
            }
        }
        for folder in &writes.discards {
            if let Some(checkout) = LinkedCheckout::of(folder)? {
                let found = changes::uncommitted(folder);
                for path in &found.paths {
                    self.add(path, |asked| [&mut asked.discarded])?;
                }
                self.leave(checkout, found.gap);
            }
        }
        for (folder, stash) in &writes.unstashed {
            if let Some(checkout) = LinkedCheckout::of(folder)? {
                let found = changes::stashed(folder, stash.as_deref());
                for path in &found.paths {
                    self.add(path, |asked| [&mut asked.anywhere])?;
                }
                self.leave(checkout, found.gap);
            }
        }
        for (folder, pattern) in &writes.anywhere {
            self.add_anywhere(folder, pattern)?;
        }
        for path in &writes.named {
            self.add(path, |asked| [&mut asked.mentioned])?;
        }
        for one in writes.existing.iter().chain(&writes.somewhere) {
            self.add_unplaced(one, folder, writes.somewhere.contains(one))?;
        }
        if (writes.is_beyond || writes.unreadable.is_some())
            && let Some(checkout) = LinkedCheckout::of(folder)?
        {
            if writes.is_beyond {
                self.add_anywhere(&checkout.root, EVERYTHING)?;
            }
            self.leave(checkout, writes.unreadable);
        }
        Ok(())
    }

    /// Says of a repository why nobody can tell all that is written in it.
    fn leave(&mut self, checkout: LinkedCheckout, why: Option<&'static str>) {
        if why.is_some() {
            let at = self.of_place(checkout);
            self.all[at].unreadable = self.all[at].unreadable.or(why);
        }
    }

    /// Adds a file of whose name a part could not be read, as all files that it may be.
    fn add_unreadable(&mut self, path: &Path) -> Result<(), Error> {
        let Some(at) = self.repository(path)? else { return Ok(()) };
        let asked = &mut self.all[at];
        for name in asked.checkout.names(path) {
            let pattern = name.replace(char::REPLACEMENT_CHARACTER, "*");
            if !asked.anywhere.contains(&pattern) {
                asked.anywhere.push(pattern);
            }
        }
        Ok(())
    }

    /// Adds a pattern below a folder.
    fn add_anywhere(&mut self, folder: &Path, pattern: &str) -> Result<(), Error> {
        let Some(checkout) = LinkedCheckout::of(folder)? else { return Ok(()) };
        let at = self.of_place(checkout);
        let asked = &mut self.all[at];
        for name in asked.checkout.names(folder) {
            let name = if name == EVERYTHING { pattern.to_owned() } else { format!("{name}/{pattern}") };
            if !asked.anywhere.contains(&name) {
                asked.anywhere.push(name);
            }
        }
        Ok(())
    }

    /// Adds files of which it is not known in which folder they are: those that are there by their names, and the
    /// pattern of those that may be made. Without a folder they are below the root of the one that the command runs in.
    fn add_unplaced(&mut self, one: &Unplaced, folder: &Path, is_made: bool) -> Result<(), Error> {
        let Some(checkout) = LinkedCheckout::of(one.below.as_deref().unwrap_or(folder))? else {
            return Ok(());
        };
        let below = one.below.clone().unwrap_or_else(|| checkout.root.clone());
        let at = self.of_place(checkout);
        let asked = &mut self.all[at];
        let tree = self.trees.entry(at).or_insert_with(|| Tree::below(&asked.checkout.root));
        for name in asked.checkout.names(&below) {
            let pattern =
                if name == EVERYTHING { one.pattern.clone() } else { format!("{name}/{}", one.pattern) };
            let found = tree.as_ref().and_then(|tree| tree.matching(&pattern));
            if is_made && found.is_some() && !asked.somewhere.contains(&pattern) {
                asked.somewhere.push(pattern.clone());
            }
            let known: BTreeSet<String> = asked.anywhere.iter().cloned().collect();
            let found = found.unwrap_or_else(|| vec![pattern]);
            asked.anywhere.extend(found.into_iter().filter(|name| !known.contains(name)));
        }
        Ok(())
    }

    /// Which repository a file is in: those of one folder are in the same one, but for links.
    fn repository(&mut self, path: &Path) -> Result<Option<usize>, Error> {
        let is_plain = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
        let folder = path.parent().filter(|_| is_plain).map(Path::to_owned);
        if let Some(known) = folder.as_ref().and_then(|folder| self.folders.get(folder)) {
            return Ok(*known);
        }
        let at = LinkedCheckout::of(path)?.map(|checkout| self.of_place(checkout));
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
        let around = self.all[at].checkout.enclosing()?.map(|checkout| self.of_place(checkout));
        self.around.insert(at, around);
        Ok(around)
    }

    fn of_place(&mut self, checkout: LinkedCheckout) -> usize {
        let known = self.all.iter().position(|asked| asked.checkout.root == checkout.root);
        known.unwrap_or_else(|| {
            self.all.push(Asked::of(checkout));
            self.all.len() - 1
        })
    }

    /// Adds a file that changed, with what it was.
    fn add_change(&mut self, change: Change) -> Result<(), Error> {
        let Some(at) = self.repository(&change.path)? else { return Ok(()) };
        let around = self.around(at)?;
        for (at, is_around) in [(Some(at), false), (around, true)] {
            let Some(asked) = at.map(|at| &mut self.all[at]) else { continue };
            for name in asked.checkout.names(&change.path) {
                // In another project around this one nothing is taken.
                let list = if is_around { &mut asked.anywhere } else { &mut asked.names };
                if let Entry::Vacant(vacant) = asked.before.entry(name) {
                    list.push(vacant.key().clone());
                    vacant.insert(change.clone());
                }
            }
        }
        Ok(())
    }

    /// Of the files that are written, those that are surely the tool's own.
    fn tell_apart(&mut self, told: &Self) {
        for asked in &mut self.all {
            let own = told.all.iter().find(|own| own.checkout.root == asked.checkout.root);
            let own = own.map(|own| own.told.as_slice()).unwrap_or_default();
            asked.told = asked.names.iter().filter(|name| own.contains(name)).cloned().collect();
        }
    }
}

/// What is known of work trees before this run's commands.
pub(super) fn snapshot(event: &HookEvent) -> Option<Snapshot> {
    Some(Snapshot::of_run(RunRecords::locate().ok()?.folder_of(&key(event)?)))
}

/// The host's name for this use of the tool.
pub(super) fn call(event: &HookEvent) -> Option<String> {
    event.call.clone().or_else(|| key(event).map(|key| changes::unnamed(&key)))
}

/// The run that the event is of.
pub(super) fn key(event: &HookEvent) -> Option<RunKey> {
    RunKey::of_host(event.host.word(), event.session.as_deref()?)
}
