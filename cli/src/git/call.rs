//! One call of git. Aliases, colours, filters for display, a monitor of the file system, a foreign repository in the
//! environment: none of them changes what is printed. Where git keeps its configuration stays the user's affair, since it
//! says what is ignored and where hooks are.

use crate::error::Error;
use std::{
    env,
    ffi::OsStr,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

/// Settings that change what is printed, or run something of the user's meanwhile.
const SETTINGS: [&str; 9] = [
    "core.fsmonitor=false",
    "core.quotePath=false",
    "color.ui=false",
    "diff.renames=false",
    "diff.relative=false",
    "diff.ignoreSubmodules=none",
    // Git reads it even where the order does not matter, and fails when it is not there.
    "diff.orderFile=/dev/null",
    "status.renames=false",
    "submodule.recurse=false",
];

/// Variables of git that say where it finds its programs and settings, and how it reaches others: they stay.
const OF_THE_USER: [&str; 12] = [
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_TEMPLATE_DIR",
];

/// Variables by which git tells a hook what it is at work on.
const OF_A_HOOK: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_QUARANTINE_PATH",
    "GIT_WORK_TREE",
];

/// Bytes of what another machine answers: a ref takes some eighty.
const MAX_ANSWER_BYTES: u64 = 16 << 20;

/// Git did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// Whose repository is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Where {
    /// The one around this folder, whatever the environment names.
    Folder(PathBuf),
    /// The one that git is at work on while it waits for this hook.
    Hook,
}

/// Git in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Git(Where);

impl Git {
    /// In the repository around a folder.
    pub(crate) fn at(folder: &Path) -> Self {
        Self(Where::Folder(folder.to_owned()))
    }

    /// In the repository around the current folder.
    pub(crate) fn here() -> Self {
        Self::at(Path::new("."))
    }

    /// In the repository that git is at work on, with the index that it is about to commit. Only for what git itself
    /// called: in the environment of others these variables mean another repository.
    pub(crate) const fn of_hook() -> Self {
        Self(Where::Hook)
    }

    fn command<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = Command::new("git");
        for (name, _) in env::vars_os() {
            if !is_kept(&name, self.0 == Where::Hook) {
                command.env_remove(&name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            // A look must not get in the way of somebody's commit.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            // What is pushed is what was committed, not what stands in for it here.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .arg("--no-pager");
        if let Where::Folder(folder) = &self.0 {
            command.arg("-C").arg(folder);
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What git gives, however it ends.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn output<I, A>(&self, arguments: I) -> Result<Output, Error>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.command(arguments).output().map_err(|error| cannot_run(&error))
    }

    /// What git prints, without the end of its last line. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        let output = checked(self.output(arguments)?, arguments)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The same of a git that asks another machine, which may never answer; none where it fails.
    ///
    /// # Errors
    /// When it takes longer.
    pub(crate) fn text_within(
        &self,
        arguments: &[&str],
        longest: Duration,
    ) -> Result<Option<String>, Elapsed> {
        let mut command = self.command(arguments);
        let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
            return Ok(None);
        };
        let stdout = child.stdout.take();
        let (tell, told) = mpsc::sync_channel(1);
        // In a thread of its own: what git started may keep the pipe open when git itself is gone.
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.map(|stdout| stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes));
            // Whoever waited may be gone.
            let _ = tell.send(read.is_some_and(|read| read.is_ok()).then_some(bytes));
        });
        let Ok(bytes) = told.recv_timeout(longest) else {
            // It may have ended just now.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Elapsed);
        };
        let is_fine = child.wait().is_ok_and(|status| status.success());
        Ok(bytes.filter(|_| is_fine).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The texts that git prints, each ended by a NUL.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub(crate) fn entries(&self, arguments: &[&str]) -> Result<Vec<String>, Error> {
        Ok(entries(&checked(self.output(arguments)?, arguments)?))
    }

    /// The same, of what it is given on stdin; `is_fine` says which exit codes are no failure.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub(crate) fn entries_of(
        &self,
        arguments: &[&str],
        input: String,
        is_fine: impl Fn(i32) -> bool,
    ) -> Result<Vec<String>, Error> {
        let mut command = self.command(arguments);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| cannot_run(&error))?;
        let stdin = child.stdin.take();
        // In a thread of its own: git answers while it reads. One that stops reading has its reasons.
        let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().map_err(|error| cannot_run(&error))?;
        drop(writer.join());
        match output.status.code() {
            Some(code) if is_fine(code) => Ok(entries(&output)),
            _ => Ok(entries(&checked(output, arguments)?)),
        }
    }

    /// Whether git ends well.
    pub(crate) fn is_so(&self, arguments: &[&str]) -> bool {
        self.output(arguments).is_ok_and(|output| output.status.success())
    }

    /// The root of the work tree.
    ///
    /// # Errors
    /// When there is none, as in a bare repository.
    pub(crate) fn top(&self) -> Result<PathBuf, Error> {
        self.text(&["rev-parse", "--show-toplevel"]).map(PathBuf::from)
    }
}

/// Whether a variable of the environment stays as it is.
fn is_kept(name: &OsStr, is_hook: bool) -> bool {
    let Some(name) = name.to_str() else { return true };
    !name.starts_with("GIT_") || OF_THE_USER.contains(&name) || (is_hook && OF_A_HOOK.contains(&name))
}

fn entries(output: &Output) -> Vec<String> {
    let parts = output.stdout.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn checked(output: Output, arguments: &[&str]) -> Result<Output, Error> {
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it says nothing").trim_start_matches("fatal: ").to_owned();
    Err(Error::misused(format!("git {} fails: {said}", arguments.first().unwrap_or(&""))))
}

fn cannot_run(error: &std::io::Error) -> Error {
    Error::local(format!("cannot run git: {error}"))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_git_that_waits_for_ever_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let alias = format!("alias.waits=!read x < {}", pipe.display());
        let git = Git::at(folder.path());
        assert_eq!(git.text_within(&["-c", &alias, "waits"], Duration::from_millis(10)), Err(Elapsed));
        // What it started waits no longer.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
        let version = git.text_within(&["version"], Duration::from_secs(60)).unwrap();
        assert!(version.unwrap().starts_with("git version"));
        assert_eq!(git.text_within(&["no-such-command"], Duration::from_secs(60)), Ok(None));
    }
}
