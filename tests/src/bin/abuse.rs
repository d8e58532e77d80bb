//! `nexus-abuse`: what an honest team feels while others send the dearest of each kind to its cluster. Starts a cluster
//! of three nodes on loopback for each kind, and throws it away.

use clap::{Parser, ValueEnum};
use nexus_tests::abuse::{
    Kind, attacker,
    stage::measure,
    table::{Head, Row},
    verdict::{LONGEST_STOP, MOST_MEMORY_KIB, SLOWEST},
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// Seconds of a kind, in the short form.
const SHORT_SECONDS: u64 = 2;

/// Sends the dearest of each kind to a cluster on which an honest team works, and prints what the team felt
#[derive(Parser)]
#[command(name = "nexus-abuse", after_help = BAR)]
struct Args {
    /// Send each kind for so many seconds [default: 60, or 2 when short]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: Option<u64>,
    /// Send only these kinds
    #[arg(long = "kind", value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Print one JSON object for each kind instead of the table
    #[arg(long)]
    json: bool,
    /// Take a few seconds for each kind, and keep less; fails only by limits that do not depend on the machine's speed
    #[arg(long)]
    short: bool,
}

/// The meaning of the exit code, in the help.
const BAR: &str = "Exit code 1 when the bar is missed: honest writes under 250 ms at the 99th percentile (not looked at when
short), no lease and no acknowledged write lost, no file with two holders, no node over 512 MiB, and all nodes stopped
within 5 s. The figures are those of a machine with two cores that does nothing else: the cluster, the team and the
attackers share it, and the attackers run at a lower priority.";

fn main() -> anyhow::Result<ExitCode> {
    // An argument that this program passes only to itself.
    if std::env::args().nth(1).as_deref() == Some(attacker::SUBCOMMAND) {
        attacker::run()?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(async {
        let (mut stop, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        tokio::select! {
            code = send_all(Args::parse()) => code,
            // Everything that was started ends when this is dropped.
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
            _ = stop.recv() => Ok(ExitCode::from(143)),
            _ = hangup.recv() => Ok(ExitCode::from(129)),
        }
    });
    // A thread may still wait for an attacker's report, which is no longer needed.
    runtime.shutdown_background();
    code
}

async fn send_all(args: Args) -> anyhow::Result<ExitCode> {
    let default = if args.short { SHORT_SECONDS } else { 60 };
    let span = Duration::from_secs(args.seconds.unwrap_or(default));
    let kinds = if args.kinds.is_empty() { Kind::value_variants() } else { &args.kinds };
    if !args.json {
        println!(
            "Three nodes and a team of eight agents, a new cluster for each kind; each is sent for {} s by a process under \
             nice -n {}.",
            span.as_secs(),
            attacker::NICENESS
        );
        println!(
            "The bar: p99 of honest writes {} ms{}, {} MiB, no lease lost, stopped in {} s.\n\n{Head}",
            SLOWEST.as_millis(),
            if args.short { " (not looked at)" } else { "" },
            MOST_MEMORY_KIB >> 10,
            LONGEST_STOP.as_secs(),
        );
    }
    let mut is_within = true;
    for kind in kinds {
        let verdict = measure(*kind, span, args.short).await?;
        let missed = verdict.missed(args.short);
        is_within &= missed.is_empty();
        if args.json {
            println!("{}", json!({ "verdict": verdict, "missed": missed }));
        } else {
            println!("{}", Row { verdict: &verdict, is_short: args.short });
        }
    }
    Ok(if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
