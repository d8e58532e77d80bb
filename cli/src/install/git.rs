//! Git: a guard before a commit, one before a push, and the receipt in a message, in the folder of hooks that this
//! repository and all its worktrees share, and in those of its submodules. A hook that is there keeps its name: the
//! guard becomes its first lines, if it is a shell's; else it is moved into a folder beside it and called from there.

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
const HOOKS: [&str; 3] = ["pre-commit", "commit-msg", "pre-push"];

/// The folder for existing hooks that cannot get further lines. Some depend on the name by which they are called.
const BEFORE: &str = "before-nexus";

/// The first line of a hook that is wholly ours.
const SHEBANG: &str = "#!/bin/sh\n";

/// Shells that can run the guard's lines.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// Submodules that get guards, including nested ones: no team works on more of them.
const MOST_SUBMODULES: usize = 200;

/// The place where Git was found, which is the repository. A person has no hooks of their own.
pub(crate) fn found(scope: &Scope) -> Option<String> {
    let git = scope.root.join(".git");
    (!scope.is_user() && git.exists()).then(|| git.display().to_string())
}

/// Plans the changes of the hooks of a repository and of its submodules.
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
        // Submodules have hooks of their own: the hooks of the outer repository do not see their commits.
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
    // A link leads to another repository.
    let is_own = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
            && path.join(".git").symlink_metadata().is_ok()
    };
    paths.filter(is_own).collect()
}

fn plan_in(root: &Path, operation: Operation) -> Result<Plan, Error> {
    let hooks = Hooks::of(root)?;
    // A committed hook must not name a path of this machine.
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

/// Why the guards of a repository may be missing although they were installed, if there is a reason.
pub(crate) fn may_be_rewritten(root: &Path) -> Option<String> {
    let hooks = Hooks::of(root).ok()?;
    (hooks.whose == Whose::Made).then(|| {
        format!(
            "{} is where core.hooksPath leads, and git ignores it: whatever makes it may have written it anew",
            hooks.folder.display()
        )
    })
}

/// The owner of a folder of hooks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Git itself: the folder is in the repository.
    Git,
    /// Everybody: the folder is committed.
    Committed,
    /// A tool such as husky: the folder is in the work tree, and git ignores it.
    Made,
    /// The person: the folder is for all of their repositories.
    Person,
}

/// The folder of hooks of a repository.
struct Hooks {
    folder: PathBuf,
    whose: Whose,
    /// The folder that its links must not lead out of.
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
        // The path as it is configured, without following links of the repository.
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

/// The folder, or the nearest existing one above it.
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
        // The guard comes before the other lines of the hook, but after the line that names its shell.
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

/// Plans a hook that consists of the guard alone.
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

/// The text of a hook; `None` if it is a program.
fn text(path: &Path) -> Option<String> {
    // A program has bytes that are no UTF-8, which become this character.
    read_bounded(path, MAX_FILE_BYTES).ok().filter(|text| !text.contains('\u{fffd}'))
}

/// Whether lines for a shell can be added: not if the hook is a link, or if git does not run it.
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

/// Always true: on systems other than Unix, git runs every hook.
#[cfg(not(unix))]
fn is_run(_: &fs::Metadata) -> bool {
    true
}

/// The lines of the guard, which git runs first. The lines after them can read git's input again.
fn guard(hook: &str, own: Option<&Path>, is_chained: bool) -> String {
    let adds_receipt = hook == "commit-msg";
    let what = if adds_receipt {
        "Adds the receipt of the session that holds the files."
    } else {
        "Refuses files that another session holds."
    };
    let mut text =
        format!("# {what} Made by `nexus install git`; `nexus uninstall git` takes it out.\nnexus=nexus\n");
    if let Some(own) = own {
        let own = own.display().to_string().replace('\'', r"'\''");
        text += &format!("command -v nexus >/dev/null 2>&1 || nexus='{own}'\n");
    }
    let has_input = hook == "pre-push";
    let feed = if has_input { "printf '%s\\n' \"$nexus_input\" | " } else { "" };
    if has_input {
        text += "nexus_input=\"$(cat)\"\n";
    }
    // A commit without a receipt is better than none: nexus verify names it later.
    let (otherwise, absent) = if adds_receipt {
        ("true", "this commit gets no receipt")
    } else {
        ("exit 1", "nobody checks whose these files are")
    };
    text += &format!(
        "\
if command -v \"$nexus\" >/dev/null 2>&1; then
  {feed}\"$nexus\" hook git {hook} \"$@\" || {otherwise}
else
  echo \"nexus is not on the PATH: {absent}\" >&2
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
