//! Processes: the ancestors of this one, and whether a process is still alive. An id alone does not identify a process,
//! since ids are used again; the time of its start does.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io::IsTerminal};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// Ancestors that are read at most. Usual is a command in a shell in a tool in an agent in a terminal.
const MAX_GENERATIONS: usize = 32;

/// Programs that only start what an agent asks for, so that they are never taken for the agent.
const SHELLS: [&str; 12] =
    ["sh", "bash", "dash", "zsh", "ash", "ksh", "fish", "cmd", "powershell", "pwsh", "env", "timeout"];

/// A process, alive or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The process id.
    pub(crate) pid: u32,
    /// When it started, in seconds since the machine did; elsewhere than on Linux, in seconds of the
    /// Unix epoch. On Linux a wall clock that is set would make another process of it.
    pub(crate) started: u64,
}

/// The processes of this machine. It finds none where the system does not list them.
pub(crate) struct Processes(Option<System>);

impl Default for Processes {
    fn default() -> Self {
        Self(System::new().ok())
    }
}

impl Processes {
    /// The process of this id, if it still runs.
    pub(crate) fn find(&mut self, pid: u32) -> Option<Process> {
        let process = self.look(pid)?;
        let is_over = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
        (!is_over).then(|| Process { pid, started: started(process) })
    }

    /// Whether this very process still runs.
    pub(crate) fn lives(&mut self, process: Process) -> bool {
        self.find(process.pid) == Some(process)
    }

    fn look(&mut self, pid: u32) -> Option<&sysinfo::Process> {
        let pid = Pid::from_u32(pid);
        // Of each process only what is always there, and its command line, by which scripts are known.
        let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::OnlyIfNotSet).without_tasks();
        let system = self.0.as_mut()?;
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
        system.process(pid)
    }

    /// The ancestors of this process, the nearest first.
    pub(crate) fn ancestors(&mut self) -> Vec<Ancestor> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([std::process::id()]);
        let mut next = self.look(std::process::id()).and_then(sysinfo::Process::parent);
        while let Some(pid) = next.map(Pid::as_u32) {
            if found.len() == MAX_GENERATIONS || !seen.insert(pid) {
                break;
            }
            let Some(process) = self.look(pid) else { break };
            next = process.parent();
            found.push(Ancestor {
                process: Process { pid, started: started(process) },
                names: names(process),
            });
        }
        found
    }

    /// The leader of this process's terminal session. It is `None` without a terminal.
    pub(crate) fn terminal(&mut self) -> Option<Process> {
        let has_terminal = std::io::stdin().is_terminal()
            || std::io::stdout().is_terminal()
            || std::io::stderr().is_terminal();
        if !has_terminal {
            return None;
        }
        let leader = leader(self.look(std::process::id())?)?.as_u32();
        self.find(leader).filter(|process| process.pid != std::process::id())
    }
}

/// A process above this one.
#[derive(Clone, Debug)]
pub(crate) struct Ancestor {
    /// The ancestor itself. The time of its start distinguishes it from earlier processes with its id.
    pub(crate) process: Process,
    /// Names of its program, and of the script that it runs.
    names: Vec<String>,
}

impl Ancestor {
    /// One of that name.
    #[cfg(test)]
    pub(super) fn new(process: Process, name: &str) -> Self {
        Self { process, names: vec![name.to_owned()] }
    }

    /// Whether its program or its script has that name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|one| one == name)
    }

    /// Whether it is a program that only starts others. One whose script has another name is not.
    pub(crate) fn is_shell(&self) -> bool {
        let mut called = self.names.iter().take(2);
        called.len() > 0 && called.all(|name| SHELLS.contains(&name.as_str()))
    }
}

/// The process that opened the terminal.
#[cfg(unix)]
fn leader(own: &sysinfo::Process) -> Option<Pid> {
    own.session_id().or_else(|| own.parent())
}

/// Returns the parent, since a session on Windows is a person's desktop and has no process of its own.
#[cfg(not(unix))]
fn leader(own: &sysinfo::Process) -> Option<Pid> {
    own.parent()
}

#[cfg(target_os = "linux")]
fn started(process: &sysinfo::Process) -> u64 {
    // Both are from the same source: what a wall clock does to one it does to the other.
    process.start_time().saturating_sub(System::boot_time().unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn started(process: &sysinfo::Process) -> u64 {
    process.start_time()
}

/// The program's name, then those of the words of its command line that may be a script.
fn names(process: &sysinfo::Process) -> Vec<String> {
    let base = |text: &str| {
        let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let name = name.strip_suffix(".js").unwrap_or(name);
        // A login shell calls itself `-bash`.
        name.trim_start_matches('-').to_ascii_lowercase()
    };
    let program = base(&process.name().to_string_lossy());
    let words = process.cmd().iter().take(2).map(|word| base(&word.to_string_lossy()));
    std::iter::once(program).chain(words).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_process_that_runs_the_tests_is_a_living_ancestor() {
        let mut processes = Processes::default();
        let ancestors = processes.ancestors();
        assert!(processes.lives(ancestors[0].process), "{ancestors:?}");
    }

    #[test]
    fn a_shell_passes_on_unless_it_goes_by_another_name() {
        let called = |names: &[&str]| Ancestor {
            process: Process { pid: 1, started: 1 },
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert!(called(&["bash", "bash", "-c"]).is_shell());
        assert!(called(&["sh"]).is_shell());
        assert!(!called(&["bash", "claude"]).is_shell());
        assert!(!called(&["node", "claude"]).is_shell());
        assert!(!called(&[]).is_shell());
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_nobody_has_buried_is_over_all_the_same() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let mut processes = Processes::default();
        let process = processes.find(child.id()).unwrap();
        assert!(processes.lives(process));
        assert!(!processes.lives(Process { started: process.started + 7, ..process }));
        child.kill().unwrap();
        // Killed and not waited for: a zombie.
        while processes.lives(process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!processes.lives(process));
    }
}
