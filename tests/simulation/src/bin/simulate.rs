//! Runs simulations: one seed in this process, or many of them, each in a process of its own.

use clap::{Parser, ValueEnum as _};
use nexus_simulation::{
    faults::Kind,
    many::{Many, Summary, run_many},
    planted::Planted,
    run::{Plan, Report, run},
};
use std::{env, fs, io, process::ExitCode, time::Duration};

/// Simulates whole clusters of Nexus with all kinds of faults, and checks what they promise
#[derive(Parser)]
struct Args {
    /// Run this seed alone, in this process
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happened, every message included
    #[arg(long, requires = "seed")]
    tell: bool,
    /// Print the result as one line of JSON
    #[arg(long, requires = "seed")]
    json: bool,
    /// Run so many seeds
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// The first of many seeds
    #[arg(long, default_value_t = 1, conflicts_with = "seed")]
    first: u64,
    /// Begin no further run after so many hours, however many seeds that makes
    #[arg(long, conflicts_with_all = ["seed", "seeds"])]
    hours: Option<f64>,
    /// Runs at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Repeat every so many runs, and compare them byte for byte
    #[arg(long, default_value_t = 1)]
    repeat_every: u64,
    /// The time for which faults happen in each run, in seconds of its world
    #[arg(long, default_value_t = 40)]
    duration: u64,
    /// Leave out faults of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    without: Vec<Kind>,
    /// Plant a defect, which is to be found
    #[arg(long, value_name = "DEFECT")]
    planted: Option<Planted>,
}

/// Violations that are shown of one run: most of them have the same cause.
const MOST_SHOWN: usize = 10;

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    match args.seed {
        Some(seed) => Ok(one(seed, &args)),
        None => many(&args),
    }
}

fn one(seed: u64, args: &Args) -> ExitCode {
    nexus_seeded_entropy::seed(seed);
    let folder = env::temp_dir().join(format!("nexus-simulation-{}", std::process::id()));
    let plan = Plan {
        duration: args.duration * 1_000,
        is_told: args.tell,
        without: args.without.clone(),
        planted: args.planted,
        ..Plan::new(seed, &folder)
    };
    let report = run(&plan);
    let _ = fs::remove_dir_all(folder);
    if args.json {
        let report = Report { log: Vec::new(), ..report.clone() };
        println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    } else {
        print(seed, &report);
    }
    ExitCode::from(u8::from(!report.violations.is_empty()))
}

fn print(seed: u64, report: &Report) {
    for (at, what) in &report.log {
        println!("{:>6}.{:03}  {what}", at / 1_000, at % 1_000);
    }
    println!(
        "Seed {seed}: {} nodes, {} s, {} requests of which {} were answered, {} entries; trace {:016x}",
        report.nodes,
        report.simulated / 1_000,
        report.requests.0,
        report.requests.1,
        report.entries,
        report.trace
    );
    for violation in report.violations.iter().take(MOST_SHOWN) {
        println!("VIOLATION  {violation}");
    }
    if report.violations.len() > MOST_SHOWN {
        println!("… and {} more", report.violations.len() - MOST_SHOWN);
    }
}

fn many(args: &Args) -> io::Result<ExitCode> {
    let many = Many {
        first: args.first,
        seeds: args.hours.is_none().then_some(args.seeds),
        longest: args.hours.map(|hours| Duration::from_secs_f64(hours * 3_600.0)),
        jobs: args.jobs,
        repeat_every: args.repeat_every,
        arguments: arguments(args),
    };
    let summary = run_many(&env::current_exe()?, &many)?;
    show(&summary);
    let Some((seed, why)) = &summary.failed else { return Ok(ExitCode::SUCCESS) };
    println!(
        "\nSeed {seed} FAILED: {why}\n\nReplay it: nexus-simulate --seed {seed} --duration {} --tell",
        args.duration
    );
    Ok(ExitCode::FAILURE)
}

/// The arguments of each of many runs.
fn arguments(args: &Args) -> Vec<String> {
    let mut all = vec![format!("--duration={}", args.duration)];
    let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value().map(|value| value.get_name().to_owned())
    };
    all.extend(
        args.without
            .iter()
            .filter_map(|kind| name(&|| kind.to_possible_value()))
            .map(|kind| format!("--without={kind}")),
    );
    all.extend(
        args.planted
            .and_then(|planted| name(&|| planted.to_possible_value()))
            .map(|planted| format!("--planted={planted}")),
    );
    all
}

fn show(summary: &Summary) {
    let minutes = summary.took.as_secs_f64() / 60.0;
    println!(
        "Seeds       {} in {minutes:.1} min, {:.0} a minute; {} of them twice, and equal",
        summary.runs,
        summary.runs as f64 / minutes,
        summary.repeated
    );
    println!("Simulated   {:.1} h", summary.simulated as f64 / 3_600_000.0);
    println!("Requests    {}, of which {} were answered", summary.requests.0, summary.requests.1);
    println!("Entries     {}", summary.entries);
    println!("Faults");
    for (kind, count) in &summary.faults {
        println!("  {count:>8}  {kind}");
    }
    println!("Points to crash at: {} passed, {} crashed at", summary.passed.len(), summary.hit.len());
    for (point, count) in &summary.passed {
        println!("  {count:>8}  {point}{}", if summary.hit.contains(point) { "" } else { " (no crash)" });
    }
}
