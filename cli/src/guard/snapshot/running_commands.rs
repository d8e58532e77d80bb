//! The commands of a run whose end was not reported yet. A process that changes the list holds its lock.

use super::run_folder::{now_ms, replace};
use crate::config::atomic;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Most commands in the list: agents run a few at a time.
const MAX_COMMANDS: usize = 64;

/// Milliseconds after which a command that was checked once counts as over: hosts let none run for longer than ten
/// minutes.
const LONGEST_MS: u64 = 15 * 60_000;

/// A command that began.
#[derive(Debug, Serialize, Deserialize)]
struct RunningCommand {
    /// The host's id of the tool call; several calls may share one.
    call: String,
    /// The time, in milliseconds of the Unix epoch.
    at: u64,
    /// Whether its changes up to some moment were already checked with those of another command.
    is_settled: bool,
    /// Why parts were not checked when it began.
    #[serde(rename = "gaps")]
    unchecked: Vec<String>,
}

/// The list of running commands, with its lock.
#[derive(Debug)]
pub(super) struct RunningCommands {
    file: PathBuf,
    all: Vec<RunningCommand>,
    _lock: File,
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join("shell.commands")
}

impl RunningCommands {
    /// Whether there may be a running command. Needs no lock.
    pub(super) fn may_be_any(folder: &Path) -> bool {
        fs::metadata(file_in(folder)).is_ok_and(|meta| meta.len() > "[]".len() as u64)
    }

    /// Locks and reads the list. Other processes wait until the lock is dropped.
    pub(super) fn lock(folder: &Path) -> Result<Self, String> {
        let failed = |error| format!("{} cannot be locked: {error}", folder.display());
        atomic::make_private_folder(folder).map_err(failed)?;
        let lock = File::create(folder.join("shell.lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let file = file_in(folder);
        let all =
            fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Ok(Self { file, all, _lock: lock })
    }

    /// Whether a command is running.
    pub(super) const fn is_any(&self) -> bool {
        !self.all.is_empty()
    }

    /// Whether a command was not checked since it began.
    pub(super) fn is_unsettled(&self) -> bool {
        self.all.iter().any(|begun| !begun.is_settled)
    }

    /// Marks all commands as checked.
    pub(super) fn settle(&mut self) {
        let now = now_ms();
        self.all.retain(|begun| now.saturating_sub(begun.at) < LONGEST_MS);
        self.all.iter_mut().for_each(|begun| begun.is_settled = true);
    }

    /// Adds a command that begins.
    pub(super) fn begin(&mut self, call: String, unchecked: Vec<String>) -> Result<(), String> {
        self.all.push(RunningCommand { call, at: now_ms(), is_settled: false, unchecked });
        let over = self.all.len().saturating_sub(MAX_COMMANDS);
        self.all.drain(..over);
        self.write()
    }

    /// Removes a command that is over. Returns why parts were not checked when it began.
    pub(super) fn end(&mut self, call: &str) -> Vec<String> {
        let found = self.all.iter().position(|begun| begun.call == call);
        found.map(|at| self.all.remove(at).unchecked).unwrap_or_default()
    }

    /// Removes all commands.
    pub(super) fn end_all(&mut self) {
        self.all.clear();
    }

    pub(super) fn write(&self) -> Result<(), String> {
        let text = serde_json::to_vec(&self.all).map_err(|error| error.to_string())?;
        replace(&self.file, &text)
    }
}
