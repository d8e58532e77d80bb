//! One call of git. Aliases, colours, filters for display, a monitor of the file system and a foreign repository in the
//! environment do not change its output. The user's configuration files still count, since they say which files are
//! ignored and where hooks are.

use super::WorkTree;
use crate::error::Error;
use std::{
    env,
    ffi::OsStr,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Settings that would change the output, or run a program of the user.
const SETTINGS: [&str; 16] = [
    // A file is read again if an attribute changed that no program can set.
    "core.checkStat=default",
    "core.trustctime=true",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "color.ui=false",
    "diff.renames=false",
    "diff.relative=false",
    "diff.ignoreSubmodules=none",
    // Git reads this file even if the order does not matter, and fails if it is missing.
    "diff.orderFile=/dev/null",
    "status.renames=false",
    // A merge is made again as git makes it by itself, or all of it would count as changed by its author. Since 2.50 it
    // follows `diff.renames` where nothing else is said.
    "merge.renames=true",
    "merge.directoryRenames=conflict",
    "merge.renameLimit=7000",
    "merge.renormalize=false",
    "merge.default=text",
    "submodule.recurse=false",
];

/// Variables of git that stay: they say where its programs and settings are, and how it connects to other machines.
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

/// Variables by which git passes its repository and index to a hook.
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

/// Bytes that are read of a call with a time limit. A ref takes some eighty bytes, a file of a work tree some hundred.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Git did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The repository that git works in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RepositoryAt {
    /// The repository around this folder, whatever the environment names.
    Folder(PathBuf),
    /// The repository of this work tree, and none around it, whatever its settings say about the place of the work
    /// tree.
    Tree(PathBuf),
    /// The repository that git works on while it waits for this hook.
    Hook,
}

/// Git in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Git {
    repository: RepositoryAt,
    /// The time at which a call is killed.
    until: Option<Instant>,
}

impl Git {
    /// Calls git in the repository around a folder.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { repository: RepositoryAt::Folder(folder.to_owned()), until: None }
    }

    /// Calls git in the repository around the current folder.
    pub(crate) fn here() -> Self {
        Self::at(Path::new("."))
    }

    /// Calls git in the repository of a work tree.
    pub(crate) fn in_tree(tree: &WorkTree) -> Self {
        Self { repository: RepositoryAt::Tree(tree.top.clone()), until: None }
    }

    /// Calls git in the repository that git works on, with the index that it is about to commit. Only a hook of git may
    /// use it: elsewhere these variables may name another repository.
    pub(crate) const fn of_hook() -> Self {
        Self { repository: RepositoryAt::Hook, until: None }
    }

    /// The same with a time limit: a call that takes longer is killed and fails. It asks no other machine for objects
    /// that a partial clone lacks.
    pub(crate) fn until(self, end: Instant) -> Self {
        Self { until: Some(end), ..self }
    }

    fn command<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = Command::new("git");
        for (name, _) in env::vars_os() {
            if !is_kept(&name, self.repository == RepositoryAt::Hook) {
                command.env_remove(&name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env_remove("LANGUAGE")
            // Reading the status must not lock the index while somebody commits.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            // A push sends the committed objects, and not their local replacements.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .arg("--no-pager");
        if self.until.is_some() {
            // A git before 2.45 does not know the first variable, but without a protocol it cannot connect.
            command.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "");
        }
        match &self.repository {
            RepositoryAt::Folder(folder) => {
                command.arg("-C").arg(folder);
            }
            RepositoryAt::Tree(top) => {
                // Git itself finds its folder and decides whether to trust it, since settings can start programs.
                command.env("GIT_CEILING_DIRECTORIES", top.parent().unwrap_or(top));
                command.arg("-C").arg(top).arg("--work-tree").arg(top);
            }
            RepositoryAt::Hook => {}
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The output and exit code of git, however it ends.
    ///
    /// # Errors
    /// When it cannot be run, or is killed since it did not end in time.
    pub(crate) fn output<I, A>(&self, arguments: I) -> Result<Output, Error>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.run(self.command(arguments), Vec::new())
    }

    fn run(&self, mut command: Command, input: Vec<u8>) -> Result<Output, Error> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        match self.until {
            Some(end) => match run_within(command, input, end.saturating_duration_since(Instant::now())) {
                Ok(Ok(output)) => Ok(output),
                Ok(Err(Elapsed)) => Err(Error::local("git takes too long")),
                Err(error) => Err(cannot_run(&error)),
            },
            None if input.is_empty() => command.output().map_err(|error| cannot_run(&error)),
            None => {
                let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| cannot_run(&error))?;
                let stdin = child.stdin.take();
                // A thread of its own writes, since git answers while it reads. Git may stop reading early.
                let writer = thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
                let output = child.wait_with_output().map_err(|error| cannot_run(&error))?;
                drop(writer.join());
                Ok(output)
            }
        }
    }

    /// The output of git, without the end of its last line. Bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When it fails, with its message.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        let text = String::from_utf8_lossy(&self.bytes(arguments)?).into_owned();
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// The output of git, unchanged.
    ///
    /// # Errors
    /// When it fails, with its message.
    pub(crate) fn bytes(&self, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        Ok(checked(self.output(arguments)?, arguments)?.stdout)
    }

    /// The output and exit code of git for this input on stdin.
    ///
    /// # Errors
    /// When it cannot be run, or is killed since it did not end in time.
    pub(super) fn printed_of(&self, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(self.run(self.command(arguments), input)?.stdout)
    }

    /// The output of a call that asks another machine, which may never answer. It is `None` if the call fails.
    ///
    /// # Errors
    /// When the call takes longer than its time limit.
    pub(crate) fn text_within(
        &self,
        arguments: &[&str],
        longest: Duration,
    ) -> Result<Option<String>, Elapsed> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(ended) = run_within(command, Vec::new(), longest) else { return Ok(None) };
        let output = ended?;
        Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The texts that git prints, each ended by a NUL.
    ///
    /// # Errors
    /// When it fails, with its message.
    pub(crate) fn entries(&self, arguments: &[&str]) -> Result<Vec<String>, Error> {
        Ok(entries(&self.bytes(arguments)?))
    }

    /// The same for this input on stdin. `is_fine` says which exit codes are no failure.
    ///
    /// # Errors
    /// When it fails, with its message.
    pub(crate) fn entries_of(
        &self,
        arguments: &[&str],
        input: String,
        is_fine: impl Fn(i32) -> bool,
    ) -> Result<Vec<String>, Error> {
        let output = self.run(self.command(arguments), input.into_bytes())?;
        match output.status.code() {
            Some(code) if is_fine(code) => Ok(entries(&output.stdout)),
            _ => Ok(entries(&checked(output, arguments)?.stdout)),
        }
    }

    /// Whether git exits with code 0.
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

