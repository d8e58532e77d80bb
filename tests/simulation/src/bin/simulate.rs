//! Runs simulations: one seed in this process, or many of them, each in a process of its own.

use clap::{Parser, ValueEnum};
use nexus_oracles::history::write_line;
use nexus_simulation::{
    faults::Kind,
    many::{Many, Summary, run_many, shrink},
    picture::{Seen, page},
    planted::Planted,
    run::{Plan, Report, run},
};
use std::{
    env, fs,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// The time that a picture shows, in milliseconds.
const PICTURED: u64 = 6_000;
/// Violations that are shown of one run: most of them have the same cause.
const MOST_SHOWN: usize = 10;

/// Simulates whole clusters of Nexus with all kinds of faults, and checks what they promise
#[derive(Parser)]
struct Args {
    /// Run this seed alone, in this process
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happened, every message included
    #[arg(long, requires = "seed")]
    tell: bool,
    /// Write a page with a picture of the run: its last seconds, or those from --from on
    #[arg(long, value_name = "FILE", requires = "seed")]
    picture: Option<PathBuf>,
    /// The second of the world in which the picture begins
    #[arg(long, requires = "picture")]
    from: Option<u64>,
    /// Write the history of the run, one record in each line, which nexus-check judges again
    #[arg(long, value_name = "FILE", requires = "seed")]
    history: Option<PathBuf>,
    /// Let the second opinion alone judge, which knows nothing but what clients saw
    #[arg(long)]
    second_opinion: bool,
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
    /// Repeat every so many runs, and compare them byte for byte; 0 for none
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

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    match args.seed {
        Some(seed) => one(seed, &args),
        None => many(&args),
    }
}

fn one(seed: u64, args: &Args) -> io::Result<ExitCode> {
    nexus_seeded_entropy::seed(seed);
    let folder = env::temp_dir().join(format!("nexus-simulation-{}", std::process::id()));
    let report = run(&Plan {
        duration: args.duration * 1_000,
        is_told: args.tell || args.picture.is_some(),
        is_recorded: args.history.is_some(),
        is_second_opinion_alone: args.second_opinion,
        without: args.without.clone(),
        planted: args.planted,
        ..Plan::new(seed, &folder)
    });
    let _ = fs::remove_dir_all(folder);
    if let Some(file) = &args.picture {
        let from = args.from.map_or(report.simulated.saturating_sub(PICTURED), |from| from * 1_000);
        let to = report.simulated.min(from + PICTURED);
        fs::write(file, page(&format!("Seed {seed}"), report.nodes, &report.seen, from, to))?;
    }
    if let Some(file) = &args.history {
        let mut to = BufWriter::new(fs::File::create(file)?);
        report.history.iter().try_for_each(|record| write_line(&mut to, record))?;
        to.flush()?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    } else {
        if args.tell {
            report.seen.iter().for_each(|(at, seen)| tell(*at, seen));
        }
        print(seed, &report);
    }
    Ok(ExitCode::from(u8::from(!report.violations.is_empty())))
}

fn tell(at: u64, seen: &Seen) {
    let what = match seen {
        Seen::Message { from, to, bytes } => format!("{from} -> {to}: {bytes} bytes"),
        Seen::Leads { node, term } => format!("node {node} leads in term {term}"),
        Seen::Runs { node, runs: true } => format!("node {node} runs"),
        Seen::Runs { node, runs: false } => format!("node {node} does not run"),
        Seen::Fault(text) => text.clone(),
        Seen::Request { node, called, what, .. } => format!("asked node {node} at {called} ms: {what}"),
    };
    println!("{:>6}.{:03}  {what}", at / 1_000, at % 1_000);
}

fn print(seed: u64, report: &Report) {
    println!(
        "Seed {seed}: {} nodes, {} s, {} requests of which {} were answered, {} entries, {} of them modelled; trace {:016x}",
        report.nodes,
        report.simulated / 1_000,
        report.requests.0,
        report.requests.1,
        report.entries,
        report.modelled.0,
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
    let program = env::current_exe()?;
    let many = Many {
        first: args.first,
        seeds: args.hours.is_none().then_some(args.seeds),
        longest: args.hours.map(|hours| Duration::from_secs_f64(hours * 3_600.0)),
        jobs: args.jobs,
        repeat_every: args.repeat_every,
        arguments: arguments(args),
    };
    let summary = run_many(&program, &many)?;
    show(&summary);
    let Some((seed, why)) = &summary.failed else { return Ok(ExitCode::SUCCESS) };
    println!("\nSeed {seed} FAILED: {why}\n\nLooking for a simpler run that fails, too …");
    let simpler = shrink(&program, *seed, &many.arguments, why)?.join(" ");
    println!("Replay it: nexus-simulate --seed {seed} {simpler} --tell --picture seed-{seed}.html");
    Ok(ExitCode::FAILURE)
}

/// The arguments of each of many runs.
fn arguments(args: &Args) -> Vec<String> {
    fn name(value: &impl ValueEnum) -> String {
        value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
    let mut all = vec![format!("--duration={}", args.duration)];
    all.extend(args.without.iter().map(|kind| format!("--without={}", name(kind))));
    all.extend(args.second_opinion.then(|| "--second-opinion".to_owned()));
    all.extend(args.planted.iter().map(|planted| format!("--planted={}", name(planted))));
    all
}

fn show(summary: &Summary) {
    let minutes = summary.took.as_secs_f64() / 60.0;
    println!(
        "Seeds       {} in {minutes:.1} min, {:.0} a minute; {} of them twice, and equal byte for byte",
        summary.runs,
        summary.runs as f64 / minutes,
        summary.repeated
    );
    println!("Simulated   {:.1} h", summary.simulated as f64 / 3_600_000.0);
    println!("Requests    {}, of which {} were answered", summary.requests.0, summary.requests.1);
    println!(
        "Entries     {}, of which the model has compared {} and does not know {}",
        summary.entries, summary.modelled.0, summary.modelled.1
    );
    println!("Doubted     {} answers, of nodes with a bit flipped in their memory", summary.doubted);
    println!(
        "Opinions    {} features, paths and sessions without the log, of which {} are undecided",
        summary.opinions.0, summary.opinions.1
    );
    println!("Faults");
    for (kind, count) in &summary.faults {
        println!("  {count:>8}  {kind}");
    }
    println!("Points to crash at: {} passed, {} crashed at", summary.passed.len(), summary.hit.len());
    for (point, count) in &summary.passed {
        println!("  {count:>8}  {point}{}", if summary.hit.contains(point) { "" } else { " (no crash)" });
    }
}
