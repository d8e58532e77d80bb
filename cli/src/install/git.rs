//! Git: a hook before a commit and one before a push, in the folder that this repository and all its worktrees
//! share. A hook that is there already gets another name and is called after ours.

use super::{Change, Plan, Scope, Wish, plan::read};
use crate::error::Error;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The hooks.
const HOOKS: [&str; 2] = ["pre-commit", "pre-push"];

/// By this line a hook is known as ours.
const MARK: &str = "# >>> nexus >>>";

/// What the name of a hook that was there before ends in.
const BEFORE: &str = ".before-nexus";

pub(super) fn plan(scope: &Scope, wish: Wish) -> Result<Plan, Error> {
    if scope.is_user() {
        return Err(Error::misused("git hooks belong to a repository").hint("leave out --user for git"));
    }
    let folder = folder(&scope.root)?;
    let mut plan = Plan::default();
    for hook in HOOKS {
        let path = folder.join(hook);
        let chained = folder.join(format!("{hook}{BEFORE}"));
        let before = read(&path)?;
        let is_ours = before.as_deref().is_some_and(|text| text.contains(MARK));
        match wish {
            Wish::Install => {
                let after = Some(script(hook));
                if is_ours {
                    if before != after {
                        plan.changes.push(Change::Write { path, before, after, is_program: true });
                    }
                    continue;
                }
                if before.is_some() {
                    if chained.exists() {
                        return Err(Error::local(format!("{} is in the way", chained.display()))
                            .hint("it was left by an earlier install: remove it, or give it back its name"));
                    }
                    plan.changes.push(Change::Move { from: path.clone(), to: chained });
                }
                plan.changes.push(Change::Write { path, before: None, after, is_program: true });
            }
            Wish::Uninstall if is_ours => {
                plan.changes.push(Change::Write {
                    path: path.clone(),
                    before,
                    after: None,
                    is_program: true,
                });
                if chained.exists() {
                    plan.changes.push(Change::Move { from: chained, to: path });
                }
            }
            Wish::Uninstall => {}
        }
    }
    if folder.starts_with(&scope.root) && !folder.starts_with(scope.root.join(".git")) {
        plan.notes.push(format!(
            "{} is part of the repository: what is installed there is committed for all",
            folder.display()
        ));
    }
    Ok(plan)
}

/// Where git looks for hooks: `core.hooksPath`, or the folder that all worktrees share.
fn folder(root: &Path) -> Result<PathBuf, Error> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["rev-parse", "--path-format=absolute", "--git-path", "hooks"])
        .output()
        .map_err(|error| Error::local(format!("cannot run git: {error}")))?;
    if !output.status.success() {
        return Err(Error::misused(format!("{} is no repository of git", root.display())));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end_matches(['\n', '\r'])))
}

/// The program that git calls. What git says on stdin goes to both hooks.
fn script(hook: &str) -> String {
    let own = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let own = own.replace('\'', r"'\''");
    let (keep, feed) =
        if hook == "pre-push" { ("refs=\"$(cat)\"\n", "printf '%s\\n' \"$refs\" | ") } else { ("", "") };
    format!(
        "#!/bin/sh
{MARK}
# Refuses files that another session holds. Made by `nexus install git`; `nexus uninstall git` takes it out.
nexus=nexus
command -v nexus >/dev/null 2>&1 || nexus='{own}'
{keep}if command -v \"$nexus\" >/dev/null 2>&1; then
  {feed}\"$nexus\" hook git {hook} \"$@\" || exit 1
else
  echo \"nexus is not on the PATH: nobody checks whose these files are\" >&2
fi
before=\"$0{BEFORE}\"
if [ -x \"$before\" ]; then
  {feed}\"$before\" \"$@\" || exit $?
fi
# <<< nexus <<<
"
    )
}
