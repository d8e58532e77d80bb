//! The process that sends one kind: the same program once more, under `nice`, so that the team and the cluster go before it
//! on a machine that they share. It is told what to do in one line of JSON on its standard input, answers with one line
//! when its time is over, and keeps what it has open until its input ends, also because its parent is gone.

use super::{Kind, attack};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// How much lower its priority is than that of the cluster.
pub const NICENESS: i32 = 10;
/// The word by which the program knows that it is the attacker.
pub const SUBCOMMAND: &str = "attack";
/// Descriptors that it asks for. Each crowd has a size of its own below that.
const OPEN_FILES: u64 = 16_384;

/// What an attacker knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// What to send.
    pub kind: Kind,
    /// For how long.
    pub span: Duration,
    /// Whether to keep what stays in the cluster small.
    pub is_short: bool,
    /// The nodes, for clients.
    pub urls: Vec<String>,
    /// `host:port` of the nodes, for nodes.
    pub peer_addrs: Vec<String>,
    /// Its own project.
    pub project: String,
    /// Keys of members of that, engineers each; the first one leads it.
    pub members: Vec<String>,
    /// Another project of the attackers.
    pub other_project: String,
    /// The key of the only member of `other_project`.
    pub bystander: String,
    /// Sessions of the honest team.
    pub foreign_sessions: Vec<String>,
    /// The project of the honest team.
    pub foreign_project: String,
}

/// What an attacker did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Requests, connections or messages that were sent.
    pub sent: u64,
    /// Answers by status, and `lost` for what had none.
    pub answers: BTreeMap<String, u64>,
    /// What else is worth knowing, in order.
    pub notes: Vec<String>,
    /// Bars of its own that were missed.
    pub missed: Vec<String>,
    /// Processor time of this process.
    pub cpu: Duration,
}

/// An attacker that runs. Dropped, it is gone.
pub struct Attacker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Attacker {
    /// Starts the process.
    ///
    /// # Errors
    /// When it cannot be started, or does not listen.
    pub fn start(target: &Target) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program does not know its own path")?;
        let mut child = Command::new("nice")
            .args(["-n", &NICENESS.to_string()])
            .arg(own)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the attacker under nice")?;
        let mut stdin = child.stdin.take().context("its input is a pipe")?;
        let stdout = child.stdout.take().map(BufReader::new);
        let line = serde_json::to_string(target)? + "\n";
        stdin.write_all(line.as_bytes()).context("the attacker does not listen")?;
        Ok(Self { child, stdin: Some(stdin), stdout })
    }

    /// Its report, once its time is over.
    ///
    /// # Errors
    /// When it ended without one.
    pub async fn report(&mut self) -> anyhow::Result<Report> {
        let mut stdout = self.stdout.take().context("a report is read once")?;
        let (line, stdout) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout))
        })
        .await??;
        self.stdout = Some(stdout);
        if line.is_empty() {
            bail!("the attacker ended before its time");
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets it go, with all that it has open.
    pub fn end(mut self) {
        // It ends when its input does; whatever it does meanwhile, it is gone with this value.
        drop(self.stdin.take());
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process of an attacker does, from its start to its end.
///
/// # Errors
/// When it is told nothing that it understands, or cannot answer.
pub fn run() -> anyhow::Result<()> {
    let mut stdin = BufReader::new(std::io::stdin());
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let target: Target =
        serde_json::from_str(&line).context("an attacker is told what to do by nexus-abuse")?;
    std::thread::spawn(move || {
        // Whatever comes: at the end of the input, its parent wants it to end, or is gone.
        let _ = stdin.read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let attack = attack::Attack::new(target);
        attack.run().await;
        println!("{}", serde_json::to_string(&attack.report())?);
        // What is open stays so, and still answers pings.
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// Asks the system for as many descriptors as the crowds need. With fewer, they are smaller, and say so.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|now| now < wanted) {
        // Refused, it stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// Connections that this process may have beside its files.
pub(super) fn most_connections() -> usize {
    /// Kept back: the runtime's own, files, and requests of the moment.
    const KEPT: u64 = 256;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(OPEN_FILES);
    usize::try_from(limit.saturating_sub(KEPT)).unwrap_or(usize::MAX)
}
