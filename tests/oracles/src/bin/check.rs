//! Judges the histories of runs again, whether they were simulated or of real processes.

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use nexus_oracles::{
    check::{Circumstances, Finding, Records},
    history::{read_lines, write_edn},
    order::{LeaseTolerance, write_locks},
};
use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Violations of one oracle that are shown: most of them have the same cause.
const MOST_SHOWN: usize = 10;
/// The exit code for a promise that was broken, and the one for what cannot be judged.
const VIOLATED: u8 = 1;
const UNDECIDED: u8 = 2;

/// Checks written histories: who held what, the order of answers, feeds of events and leases
///
/// A history is a file with a JSON record in each line, as `nexus-simulate --history` writes it. Ends
/// with 0 if all promises were kept, 1 if one was broken, and 2 if something cannot be judged.
#[derive(Parser)]
#[command(
    name = "nexus-check",
    after_help = "Example:\n  nexus-simulate --seed 7 --history run.jsonl\n  \
                                              nexus-check run.jsonl"
)]
struct Args {
    /// The files of the histories
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the operations in Jepsen's EDN instead of checking anything
    #[arg(long, value_name = "OUT")]
    edn: Option<PathBuf>,
    /// The form of the operations in the EDN
    #[arg(long, requires = "edn", default_value = "operations")]
    model: Model,
    /// The lease and its grace, if the history lacks the ends that leases may have had
    #[arg(long, value_name = "MS")]
    lease_ms: Option<u64>,
    /// The difference of two clocks' rates, in millionths, by which a lease may look shorter
    #[arg(long, default_value_t = 1_000)]
    drift_ppm: u64,
    /// The error of a measured time, in microseconds
    #[arg(long, default_value_t = 5_000)]
    error_us: u64,
    /// The feeds have the events of one project only
    #[arg(long)]
    one_project: bool,
}

/// The form of the operations in the EDN of a history.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Model {
    /// The operations as clients asked them
    Operations,
    /// Acquisitions, releases, refusals and reads of a lock with owners, for each feature and path
    Locks,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::from(UNDECIDED)
        }
    }
}

/// Returns the exit code of a judgement.
fn exit_code(findings: &[Finding]) -> ExitCode {
    if findings.iter().any(|finding| !finding.violations.is_empty()) {
        return ExitCode::from(VIOLATED);
    }
    let is_decided = findings.iter().all(|finding| finding.undecided == 0);
    if is_decided { ExitCode::SUCCESS } else { ExitCode::from(UNDECIDED) }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(out) = &args.edn {
        let [file] = &args.files[..] else { bail!("--edn exports one history, not {}", args.files.len()) };
        export(file, out, args.model)?;
        return Ok(ExitCode::SUCCESS);
    }
    let circumstances = Circumstances {
        lease_us: args.lease_ms.map(|lease| lease * 1_000),
        tolerance: LeaseTolerance { drift_ppm: args.drift_ppm, error_us: args.error_us },
        is_one_project: args.one_project,
    };
    let mut all = Vec::new();
    for file in &args.files {
        let findings = read(file)?.check(&circumstances);
        if findings.iter().all(|finding| finding.judged.is_none()) {
            bail!("{}: nothing in this history can be judged", file.display());
        }
        println!("{}", file.display());
        findings.iter().for_each(print);
        all.extend(findings);
    }
    Ok(exit_code(&all))
}

fn read(file: &Path) -> anyhow::Result<Records> {
    let name = || file.display().to_string();
    let opened = File::open(file).with_context(name)?;
    Ok(Records::of(read_lines(BufReader::new(opened)).with_context(name)?))
}

fn export(file: &Path, out: &Path, model: Model) -> anyhow::Result<()> {
    let records = read(file)?;
    let mut to = BufWriter::new(File::create(out).with_context(|| out.display().to_string())?);
    match model {
        Model::Operations => write_edn(&mut to, &records.operations)?,
        Model::Locks => write_locks(&mut to, &records.operations)?,
    }
    Ok(to.flush()?)
}

fn print(finding: &Finding) {
    let Finding { oracle, judged, violations, .. } = finding;
    let outcome = match (judged, violations.len()) {
        (None, 0) => "not judged: the history has nothing for it".to_owned(),
        (judged, count) => {
            let judged = judged.as_deref().unwrap_or("nothing else");
            format!(
                "{judged}: {}",
                if count == 0 { "good".to_owned() } else { format!("{count} violations") }
            )
        }
    };
    println!("  {oracle:8} {outcome}");
    for violation in violations.iter().take(MOST_SHOWN) {
        println!("VIOLATION  {violation}");
    }
    if violations.len() > MOST_SHOWN {
        println!("… and {} more", violations.len() - MOST_SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_oracles::Violation;

    #[test]
    fn what_was_left_undecided_is_not_called_good() {
        let finding = |undecided, violations| Finding {
            oracle: "holders",
            judged: Some("2 objects".to_owned()),
            undecided,
            violations,
        };
        let broken = || vec![Violation::new("holders", "a promise", "a message")];
        assert_eq!(exit_code(&[finding(0, Vec::new())]), ExitCode::SUCCESS);
        assert_eq!(exit_code(&[finding(0, Vec::new()), finding(1, Vec::new())]), ExitCode::from(UNDECIDED));
        assert_eq!(exit_code(&[finding(1, Vec::new()), finding(0, broken())]), ExitCode::from(VIOLATED));
    }
}
