//! Git: a guard before a commit and one before a push, in the folder of hooks that this repository and all its
//! worktrees share. A hook that is there keeps its name: the guard becomes its first lines, if it is a shell's;
//! else it is moved into a folder beside it and called from there.

use super::{
    Change, Plan, Scope, Wish,
    block::{self, Comment},
    plan::Taken,
};
use crate::error::Error;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The hooks.
const HOOKS: [&str; 2] = ["pre-commit", "pre-push"];

/// The folder of hooks that were there before and cannot be added to: some look at the name they are called by.
const BEFORE: &str = "before-nexus";

/// The first line of a hook that is wholly ours.
const SHEBANG: &str = "#!/bin/sh\n";

/// Programs that the guard's lines can be read by.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

pub(super) fn plan(scope: &Scope, wish: Wish) -> Result<Plan, Error> {
    if scope.is_user() {
        return Err(Error::misused("git hooks belong to a repository").hint("leave out --user for git"));
    }
    let folder = asked(&scope.root, &["--git-path", "hooks"])?;
    let shared = asked(&scope.root, &["--git-common-dir"])?;
    let is_committed = folder.starts_with(&scope.root) && !folder.starts_with(&shared);
    // A path of this machine is of no use to others.
    let own = if is_committed { None } else { std::env::current_exe().ok() };
    let mut plan = Plan::default();
    for hook in HOOKS {
        let path = folder.join(hook);
        let chained = folder.join(BEFORE).join(hook);
        match wish {
            Wish::Install => install(&mut plan, hook, path, chained, own.as_deref())?,
            Wish::Uninstall => {
                let is_ours = text(&path).is_some_and(|text| taken(&text).text != text);
                if is_ours {
                    plan.take_out(path.clone(), |text| Ok(taken(text)))?;
                    if chained.symlink_metadata().is_ok() {
                        plan.changes.push(Change::Move { from: chained, to: path });
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
    if is_committed {
        plan.notes.push(format!(
            "{} is part of the repository: what is installed there is committed for all",
            folder.display()
        ));
    } else if !folder.starts_with(&shared) && !plan.changes.is_empty() {
        plan.notes.push(format!(
            "{} is where core.hooksPath leads: all repositories that use it get the guard. In those that are not linked to a project it says nothing",
            folder.display()
        ));
    }
    Ok(plan)
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
    plan.changes.push(Change::Move { from: path.clone(), to: chained });
    written(plan, path, &guard(hook, own, true))
}

/// A hook that is wholly ours.
fn written(plan: &mut Plan, path: PathBuf, guard: &str) -> Result<(), Error> {
    let after = Some(block::with(Some(SHEBANG), Comment::Hash, guard));
    plan.changes.push(Change::Write { path, before: None, after, is_program: true, origin: None });
    Ok(())
}

fn taken(text: &str) -> Taken {
    let Taken { text: left, .. } = block::taken(text, Comment::Hash);
    let is_nothing = left != text && left.replace('\r', "") == SHEBANG;
    Taken { is_nothing, text: left }
}

/// What a hook says; one that is no text is a program.
fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(path).ok()?).ok()
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

/// Where git keeps something: hooks where `core.hooksPath` says, or in what all worktrees share.
fn asked(root: &Path, what: &[&str]) -> Result<PathBuf, Error> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["rev-parse", "--path-format=absolute"])
        .args(what)
        .output()
        .map_err(|error| Error::local(format!("cannot run git: {error}")))?;
    if !output.status.success() {
        return Err(Error::misused(format!("{} is no repository of git", root.display())));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end_matches(['\n', '\r'])))
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