/// Runs a program to its end, or kills it.
fn run_within(
    mut command: Command,
    input: Vec<u8>,
    longest: Duration,
) -> io::Result<Result<Output, Elapsed>> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // The thread reads while the program runs, and ends with the pipe.
        thread::spawn(move || stdin.write_all(&input));
    }
    let stderr = child.stderr.take().map(collect);
    let stdout = child.stdout.take().map(collect);
    let end = Instant::now() + longest;
    let mut outputs = [Vec::new(), Vec::new()];
    for (output, receiver) in outputs.iter_mut().zip([stdout, stderr]) {
        let Some(receiver) = receiver else { continue };
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => *output = bytes?,
            Err(_) => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(Err(Elapsed));
            }
        }
    }
    let [stdout, stderr] = outputs;
    Ok(Ok(Output { status: child.wait()?, stdout, stderr }))
}

/// Reads a pipe in a thread of its own: a program that git started may keep the pipe open after git has ended.
fn collect(pipe: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes);
        let is_whole = (bytes.len() as u64) < MAX_ANSWER_BYTES;
        let bytes = read.and_then(|_| if is_whole { Ok(bytes) } else { Err(too_much()) });
        // The caller may have stopped waiting.
        let _ = sender.send(bytes);
    });
    receiver
}

fn too_much() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it prints too much")
}

/// Whether a variable of the environment stays as it is.
fn is_kept(name: &OsStr, is_hook: bool) -> bool {
    let Some(name) = name.to_str() else { return true };
    !name.starts_with("GIT_") || OF_THE_USER.contains(&name) || (is_hook && OF_A_HOOK.contains(&name))
}

pub(super) fn entries(printed: &[u8]) -> Vec<String> {
    let parts = printed.split(|byte| *byte == 0).filter(|part| !part.is_empty());
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

fn cannot_run(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::local("git is not installed, or not in PATH")
            .hint("install git, and run the command again");
    }
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
        let ended = git.clone().until(Instant::now()).output(["-c", &alias, "waits"]);
        assert!(ended.unwrap_err().to_string().contains("takes too long"));
        // Its children do not wait any longer.
        drop(std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
        let version = git.text_within(&["version"], Duration::from_secs(60)).unwrap();
        assert!(version.unwrap().starts_with("git version"));
        assert_eq!(git.text_within(&["no-such-command"], Duration::from_secs(60)), Ok(None));
    }
}
