//! Git: a guard before a commit and one before a push, in the folder of hooks that this repository and all its
//! worktrees share, and in those of its submodules. A hook that is there keeps its name: the guard becomes its first
//! lines, if it is a shell's; else it is moved into a folder beside it and called from there.

use super::{
    Change, Operation, Plan, Scope,
    block::{self, Comment},
    location::Base,
    plan::WithoutOurs,
};
use crate::{
    confined::{ConfinedDir, MAX_FILE_BYTES, read_bounded},
    error::Error,
    git::Git,
    repository::normalized,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The hooks of git that are installed, by their file names.
const HOOKS: [&str; 2] = ["pre-commit", "pre-push"];

/// The folder of hooks that were there before and cannot be added to: some look at the name they are called by.
const BEFORE: &str = "before-nexus";

/// The first line of a hook that is wholly ours.
const SHEBANG: &str = "#!/bin/sh\n";

/// Programs that the guard's lines can be read by.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Submodules that get guards, those within others among them: more are no work of one team.
const MOST_SUBMODULES: usize = 200;

/// Where Git was found: the repository. A person has no hooks of their own.
pub(crate) fn found(scope: &Scope) -> Option<String> {
    let git = scope.root.join(".git");
    (!scope.is_user() && git.exists()).then(|| git.display().to_string())
}

/// What has to be changed in the hooks of a repository and of its submodules.
///
/// # Errors
/// When a file is not what it should be: then nothing is changed at all.
pub(crate) fn plan(scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    if scope.is_user() {
        return Err(Error::misused("git hooks belong to a repository").hint("leave out --user for git"));
    }
    let mut plan = Plan::new(scope.base());
    let mut roots = vec![scope.root.clone()];
    let mut at = 0;
    while let Some(root) = roots.get(at).cloned() {
        plan.extend(plan_in(&root, operation)?);
        // Their hooks lie elsewhere: what is committed in them is seen by none of the repository around them.
        roots.extend(submodules(&root).into_iter().take(MOST_SUBMODULES.saturating_sub(roots.len())));
        at += 1;
    }
    Ok(plan)
}

/// The submodules that are checked out in a work tree.
fn submodules(root: &Path) -> Vec<PathBuf> {
    /// The kind of an entry of the index that is a commit of another repository.
    const SUBMODULE: &str = "160000 ";
    let entries = Git::at(root).entries(&["ls-files", "--stage", "-z"]).unwrap_or_default();
    let paths = entries.iter().filter(|entry| entry.starts_with(SUBMODULE));
    let paths = paths.filter_map(|entry| Some(root.join(entry.split_once('\t')?.1)));
    // Behind a link there is another repository, of somebody else.
    let is_own = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
            && path.join(".git").symlink_metadata().is_ok()
    };
    paths.filter(is_own).collect()
}

fn plan_in(root: &Path, operation: Operation) -> Result<Plan, Error> {
    let hooks = Hooks::of(root)?;
    // A path of this machine is of no use to others.
    let own = if hooks.whose == Whose::Committed { None } else { std::env::current_exe().ok() };
    let mut plan = Plan::new(hooks.base.clone());
    for hook in HOOKS {
        let path = hooks.folder.join(hook);
        let chained = hooks.folder.join(BEFORE).join(hook);
        match operation {
            Operation::Install => install(&mut plan, hook, path, chained, own.as_deref())?,
            Operation::Uninstall => {
                let is_ours = text(&path).is_some_and(|text| taken(&text).text != text);
                if is_ours {
                    plan.take_out(path.clone(), |text| Ok(taken(text)))?;
                    if chained.symlink_metadata().is_ok() {
                        let (from, to) = (plan.locate_entry(&chained)?, plan.locate_entry(&path)?);
                        plan.changes.push(Change::Move { from, to });
                    }
                }
            }
        }
    }
    for change in &mut plan.changes {
        if let Change::Write { is_program, .. } = change {
            *is_program = true;
        }
    }
    if !plan.changes.is_empty()
        && let Some(note) = hooks.note()
    {
        plan.note(note);
    }
    Ok(plan)
}

/// What is to be known of the guards of a repository that are not as they should be: they may have been there.
pub(crate) fn may_be_rewritten(root: &Path) -> Option<String> {
    let hooks = Hooks::of(root).ok()?;
    (hooks.whose == Whose::Made).then(|| {
        format!(
            "{} is where core.hooksPath leads, and git ignores it: whatever makes it may have written it anew",
            hooks.folder.display()
        )
    })
}

/// Whose a folder of hooks is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Git's own, in the repository.
    Git,
    /// It is committed, for all.
    Committed,
    /// It is in the work tree, where git ignores it: some tool makes it, such as husky.
    Made,
    /// The person's, for all of their repositories.
    Person,
}

/// The folder of hooks of a repository.
struct Hooks {
    folder: PathBuf,
    whose: Whose,
    /// What it must not lead out of.
    base: Base,
}

impl Hooks {
    fn of(root: &Path) -> Result<Self, Error> {
        let git = Git::at(root);
        let top =
            git.top().map_err(|_| Error::misused(format!("{} is no repository of git", root.display())))?;
        let own = |what: &[&str]| {
            let mut arguments = vec!["rev-parse", "--path-format=absolute"];
            arguments.extend(what);
            git.text(&arguments).map(PathBuf::from)
        };
        let shared = own(&["--git-common-dir"])?;
        // As it is configured, and not where links of the repository lead.
        let configured = git.text(&["config", "--type=path", "--get", "core.hooksPath"]).ok();
        let configured = configured.filter(|path| !path.is_empty()).map(|path| normalized(&top.join(path)));
        let folder = match configured {
            Some(folder) => folder,
            None => own(&["--git-path", "hooks"])?,
        };
        if folder.starts_with(&shared) {
            return Ok(Self { base: beneath(&folder), folder, whose: Whose::Git });
        }
        let Ok(below) = folder.strip_prefix(&top) else {
            return Ok(Self { base: beneath(&folder), folder, whose: Whose::Person });
        };
        let folder = top.join(ConfinedDir::of(&top)?.resolve(below)?);
        let is_ignored =
            git.is_so(&["check-ignore", "-q", "--", &folder.join(HOOKS[0]).display().to_string()]);
        let whose = if is_ignored { Whose::Made } else { Whose::Committed };
        Ok(Self { folder, whose, base: Base::Repository(top) })
    }

