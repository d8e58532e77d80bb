//! Finds the process that a run lives in. It is the agent host's. Where no host is above a command, as when a person's
//! script calls a hook, it is the longest-lived process that belongs to this work alone: a wrapper that was started in
//! the moment before is over in the next one, and would take the run's claims with it.

use super::{
    Process,
    process::{Ancestor, Processes},
};
use crate::hosts::HOSTS;

/// The variable in which `nexus exec` passes the id of its own process, which becomes the command.
pub(crate) const EXEC_COMMAND: &str = "NEXUS_EXEC_PROCESS";

/// A process that started less than so many seconds before a command may be a wrapper around that command, such as
/// `npx`, which loads a package first.
const SETTLED_S: u64 = 30;

/// Programs that start the work of many people, jobs or windows. They outlive each of them, so that a run is looked for
/// below.
const SUPERVISORS: [&str; 54] = [
    // The first process of a system or of a container, and managers of services.
    "systemd",
    "init",
    "launchd",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "s6-svscan",
    "s6-supervise",
    "runit",
    "runsv",
    "runsvdir",
    "supervisord",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "conmon",
    "dockerd",
    "services",
    "svchost",
    "wininit",
    // Connections, and windows of terminals.
    "sshd",
    "sshd-session",
    "sshd-auth",
    "dropbear",
    "mosh-server",
    "login",
    "telnetd",
    "tmux",
    "screen",
    "zellij",
    "dtach",
    "script",
    "expect",
    "xterm",
    "konsole",
    "gnome-terminal-server",
    "gnome-terminal-",
    "kitty",
    "alacritty",
    "wezterm-gui",
    "ghostty",
    "terminal",
    "iterm2",
    "windowsterminal",
    "explorer",
    "gnome-shell",
    // Planned jobs, and runners of CI.
    "cron",
    "crond",
    "atd",
    "anacron",
    "runner.worker",
    "runner.listener",
    "gitlab-runner",
    "buildkite-agent",
];

/// The process that a run lives in, of the ancestors of a command, the nearest first. `bound` is the process that the
/// run was bound to so far. None if none of them is known to outlive the command.
pub(super) fn find(
    ancestors: &[Ancestor],
    bound: Option<Process>,
    processes: &mut Processes,
) -> Option<Process> {
    if let Some(host) = ancestors.iter().find(|ancestor| is_host(ancestor)) {
        return Some(host.process);
    }
    let surroundings = longest_lived(ancestors, exec_command());
    // The wrapper may have left its host's processes, as a background process does.
    let bound = bound.filter(|bound| {
        if surroundings.is_some() { is_host_process(*bound, processes) } else { processes.lives(*bound) }
    });
    bound.or(surroundings)
}

/// Whether a process is an agent host.
pub(super) fn is_host(ancestor: &Ancestor) -> bool {
    HOSTS.iter().any(|host| ancestor.is_called(host.program))
}

/// Whether this very process runs, and is an agent host.
pub(super) fn is_host_process(process: Process, processes: &mut Processes) -> bool {
    let names = processes.names_of(process).unwrap_or_default();
    HOSTS.iter().any(|host| names.iter().any(|name| name == host.program))
}

/// The name of a process for people: that of its agent host, or of its program. None if it is gone.
pub(crate) fn program_of(process: Process) -> Option<String> {
    let names = Processes::default().names_of(process)?;
    let host = HOSTS.iter().find(|host| names.iter().any(|name| name == host.program));
    host.map(|host| host.program.to_owned()).or_else(|| names.into_iter().next())
}

/// Whether a process started long enough before this command to be more than a wrapper around it.
pub(super) const fn is_settled(ancestor: &Ancestor) -> bool {
    ancestor.age_s >= SETTLED_S
}

/// The command of the nearest `nexus exec`, the nearest shell in which a person types, or the nearest settled leader of
/// a session; or else the outermost process below a supervisor, if that is settled.
fn longest_lived(ancestors: &[Ancestor], exec_command: Option<u32>) -> Option<Process> {
    let mut outermost = None;
    for ancestor in ancestors {
        if SUPERVISORS.iter().any(|name| ancestor.is_program(name)) {
            break;
        }
        let is_leader = ancestor.leads_session && is_settled(ancestor);
        if is_leader || ancestor.is_interactive_shell() || exec_command == Some(ancestor.process.pid) {
            return Some(ancestor.process);
        }
        outermost = Some(ancestor);
    }
    outermost.filter(|ancestor| is_settled(ancestor)).map(|ancestor| ancestor.process)
}

