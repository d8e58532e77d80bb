//! Checks which hooks of this machine are installed: a part of `nexus doctor`.

use super::{
    check::{Check, State},
    target::Target,
};
use crate::{
    hosts::on_path,
    install::{Operation, Scope},
};
use std::path::Path;

/// One check for each agent and for Git, as far as they are there.
pub(super) fn checks() -> Vec<Check> {
    let Ok(repository) = Scope::here(false) else { return Vec::new() };
    let found = Target::all().filter(|target| target.found(&repository).is_some());
    found.map(|target| check(target, &repository)).collect()
}

fn check(target: Target, repository: &Scope) -> Check {
    let name = format!("hooks of {}", target.name());
    let is_wired =
        |scope: &Scope| target.plan(scope, Operation::Install).is_ok_and(|plan| plan.changes.is_empty());
    let caveat = target.caveat().map(|caveat| format!("; {caveat}")).unwrap_or_default();
    let wired = if is_wired(repository) {
        Some("installed in this repository")
    } else if target != Target::Git && Scope::here(true).is_ok_and(|person| is_wired(&person)) {
        Some("installed for you")
    } else {
        None
    };
    if let Some(wired) = wired {
        // Git's have a path beside the name; those of hosts are read on many machines.
        return if target == Target::Git || on_path("nexus").is_some() {
            Check::ok(&name, format!("{wired}{caveat}"))
        } else {
            let fix = match std::env::current_exe().ok().as_deref().and_then(Path::parent) {
                Some(folder) => {
                    format!("put {} on the PATH of whoever starts {}", folder.display(), target.name())
                }
                None => "put nexus on the PATH".to_owned(),
            };
            let message = format!(
                "{wired}, but they call nexus, which is not on the PATH: nobody asks before files are written"
            );
            Check::wrong(&name, State::Bad, message, fix)
        };
    }
    match target.plan(repository, Operation::Install) {
        Ok(_) => {
            let more = target.may_be_rewritten(repository);
            let more = more.map_or_else(String::new, |more| format!(". {more}"));
            Check::wrong(
                &name,
                State::Warning,
                format!("not installed, or by another version: nobody asks before files are written{more}"),
                format!("nexus install {}", target.name()),
            )
        }
        Err(error) => {
            Check::wrong(&name, State::Bad, error.to_string(), "repair the file, then nexus install")
        }
    }
}
