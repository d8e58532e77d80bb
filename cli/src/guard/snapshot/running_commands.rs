//! The commands of a run whose end nobody told yet. Whoever changes the list holds its lock.

use super::run_folder::{now_ms, replace};
use crate::config::atomic;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Commands that are remembered: agents run a few at a time.
const MAX_COMMANDS: usize = 64;

/// Milliseconds after which a command that was looked at once counts as over: hosts let none run for longer than ten
/// minutes.
const LONGEST_MS: u64 = 15 * 60_000;

/// A command that began.
#[derive(Debug, Serialize, Deserialize)]
struct RunningCommand {
    /// The host's id of the tool call; several calls may share one.
    call: String,
    /// When, in milliseconds of the Unix epoch.
    at: u64,
    /// Whether what it changed was looked at, up to some moment, without being asked for.
    is_settled: bool,
    /// Why something was not looked at when it began.
    #[serde(rename = "gaps")]
    unchecked: Vec<String>,
}

/// All of them.
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
    /// Whether there may be one, for whoever holds no lock.
    pub(super) fn may_be_any(folder: &Path) -> bool {
        fs::metadata(file_in(folder)).is_ok_and(|meta| meta.len() > "[]".len() as u64)
    }

    /// Reads the list; others that look wait until this one is gone.
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

    /// Whether there is one.
    pub(super) const fn is_any(&self) -> bool {
        !self.all.is_empty()
    }

    /// Whether there is one that was not looked at since it began.
    pub(super) fn is_unsettled(&self) -> bool {
        self.all.iter().any(|begun| !begun.is_settled)
    }

    /// All of them were looked at just now.
    pub(super) fn settle(&mut self) {
        let now = now_ms();
        self.all.retain(|begun| now.saturating_sub(begun.at) < LONGEST_MS);
        self.all.iter_mut().for_each(|begun| begun.is_settled = true);
    }

    /// Another one begins.
    pub(super) fn begin(&mut self, call: String, unchecked: Vec<String>) -> Result<(), String> {
        self.all.push(RunningCommand { call, at: now_ms(), is_settled: false, unchecked });
        let over = self.all.len().saturating_sub(MAX_COMMANDS);
        self.all.drain(..over);
        self.write()
    }

    /// One is over. Gives why something was not looked at when it began.
    pub(super) fn end(&mut self, call: &str) -> Vec<String> {
        let found = self.all.iter().position(|begun| begun.call == call);
        found.map(|at| self.all.remove(at).unchecked).unwrap_or_default()
    }

    /// All are over.
    pub(super) fn end_all(&mut self) {
        self.all.clear();
    }

    pub(super) fn write(&self) -> Result<(), String> {
        let text = serde_json::to_vec(&self.all).map_err(|error| error.to_string())?;
        replace(&self.file, &text)
    }
}
