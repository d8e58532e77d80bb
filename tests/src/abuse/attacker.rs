//! The process that sends one kind: the same program once more, under `nice`, so that the team and the cluster come
//! first on a shared machine. It reads its target as one line of JSON from its standard input, writes its report as one
//! line when its time is over, and keeps its connections open until its input ends, also when its parent is gone.

use super::{
    attack::{self, Attack},
    open_files,
    target::{Report, Target},
};
use anyhow::{Context, bail};
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The niceness of the attacker: its priority is lower than that of the cluster.
pub const NICENESS: i32 = 10;
/// The argument by which the program knows that it is the attacker.
pub const SUBCOMMAND: &str = "attack";
/// A running attacker. It is killed when this is dropped.
pub struct Attacker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Attacker {
    /// Starts the process.
    ///
    /// # Errors
    /// When it cannot be started, or does not read its target.
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

    /// Waits for its report, which it writes once its time is over.
    ///
    /// # Errors
    /// When it ended without a report.
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

    /// Ends the process and closes its connections.
    pub fn end(mut self) {
        // It ends when its input does, and is killed at the latest when this value is dropped.
        drop(self.stdin.take());
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the process of an attacker, from its start to its end.
///
/// # Errors
/// When it cannot read its target or write its report.
pub fn run() -> anyhow::Result<()> {
    let mut stdin = BufReader::new(std::io::stdin());
    let mut line = String::new();
    stdin.read_line(&mut line)?;
    let target: Target = serde_json::from_str(&line).context("nexus-abuse sends an attacker its target")?;
    std::thread::spawn(move || {
        // The content does not matter: at the end of the input, the parent wants it to end, or is gone.
        let _ = stdin.read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    open_files::raise();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let attack = Attack::new(target);
        attack::run(&attack).await;
        println!("{}", serde_json::to_string(&attack.report())?);
        // Open connections stay open, and still answer pings.
        std::future::pending::<()>().await;
        Ok(())
    })
}