    fn note(&self) -> Option<String> {
        let folder = self.folder.display();
        match self.whose {
            Whose::Git => None,
            Whose::Committed => Some(format!(
                "{folder} is part of the repository: what is installed there is committed for all"
            )),
            Whose::Made => Some(format!(
                "{folder} is where core.hooksPath leads, and git ignores it: it is yours alone, and whatever makes it may \
                 write it anew; then nexus doctor says so, and nexus install git puts the guard back"
            )),
            Whose::Person => Some(format!(
                "{folder} is where core.hooksPath leads: all repositories that use it get the guard. In those that are not linked to a project it says nothing"
            )),
        }
    }
}

/// The folder, or the one above it that is there.
fn beneath(folder: &Path) -> Base {
    let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(folder);
    Base::Repository(there.to_owned())
}

fn install(
    plan: &mut Plan,
    hook: &str,
    path: PathBuf,
    chained: PathBuf,
    own: Option<&Path>,
) -> Result<(), Error> {
    let is_chained = chained.symlink_metadata().is_ok();
    if path.symlink_metadata().is_err() {
        return written(plan, path, &guard(hook, own, is_chained));
    }
    if let Some(text) = text(&path).filter(|text| takes_lines(&path, text)) {
        let is_whole = taken(&text).is_nothing;
        let guard = guard(hook, own, is_chained && is_whole);
        // Before anything else that it does: but what says by whom it is read stays the first line.
        let first = text.find('\n').map_or(text.len(), |end| end + 1);
        return plan.put_in(
            path,
            |text| Ok(block::with_at(text.unwrap_or_default(), first, Comment::Hash, &guard)),
            |text| Ok(taken(text)),
        );
    }
    if is_chained {
        return Err(Error::local(format!("{} is in the way", chained.display()))
            .hint("it was left by an earlier install: remove it, or give it back its place"));
    }
    let (from, to) = (plan.locate_entry(&path)?, plan.locate_entry(&chained)?);
    plan.changes.push(Change::Move { from, to });
    written(plan, path, &guard(hook, own, true))
}

/// A hook that is wholly ours.
fn written(plan: &mut Plan, path: PathBuf, guard: &str) -> Result<(), Error> {
    let after = Some(block::with(Some(SHEBANG), Comment::Hash, guard));
    let at = plan.locate_entry(&path)?;
    plan.changes.push(Change::Write { at, before: None, after, is_program: true, origin: None });
    Ok(())
}

fn taken(text: &str) -> WithoutOurs {
    let WithoutOurs { text: left, .. } = block::taken(text, Comment::Hash);
    let is_nothing = left != text && left.replace('\r', "") == SHEBANG;
    WithoutOurs { is_nothing, text: left }
}

/// What a hook says; one that is no text is a program.
fn text(path: &Path) -> Option<String> {
    // What cannot be read as text has a character that no text has.
    read_bounded(path, MAX_FILE_BYTES).ok().filter(|text| !text.contains('\u{fffd}'))
}

/// Whether lines for a shell can be added: not where the file is another's, by a link, or where git does not run it.
fn takes_lines(path: &Path, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let mut words = first.strip_prefix("#!").unwrap_or_default().split_whitespace();
    let mut named = || words.next().and_then(|word| word.rsplit('/').next()).unwrap_or_default().to_owned();
    let mut program = named();
    if program == "env" {
        program = named();
    }
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file() && is_run(&meta));
    is_file && SHELLS.contains(&program.as_str())
}

#[cfg(unix)]
fn is_run(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

/// Elsewhere git runs whatever there is.
#[cfg(not(unix))]
fn is_run(_: &fs::Metadata) -> bool {
    true
}

/// The lines that git is to run first. What git says on stdin is read by whatever comes after them as well.
fn guard(hook: &str, own: Option<&Path>, is_chained: bool) -> String {
    let mut text = "\
# Refuses files that another session holds. Made by `nexus install git`; `nexus uninstall git` takes it out.
nexus=nexus
"
    .to_owned();
    if let Some(own) = own {
        let own = own.display().to_string().replace('\'', r"'\''");
        text += &format!("command -v nexus >/dev/null 2>&1 || nexus='{own}'\n");
    }
    let has_input = hook == "pre-push";
    let feed = if has_input { "printf '%s\\n' \"$nexus_input\" | " } else { "" };
    if has_input {
        text += "nexus_input=\"$(cat)\"\n";
    }
    text += &format!(
        "\
if command -v \"$nexus\" >/dev/null 2>&1; then
  {feed}\"$nexus\" hook git {hook} \"$@\" || exit 1
else
  echo \"nexus is not on the PATH: nobody checks whose these files are\" >&2
fi
"
    );
    if has_input {
        text += "\
if [ -n \"$nexus_input\" ]; then
  exec <<NEXUS_INPUT
$nexus_input
NEXUS_INPUT
else
  exec </dev/null
fi
";
    }
    if is_chained {
        text += &format!(
            "\
before=\"$(dirname \"$0\")/{BEFORE}/{hook}\"
if [ -x \"$before\" ]; then
  exec \"$before\" \"$@\"
fi
"
        );
    }
    text
}
