//! `nexus-bench`: how fast a cluster of three is on this machine, beside three nodes of etcd, and what
//! it costs while nobody asks anything. Starts everything itself, on loopback, and stops it again.

use anyhow::Context;
use clap::{Parser, Subcommand};
use nexus_tests::{
    bench::{
        backup,
        etcd::Etcd,
        load::{self, Script, Span},
        nexus::Nexus,
        regions::{self, Distances, ROUND_TRIPS_MS},
        table::{Cell, Table},
    },
    usage::{self, Usage},
};
use std::{path::PathBuf, time::Duration};

const HEARTBEATS: &str = "Nexus heartbeat";
const PICKS: &str = "Nexus pick or release";
const PUTS: &str = "etcd put";
const TRANSACTIONS: &str = "etcd pick or release";

/// Measures Nexus beside etcd: three nodes each, on this machine, every write flushed to disk
#[derive(Parser)]
#[command(name = "nexus-bench")]
struct Args {
    #[command(subcommand)]
    only: Option<Only>,
    /// Measure for 1 s each instead of 5 s
    #[arg(long, global = true)]
    quick: bool,
    /// The etcd to compare with
    #[arg(long, global = true, value_name = "PROGRAM", env = "NEXUS_BENCH_ETCD", default_value = "etcd")]
    etcd: PathBuf,
    /// Leave etcd out
    #[arg(long, global = true)]
    without_etcd: bool,
    /// Clients at once, spread over the nodes
    #[arg(long, global = true, value_delimiter = ',', default_value = "1,32,256")]
    clients: Vec<usize>,
    /// How often each is measured, both systems in turn: medians are shown
    #[arg(long, global = true, default_value_t = 1)]
    turns: usize,
}

#[derive(Subcommand)]
enum Only {
    /// Measure only what the nodes cost while nobody asks anything
    Idle,
    /// Measure only heartbeats
    Heartbeats,
    /// Measure only picks and releases
    Picks,
    /// Measure only what distance between the nodes costs, on links that take time
    Regions,
    /// Back up a large cluster while others write, restore it elsewhere, and compare the states
    Backup {
        /// Features in the cluster
        #[arg(long, default_value_t = 100_000)]
        features: usize,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let span = Span {
        warm_up: Duration::from_millis(500),
        counted: Duration::from_secs(if args.quick { 1 } else { 5 }),
    };
    if matches!(args.only, None | Some(Only::Idle)) {
        idle(span.counted * 2).await;
    }
    if matches!(args.only, Some(Only::Idle)) {
        return Ok(());
    }
    if matches!(args.only, Some(Only::Regions)) {
        regions().await;
        return Ok(());
    }
    if let Some(Only::Backup { features }) = args.only {
        eprintln!("A backup of {features} features ...");
        println!("{}", backup::measure(features).await?);
        return Ok(());
    }
    let mut cells = Vec::new();
    // Both systems are measured in each turn, on new clusters: if the machine gets slower, it does so for both.
    for (&clients, turn) in
        args.clients.iter().flat_map(|clients| (0..args.turns).map(move |turn| (clients, turn)))
    {
        let is_etcd_first = turn % 2 == 1;
        for is_etcd in [is_etcd_first, !is_etcd_first] {
            cells.extend(match (is_etcd, args.without_etcd) {
                (true, true) => Vec::new(),
                (true, false) => measure_etcd(&args, clients, turn, span).await?,
                (false, _) => measure_nexus(&args, clients, turn, span).await?,
            });
        }
    }
    // Stable: rows with the same number of clients stay in the order of measuring.
    cells.sort_by_key(|cell| cell.clients);
    println!("{}", Table { cells, compared: vec![(HEARTBEATS, PUTS), (PICKS, TRANSACTIONS)] });
    Ok(())
}

async fn measure_nexus(args: &Args, clients: usize, turn: usize, span: Span) -> anyhow::Result<Vec<Cell>> {
    let nexus = Nexus::start(clients).await;
    nexus.lengthen_leases().await;
    let mut cells = Vec::new();
    if !matches!(args.only, Some(Only::Picks)) {
        cells.push(cell(HEARTBEATS, turn, &nexus.heartbeats(clients), span, || nexus.usage()).await?);
    }
    if !matches!(args.only, Some(Only::Heartbeats)) {
        cells.push(cell(PICKS, turn, &nexus.picks(clients), span, || nexus.usage()).await?);
    }
    Ok(cells)
}

async fn measure_etcd(args: &Args, clients: usize, turn: usize, span: Span) -> anyhow::Result<Vec<Cell>> {
    let etcd = Etcd::start(&args.etcd).await?;
    let mut cells = Vec::new();
    if !matches!(args.only, Some(Only::Picks)) {
        cells.push(cell(PUTS, turn, &etcd.puts(clients), span, || etcd.usage()).await?);
    }
    if !matches!(args.only, Some(Only::Heartbeats)) {
        cells.push(cell(TRANSACTIONS, turn, &etcd.picks(clients), span, || etcd.usage()).await?);
    }
    Ok(cells)
}

async fn cell(
    what: &'static str,
    turn: usize,
    scripts: &[Script],
    span: Span,
    usage: impl Fn() -> Vec<Usage>,
) -> anyhow::Result<Cell> {
    let clients = scripts.len();
    eprintln!("{what}, {clients} at once ...");
    let before = usage();
    let measured = load::run(scripts, span).await.with_context(|| format!("{what}, {clients} at once"))?;
    // The nodes also worked in the warm-up.
    let share = span.counted.as_secs_f64() / (span.counted + span.warm_up).as_secs_f64();
    let spent = usage::between(&before, &usage()).mul_f64(share);
    let answers = u32::try_from(measured.answers.max(1)).unwrap_or(u32::MAX);
    Ok(Cell { what, clients, turn, cost: spent / answers, measured })
}

/// Measures requests, elections and catching up at several distances.
async fn regions() {
    let mut distances = Vec::new();
    for millis in ROUND_TRIPS_MS {
        eprintln!("Regions {millis} ms from each other ...");
        distances.push(regions::measure(Duration::from_millis(millis)).await);
    }
    println!("Milliseconds, and round trips in parentheses:");
    println!("{}", Distances(distances));
}

/// The cost of three nodes without requests, and the size of the programs.
async fn idle(span: Duration) {
    eprintln!("Idle, {} s ...", span.as_secs());
    let nexus = Nexus::start(0).await;
    let before = nexus.usage();
    tokio::time::sleep(span).await;
    let after = nexus.usage();
    println!("Idle over {} s:", span.as_secs());
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        let spent = usage::between(&[*before], &[*after]);
        println!(
            "  node {}: {:.1} % of a core, {} MiB resident",
            number + 1,
            100.0 * spent.as_secs_f64() / span.as_secs_f64(),
            after.resident_kib >> 10,
        );
    }
    for name in ["nexusd", "nexus"] {
        let here = std::env::current_exe().ok().and_then(|own| own.parent().map(|folder| folder.join(name)));
        if let Some(size) = here.and_then(|path| path.metadata().ok()) {
            println!("  {name}: {:.1} MiB on disk", size.len() as f64 / f64::from(1 << 20));
        }
    }
    println!();
}