fn exec_command() -> Option<u32> {
    std::env::var(EXEC_COMMAND).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn process(pid: u32) -> Process {
        Process { pid, started: 1 }
    }

    /// A process by its id, its name, its age in seconds, and `leads` or `terminal` if it leads a session.
    fn line(text: &str) -> Vec<Ancestor> {
        let ancestor = |text: &str| {
            let mut words = text.split(' ');
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            let (pid, age_s) = (number(), u64::from(number()));
            let rest: Vec<&str> = words.collect();
            let flag = rest.last().copied().unwrap_or_default();
            let [leads_session, reads_terminal] = [flag == "leads" || flag == "terminal", flag == "terminal"];
            let name = if leads_session { rest[..rest.len() - 1].join(" ") } else { rest.join(" ") };
            Ancestor { age_s, leads_session, reads_terminal, ..Ancestor::new(process(pid), &name) }
        };
        text.split(" < ").map(ancestor).collect()
    }

    /// The id of the process that is found for a run which was not bound before.
    fn found(text: &str) -> Option<u32> {
        find(&line(text), None, &mut Processes::default()).map(|process| process.pid)
    }

    #[test]
    fn a_run_lives_in_its_host_through_any_wrapper() {
        for wrapper in ["sh", "timeout", "python3.12", "node", "make", "npx", "a.out", "wrap.sh"] {
            assert_eq!(
                found(&format!("30 0 {wrapper} < 20 1 sh leads < 10 2 claude < 5 900 bash terminal")),
                Some(10)
            );
        }
        assert_eq!(
            found("30 0 sh < 20 1 cursor-agent"),
            Some(20),
            "a host may call the hooks of another one"
        );
    }

    #[test]
    fn without_a_host_a_run_lives_in_the_terminal_or_what_leads_its_session() {
        assert_eq!(
            found("30 0 python3 < 20 500 agent < 10 900 bash terminal < 5 9000 foo-term < 1 9000 systemd"),
            Some(10)
        );
        assert_eq!(found("30 0 sh leads < 20 500 agent leads < 1 9000 systemd leads"), Some(20));
        // A shell in which a person types is known at once, in any window.
        assert_eq!(found("30 0 python3 < 10 1 bash terminal < 5 9000 foo-term"), Some(10));
        assert_eq!(
            found("30 0 python3 < 10 1 bash leads < 5 9000 sshd: ana@notty"),
            None,
            "it reads a script"
        );
    }

    #[test]
    fn without_a_session_a_run_lives_in_the_outermost_process_of_its_work() {
        assert_eq!(found("30 0 sh < 20 100 step.sh < 10 200 runner.worker < 1 9000 systemd"), Some(20));
        assert_eq!(found("30 0 sh < 20 100 agent < 10 200 ide < 5 9000 tmux: server"), Some(10));
        assert_eq!(found("30 0 sh < 1 100 agent"), Some(1), "the first process of a container");
    }

    #[test]
    fn a_process_that_may_be_a_wrapper_is_no_owner() {
        for above in
            ["1 9000 systemd", "7 9000 sshd: ana@notty", "7 9000 tmux: server", "1 9000 tini", "7 9000 cron"]
        {
            assert_eq!(found(&format!("30 0 a.out leads < {above}")), None, "{above}");
            assert_eq!(found(&format!("30 0 python3 < 20 29 make < {above}")), None, "{above}");
        }
        assert_eq!(found("1 0 wrap.sh"), None, "the first process of a container");
        assert_eq!(find(&[], None, &mut Processes::default()), None);
    }

    #[test]
    fn the_command_of_exec_is_the_work() {
        let above = line("30 0 sh < 20 1 agent < 10 900 bash terminal");
        assert_eq!(longest_lived(&above, Some(20)), Some(process(20)));
        assert_eq!(longest_lived(&above, Some(77)), Some(process(10)));
    }

    #[test]
    fn a_run_stays_in_its_process_while_nothing_better_is_known() {
        let mut processes = Processes::default();
        let own = processes.find(std::process::id());
        assert!(own.is_some(), "the tests run");
        let gone = own.map(|own| Process { started: own.started + 7, ..own });
        assert_eq!(find(&line("30 0 sh < 1 9000 systemd"), own, &mut processes), own);
        assert_eq!(find(&line("30 0 sh < 1 9000 systemd"), gone, &mut processes), None);
        // The tests are no host: a run that is resumed in another terminal lives there.
        assert_eq!(find(&line("30 0 sh < 10 900 bash terminal"), own, &mut processes), Some(process(10)));
    }
}
