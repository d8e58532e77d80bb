//! `nexus-soak`: lets agents work on a cluster of real processes while everything fails that can be made to fail, and
//! asks the oracles of the simulation whether a promise was broken. Everything runs on this machine.

use clap::Parser;
use nexus_tests::soak::{
    episode::{Plan, run},
    report::Report,
};
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

/// Lets agents work on a cluster of real processes under faults, and judges what they saw
#[derive(Parser)]
#[command(name = "nexus-soak")]
struct Args {
    /// Begin episodes for so many minutes, each with a new cluster
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// Kill leaders for so many seconds of each episode
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(..=3_600))]
    kills: u64,
    /// Let faults of all kinds happen for so many seconds of each episode
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(..=3_600))]
    faults: u64,
    /// The seed of the first episode
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the histories in this folder, as JSON lines [default: only those of episodes that fail]
    #[arg(long, value_name = "DIR")]
    histories: Option<PathBuf>,
    /// Print one JSON object for each episode, too
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let report = Mutex::new(Report::default());
    let code = runtime.block_on(async {
        let (mut stop, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        tokio::select! {
            code = soak(Args::parse(), &report) => code,
            // Everything that was started ends when this is dropped.
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
            _ = stop.recv() => Ok(ExitCode::from(143)),
            _ = hangup.recv() => Ok(ExitCode::from(129)),
        }
    });
    print!("{}", report.into_inner().unwrap_or_else(PoisonError::into_inner));
    runtime.shutdown_background();
    code
}

async fn soak(args: Args, report: &Mutex<Report>) -> anyhow::Result<ExitCode> {
    let folder = args.histories.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&folder)?;
    let end = Instant::now() + Duration::from_secs(args.minutes * 60);
    let mut is_all_good = true;
    for seed in args.seed.. {
        if Instant::now() >= end {
            break;
        }
        let plan = Plan {
            seed,
            kills: Duration::from_secs(args.kills),
            faults: Duration::from_secs(args.faults),
            history: folder.join(format!("nexus-history-{seed}.jsonl")),
        };
        let (episode, _) = run(&plan).await?;
        let is_good = episode.judgement.violations.is_empty();
        is_all_good &= is_good && episode.judgement.entries.is_some();
        if args.json {
            println!("{}", serde_json::to_string(&episode)?);
        } else {
            let (operations, faults) = (episode.judgement.operations, episode.faults.values().sum::<u64>());
            println!("episode {seed}: {operations} operations, {faults} faults, {} s", episode.seconds);
        }
        report.lock().unwrap_or_else(PoisonError::into_inner).episodes.push(episode);
        if !is_good {
            println!("its history is in {}", plan.history.display());
            break;
        }
        if args.histories.is_none() {
            std::fs::remove_file(&plan.history)?;
        }
    }
    Ok(if is_all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
