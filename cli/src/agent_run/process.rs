//! Processes: the ancestors of this one, and whether a process is still alive. An id alone does not identify a process,
//! since ids are used again; the time of its start does.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io::IsTerminal};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// Ancestors that are read at most. Usual is a command in a shell in a tool in an agent in a terminal.
const MAX_GENERATIONS: usize = 32;

/// Shells, by the names of their programs.
const SHELLS: [&str; 15] = [
    "sh",
    "bash",
    "dash",
    "zsh",
    "ash",
    "ksh",
    "mksh",
    "csh",
    "tcsh",
    "fish",
    "nu",
    "xonsh",
    "cmd",
    "powershell",
    "pwsh",
];

/// Programs whose first argument is a script, which then names the process. Those of Python have a version in their
/// names.
const INTERPRETERS: [&str; 7] = ["node", "nodejs", "bun", "deno", "ruby", "perl", "php"];

/// A process, alive or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        (!is_over(process)).then(|| Process { pid, started: started(process) })
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

    /// The ancestors of this process, the nearest first. None where the system lists the processes of another PID
    /// namespace, in which this process has another id.
    pub(crate) fn ancestors(&mut self) -> Vec<Ancestor> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([std::process::id()]);
        if !lists_own_namespace() {
            return found;
        }
        let mut next = self.look(std::process::id()).and_then(sysinfo::Process::parent);
        while let Some(pid) = next.map(Pid::as_u32) {
            if found.len() == MAX_GENERATIONS || !seen.insert(pid) {
                break;
            }
            let Some((ancestor, parent)) = self.ancestor(pid) else { break };
            next = parent;
            found.push(ancestor);
        }
        found
    }

    /// A process of this id that runs, with the id of its parent.
    fn ancestor(&mut self, pid: u32) -> Option<(Ancestor, Option<Pid>)> {
        let own = self.look(std::process::id()).map(started);
        let process = self.look(pid).filter(|process| !is_over(process))?;
        let started = started(process);
        let (names, words) = names_and_words(process);
        let leads_session = process.session_id().is_some_and(|leader| leader.as_u32() == pid);
        let ancestor = Ancestor {
            process: Process { pid, started },
            names,
            words,
            age_s: own.unwrap_or_default().saturating_sub(started),
            leads_session,
            reads_terminal: if cfg!(target_os = "linux") { reads_terminal(pid) } else { leads_session },
        };
        Some((ancestor, process.parent()))
    }

    /// The names of a process, if this very process runs: those of its program, and of the script that it runs.
    pub(super) fn names_of(&mut self, process: Process) -> Option<Vec<String>> {
        let (found, _) = self.ancestor(process.pid)?;
        (found.process == process).then_some(found.names)
    }

    /// The leader of this process's terminal session. It is `None` without a terminal.
    pub(crate) fn terminal(&mut self) -> Option<Ancestor> {
        let has_terminal = std::io::stdin().is_terminal()
            || std::io::stdout().is_terminal()
            || std::io::stderr().is_terminal();
        if !has_terminal || !lists_own_namespace() {
            return None;
        }
        let leader = leader(self.look(std::process::id())?)?.as_u32();
        let (leader, _) = self.ancestor(leader)?;
        (leader.process.pid != std::process::id()).then_some(leader)
    }
}

/// A process above this one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ancestor {
    /// The ancestor itself. The time of its start distinguishes it from earlier processes with its id.
    pub(crate) process: Process,
    /// Names of its program, and of the script that it runs.
    pub(super) names: Vec<String>,
    /// The arguments of its program.
    pub(super) words: Vec<String>,
    /// How many seconds before this command it started.
    pub(super) age_s: u64,
    /// Whether it leads a session of processes: the first process of a terminal, of a service or of a connection.
    pub(super) leads_session: bool,
    /// Whether its standard input is a terminal. Where the system does not say so, a leader of a session counts.
    pub(super) reads_terminal: bool,
}

impl Ancestor {
    /// One of that name.
    #[cfg(test)]
    pub(super) fn new(process: Process, name: &str) -> Self {
        Self { process, names: vec![name.to_owned()], ..Self::default() }
    }

    /// Whether its program or its script has that name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|one| one == name)
    }

    /// Whether its program has that name, as the system or as the program itself gives it. A title such as
    /// `tmux: server` counts as `tmux`.
    pub(super) fn is_program(&self, name: &str) -> bool {
        let is_name =
            |one: &str| one.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        self.names.iter().take(2).any(|one| is_name(one))
    }

    /// Whether it is a shell in which a person types: it reads a terminal, and has no command or script to run.
    pub(super) fn is_interactive_shell(&self) -> bool {
        self.is_shell() && self.reads_terminal && !self.words.iter().any(|word| is_command(word))
    }

    /// Whether it is a shell that runs one command or script, and ends with it.
    pub(super) fn is_shell_with_command(&self) -> bool {
        self.is_shell() && self.words.iter().any(|word| is_command(word))
    }

    fn is_shell(&self) -> bool {
        // The first two are the program's names. A shell that runs as another program is not one.
        let mut called = self.names.iter().take(2);
        called.len() > 0 && called.all(|name| SHELLS.contains(&name.as_str()))
    }
}

