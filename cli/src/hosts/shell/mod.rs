//! The files that a shell command writes, as far as its text shows them. It runs nothing and never fails: an unknown
//! name becomes a pattern of all files that it could be, or is left to the snapshots of [`guard`](crate::guard).
//!
//! `shuck-parser` parses the text (ARCHITECTURE.md says why); this interprets the tree. Time, depth and size are
//! bounded: a text beyond the bounds counts as unreadable.
//! - [`read`]: parses a text. [`value`]: a text with parts that are unknown. [`budget`]: bounds the work.
//! - [`scope`]: folder, variables and functions. [`input`]: what a command reads. [`writes`]: what it writes.
//!   [`unrooted`]: patterns of files in a folder that is not known. [`state`]: the shell, which has all of these.
//!   [`paths`]: where a path leads.
//! - [`expand`] and [`parameter`]: the values of a word. [`glob`]: the files that match a pattern.
//! - [`walk`]: goes through the commands in order. [`compound`]: branches and loops. [`assign`]: assignments of
//!   variables. [`printed`]: what a command prints for the next one. [`target`]: collects what is written.
//! - [`simple`]: a simple command. [`starters`]: programs that start another one. [`options`], [`programs`], [`row`],
//!   [`table`]: the usual programs, as a table. [`special`], [`archives`], [`fetched`], [`find`], [`git`], [`sed`]:
//!   programs that no table can describe. [`interpreters`], [`languages`], [`texts`]: programs that run a text.

mod archives;
mod assign;
mod budget;
mod compound;
mod expand;
mod fetched;
mod find;
mod git;
mod glob;
mod input;
mod interpreters;
mod languages;
mod options;
#[cfg(test)]
pub(crate) mod ordinary;
mod parameter;
mod paths;
mod printed;
mod programs;
mod read;
mod row;
mod scope;
mod sed;
mod simple;
mod special;
mod starters;
mod state;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod texts;
mod unrooted;
mod value;
mod walk;
mod writes;

pub(in crate::hosts) use interpreters::is_shell;
pub(crate) use unrooted::{UnrootedPattern, claim_conflicts};
pub(crate) use writes::Writes;

use std::{path::Path, sync::mpsc, thread, time::Duration};

/// The longest time for reading a command: a host waits ten seconds for its hook, which has to ask the cluster, too.
const LONGEST: Duration = Duration::from_secs(2);

/// The stack of the thread that reads a command: a tree is as deep as the parser allows, and a few trees are nested.
const STACK_BYTES: usize = 64 << 20;

/// The files that a command writes if it starts in this folder.
pub(crate) fn writes(command: &str, folder: &Path) -> Writes {
    let (sender, receiver) = mpsc::sync_channel(1);
    let (command, folder) = (command.to_owned(), folder.to_owned());
    let reading = move || {
        // The caller may have stopped waiting.
        let _ = sender.send(read_through(&command, &folder));
    };
    // If the thread panics or does not end, the command counts as unreadable. The thread ends with this process.
    let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(reading);
    let seen = started.ok().and_then(|_| receiver.recv_timeout(LONGEST).ok());
    seen.unwrap_or_else(|| Writes { unreadable: Some(read::TOO_SLOW), ..Writes::default() })
}

/// The same in this thread, however long it takes.
pub(in crate::hosts) fn read_through(command: &str, folder: &Path) -> Writes {
    let mut shell = state::Shell::in_folder(folder);
    shell.run(command);
    shell.run_uncalled();
    shell.writes.may_write_anything |= shell.budget.is_over();
    shell.writes
}
