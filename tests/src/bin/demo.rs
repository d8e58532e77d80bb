//! `nexus-demo`: dozens of agents on the commits of a public repository, some of which die, while the
//! leader is killed; then the proof from every node's own history that no file had two holders.
//! Starts a cluster of its own and throws it away.

use anyhow::{Context, bail};
use clap::Parser;
use nexus_tests::{
    Cluster, Team,
    bench::load::percentile,
    eventually,
    history::{self, HistoryReport},
    work::{self, Plan, Report},
};
use serde_json::json;
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::JoinHandle, time::Instant};

/// Looks at the work this often on a terminal, and in a file.
const LOOK: Duration = Duration::from_millis(200);
const LOOK_IN_FILE: Duration = Duration::from_secs(2);

/// Lets dozens of agents work on real commits, kills some of them and the leader, and checks what came of it
#[derive(Parser)]
#[command(name = "nexus-demo")]
struct Args {
    /// Agents at work at once
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    agents: u16,
    /// Features at most: the first so many commits
    #[arg(long, default_value_t = 320, value_parser = clap::value_parser!(u16).range(1..))]
    features: u16,
    /// Commits, one JSON object with `files` a line; may be gzipped
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/commits.jsonl"))]
    commits: PathBuf,
    /// Seed of the agents' random choices
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let commits = work::commits(&args.commits, args.features.into())
        .with_context(|| format!("cannot read commits from {}", args.commits.display()))?;
    if commits.is_empty() {
        bail!("{} holds no commits", args.commits.display());
    }

    println!("Starting three nodes ...");
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    // Short leases: the files of a dead agent become free while the demo runs.
    team.settings(json!({ "session.timeout": 1, "session.grace": 0.5, "session.unattended": 5 })).await;
    println!(
        "Writing {} commits as features, with the files that were really touched together ...",
        commits.len()
    );
    let slugs = work::write_features(&team, &commits).await;

    println!("{} agents pick, work and finish; some die; the leader is killed half-way.\n", args.agents);
    let plan = Plan {
        agents: args.agents.into(),
        dies_once_in: 16,
        work_per_file: Duration::from_millis(100),
        kill_leader: true,
        seed: args.seed,
    };
    let seen = Arc::new(Mutex::new(Report::default()));
    let looking = look_on(seen.clone());
    let report = work::run_seen(&mut cluster, &team, slugs.len(), plan, &seen).await;
    looking.abort();
    // It prints whole lines; the last figures are printed below.
    let _ = looking.await;
    println!("{}", line(&report, report.took));
    summary(&report);

    let verdicts = stop_and_check(&mut cluster, &team).await;
    judge(&report, &verdicts)
}

/// Shows how the work goes, until it is aborted.
fn look_on(seen: Arc<Mutex<Report>>) -> JoinHandle<()> {
    let on_terminal = std::io::stdout().is_terminal();
    let (pause, end) = if on_terminal { (LOOK, "\r") } else { (LOOK_IN_FILE, "\n") };
    tokio::spawn(async move {
        let began = Instant::now();
        let mut has_printed_kill = false;
        loop {
            tokio::time::sleep(pause).await;
            let report = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(leader) = report.killed_leader.filter(|_| !has_printed_kill) {
                has_printed_kill = true;
                println!("{:<78}", format!("         node {leader}, the leader, was killed and comes back"));
            }
            print!("{}{end}", line(&report, began.elapsed()));
            let _ = std::io::stdout().flush();
        }
    })
}

fn line(report: &Report, at: Duration) -> String {
    let Report { features, done, tried, collided, died, .. } = report;
    let done = done.len();
    let at = at.as_secs_f64();
    format!(
        "{at:6.1} s  {done:>4} of {features} done   {collided:>4} of {tried:>4} picks collided   {died:>3} agents died   "
    )
}

fn summary(report: &Report) {
    let mut waits = report.waits.clone();
    waits.sort_unstable();
    let longest = waits.last().copied().unwrap_or_default();
    let percent = 100 * report.collided / report.tried.max(1);
    println!();
    println!("Features done           {} of {}, each once", report.done.len(), report.features);
    println!(
        "Picks that collided     {} of {} ({percent} %), each with the holder",
        report.collided, report.tried
    );
    println!(
        "Waits for free files    {}: median {}, p99 {}, longest {}",
        waits.len(),
        millis(percentile(&waits, 50)),
        millis(percentile(&waits, 99)),
        millis(longest),
    );
    println!("Agents that died        {}", report.died);
    println!("Requests sent again     {}", report.sent_again);
    println!("Writes acknowledged     {}", report.acknowledged);
    println!("Longest gap without     {}; the leader was killed once", millis(report.longest_gap));
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Stops all nodes once no lease is left to expire, and reads the folder of each.
async fn stop_and_check(cluster: &mut Cluster, team: &Team) -> Vec<HistoryReport> {
    println!("\nStopping, and reading every node's history ...");
    // The dead agents' last leases: until they expire, entries are added to the log.
    eventually("no session is left", || async {
        let answer = team.admin.get(&team.path("/status")).await;
        let sessions = answer.body["data"]["sessions"].as_array()?;
        sessions.is_empty().then_some(())
    })
    .await;
    let leader = cluster.leader().await;
    // The leader last: alone, it can write nothing that the others do not have.
    let mut numbers: Vec<u64> = cluster.nodes.iter().map(|node| node.number).collect();
    numbers.sort_by_key(|number| *number == leader);
    for number in numbers {
        cluster.node(number).terminate();
    }
    let mut verdicts = Vec::new();
    for node in &cluster.nodes {
        let verdict = history::check(&node.data_dir()).await;
        let HistoryReport { revision, hash, picks } = &verdict;
        println!(
            "  node {}: revision {revision}, state {hash:016x}, {picks} picks, no file with two holders",
            node.number
        );
        verdicts.push(verdict);
    }
    verdicts
}

fn judge(report: &Report, verdicts: &[HistoryReport]) -> anyhow::Result<()> {
    if report.done.len() != report.features {
        bail!("{} of {} features were done", report.done.len(), report.features);
    }
    let mut compared = false;
    for (at, one) in verdicts.iter().enumerate() {
        for other in &verdicts[at + 1..] {
            if one.revision == other.revision {
                compared = true;
                if one.hash != other.hash {
                    bail!("two nodes differ at revision {}", one.revision);
                }
            }
        }
    }
    if !compared {
        bail!("no two nodes stopped at the same revision; run it again");
    }
    println!("\nNo file ever had two holders, nothing was lost or done twice, and the nodes agree.");
    Ok(())
}