/// Whether an argument gives a shell something to run: a script, or an option such as `-c`.
fn is_command(word: &str) -> bool {
    match word.strip_prefix('-') {
        Some(option) => !option.starts_with('-') && option.ends_with('c'),
        None => true,
    }
}

fn is_over(process: &sysinfo::Process) -> bool {
    matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
}

/// Whether the system lists the processes under the ids that this process sees. In a PID namespace with the `/proc` of
/// another one, it does not.
#[cfg(target_os = "linux")]
fn lists_own_namespace() -> bool {
    let own = std::process::id().to_string();
    std::fs::read_link("/proc/self").map_or(true, |listed| listed.as_os_str() == own.as_str())
}

#[cfg(not(target_os = "linux"))]
const fn lists_own_namespace() -> bool {
    true
}

/// Whether the standard input of a process is a terminal. That of another user's process is not known.
fn reads_terminal(pid: u32) -> bool {
    let input = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap_or_default();
    input.starts_with("/dev/pts") || input.to_string_lossy().starts_with("/dev/tty")
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

/// The program's name as the system and as the process itself gives it, then that of the script that an interpreter
/// runs; and the arguments of the program.
fn names_and_words(process: &sysinfo::Process) -> (Vec<String>, Vec<String>) {
    let mut line = process.cmd().iter().map(|word| word.to_string_lossy().into_owned());
    let mut names = vec![base_name(&process.name().to_string_lossy())];
    names.extend(line.next().map(|word| base_name(&word)));
    let words: Vec<String> = line.collect();
    let script = script(&names, &words).map(base_name);
    names.extend(script);
    (names, words)
}

/// The script that a program of these names runs. A command or a program in the arguments, as after `-c`, is none: its
/// last word may be a path that ends in the name of an agent.
fn script<'a>(names: &[String], words: &'a [String]) -> Option<&'a str> {
    if !names.iter().any(|name| is_interpreter(name)) {
        return None;
    }
    let takes_command = names.iter().any(|name| takes_command(name));
    let ends_options = |word: &&String| !word.starts_with('-') || takes_command && is_command(word);
    let first = words.iter().find(ends_options)?;
    (!first.starts_with('-')).then_some(first.as_str())
}

/// The last part of a path, without what a system adds to the names of programs and scripts.
fn base_name(text: &str) -> String {
    let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let name = name.strip_suffix(".js").unwrap_or(name);
    // A login shell calls itself `-bash`.
    name.trim_start_matches('-').to_ascii_lowercase()
}

fn is_interpreter(name: &str) -> bool {
    takes_command(name) || INTERPRETERS.contains(&name)
}

/// Whether an interpreter of that name runs the argument after an option such as `-c`.
fn takes_command(name: &str) -> bool {
    SHELLS.contains(&name) || name.starts_with("python")
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
    fn a_person_types_in_a_shell_without_a_command() {
        let shell = |names: &[&str], words: &[&str], reads_terminal| {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
            Ancestor { names: texts(names), words: texts(words), reads_terminal, ..Ancestor::default() }
        };
        assert!(shell(&["bash", "bash"], &["--norc", "-i"], true).is_interactive_shell());
        assert!(
            !shell(&["bash", "bash"], &[], false).is_interactive_shell(),
            "it reads a script from a pipe"
        );
        assert!(!shell(&["bash", "bash"], &["-lc", "make"], true).is_interactive_shell());
        assert!(!shell(&["sh"], &["wrap.sh"], true).is_interactive_shell());
        assert!(!shell(&["bash", "claude"], &[], true).is_interactive_shell());
        assert!(!shell(&["node"], &[], true).is_interactive_shell());
        assert!(!shell(&[], &[], true).is_interactive_shell());
        assert!(shell(&["sh"], &["wrap.sh"], true).is_shell_with_command());
        assert!(!shell(&["vim"], &["-c", "q"], true).is_shell_with_command());
    }

    #[test]
    fn a_command_of_a_shell_is_no_script_whatever_it_ends_in() {
        let script = |line: &[&str]| {
            let texts: Vec<String> = line.iter().map(|text| (*text).to_owned()).collect();
            script(&texts[..1], &texts[1..]).map(str::to_owned)
        };
        let command = "nexus hook claude pre-tool-use < in.json; : > /tmp/claude";
        for option in ["-c", "-lc", "-ec"] {
            assert_eq!(script(&["bash", option, command]), None, "{option}");
        }
        assert_eq!(script(&["sh", "--norc", "-e", "-c", command]), None);
        assert_eq!(script(&["python3.12", "-c", "open('/tmp/claude')"]), None);
        assert_eq!(script(&["bash", "-e", "/bin/claude", "-c"]), Some("/bin/claude".to_owned()));
        assert_eq!(
            script(&["node", "-c", "/bin/claude"]),
            Some("/bin/claude".to_owned()),
            "it checks that script"
        );
        assert_eq!(script(&["vim", "/bin/claude"]), None);
    }

    #[test]
    fn a_title_has_the_name_of_its_program() {
        let called = |name: &str| Ancestor::new(Process::default(), name);
        assert!(called("tmux: server").is_program("tmux"));
        assert!(!called("tmuxinator").is_program("tmux"));
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
