//! Many runs, each in a process of its own, so that no run can see anything of another one.

use crate::{faults::Kind, run::Report};
use clap::ValueEnum as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The plan of many runs.
#[derive(Clone, Debug)]
pub struct Many {
    /// The first seed.
    pub first: u64,
    /// How many seeds; none for as many as there is time for.
    pub seeds: Option<u64>,
    /// The time after which no further run begins.
    pub longest: Option<Duration>,
    /// Runs at once.
    pub jobs: usize,
    /// Every so many runs are repeated, and compared byte for byte.
    pub repeat_every: u64,
    /// Further arguments of each run.
    pub arguments: Vec<String>,
}

/// A summary of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// The number of runs.
    pub runs: u64,
    /// Those that were repeated and compared.
    pub repeated: u64,
    /// The time in their worlds, in milliseconds.
    pub simulated: u64,
    /// The requests of clients, and those that were answered.
    pub requests: (u64, u64),
    /// The entries of all logs.
    pub entries: u64,
    /// The entries that the model has compared, and those that it does not know.
    pub modelled: (u64, u64),
    /// The answers that nodes with a wrong memory may have given, which nobody is held to.
    pub doubted: u64,
    /// The features, paths and sessions that the second opinion has judged, and those that it left undecided.
    pub opinions: (u64, u64),
    /// How often each kind of fault happened.
    pub faults: BTreeMap<String, u64>,
    /// How often each point was passed.
    pub passed: BTreeMap<String, u64>,
    /// The points at which a node has crashed.
    pub hit: BTreeSet<String>,
    /// The first seed that failed, and how.
    pub failed: Option<(u64, String)>,
    /// How long it took.
    pub took: Duration,
}

/// Runs this program for many seeds, until one fails.
///
/// # Errors
/// When the program cannot be started.
pub fn run_many(program: &Path, many: &Many) -> io::Result<Summary> {
    let began = Instant::now();
    let (next, is_over) = (AtomicU64::new(many.first), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    let worker = || -> io::Result<()> {
        while !is_over.load(Ordering::Relaxed) && many.longest.is_none_or(|longest| began.elapsed() < longest)
        {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if many.seeds.is_some_and(|seeds| seed >= many.first + seeds) {
                break;
            }
            let found = run_one(program, seed, many)?;
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(seed, found);
            is_over.fetch_or(summary.failed.is_some(), Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..many.jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a run panicked"))))
    })?;
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.took = began.elapsed();
    Ok(summary)
}

struct Found {
    report: Result<Report, String>,
    is_repeated: bool,
}

fn run_one(program: &Path, seed: u64, many: &Many) -> io::Result<Found> {
    let report = call(program, seed, many)?;
    let is_repeated = many.repeat_every > 0 && seed.is_multiple_of(many.repeat_every) && report.is_ok();
    if !is_repeated {
        return Ok(Found { report, is_repeated });
    }
    let again = call(program, seed, many)?;
    let report = match (report, again) {
        (Ok(first), Ok(second)) if first.trace != second.trace => {
            Err(format!("two runs with this seed differ: {:016x} and {:016x}", first.trace, second.trace))
        }
        (Ok(_), Err(error)) => Err(error),
        (first, _) => first,
    };
    Ok(Found { report, is_repeated })
}

fn call(program: &Path, seed: u64, many: &Many) -> io::Result<Result<Report, String>> {
    let mut command = Command::new(program);
    command.args(["--seed", &seed.to_string(), "--json"]).args(&many.arguments);
    let ended = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&ended.stdout);
    let Some(line) = text.lines().last() else {
        return Ok(Err(format!("{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr))));
    };
    Ok(serde_json::from_str(line).map_err(|error| {
        format!("{}: {error}: {line}\n{}", ended.status, String::from_utf8_lossy(&ended.stderr))
    }))
}

/// The beginning of a violation, which is the same for all of its kind.
fn kind_of(why: &str) -> &str {
    let most = why.char_indices().nth(20).map_or(why.len(), |(at, _)| at);
    &why[..most]
}

/// Makes a run that fails simpler for as long as it fails in the same way: leaves out kinds of faults, and ends it
/// earlier.
/// Returns its arguments.
///
/// # Errors
/// When the program cannot be started.
pub fn shrink(program: &Path, seed: u64, arguments: &[String], why: &str) -> io::Result<Vec<String>> {
    let kind = kind_of(why);
    let mut shortest = arguments.to_vec();
    let fails = |arguments: &[String]| -> io::Result<bool> {
        let many = Many {
            first: seed,
            seeds: Some(1),
            longest: None,
            jobs: 1,
            repeat_every: 0,
            arguments: arguments.to_vec(),
        };
        let found = call(program, seed, &many)?;
        let why = found.map_or_else(Some, |report| report.violations.into_iter().next());
        Ok(why.is_some_and(|why| kind_of(&why) == kind))
    };
    for kind in Kind::value_variants().iter().filter_map(Kind::to_possible_value) {
        let without = format!("--without={}", kind.get_name());
        if shortest.contains(&without) {
            continue;
        }
        let tried: Vec<String> = shortest.iter().cloned().chain([without]).collect();
        if fails(&tried)? {
            shortest = tried;
        }
    }
    for seconds in [2_u64, 5, 10, 20, 30] {
        let others = shortest.iter().filter(|argument| !argument.starts_with("--duration="));
        let tried: Vec<String> = others.cloned().chain([format!("--duration={seconds}")]).collect();
        if fails(&tried)? {
            shortest = tried;
            break;
        }
    }
    Ok(shortest)
}

impl Summary {
    fn add(&mut self, seed: u64, Found { report, is_repeated }: Found) {
        self.runs += 1;
        self.repeated += u64::from(is_repeated);
        let report = match report {
            Ok(report) => report,
            Err(why) => {
                self.failed.get_or_insert((seed, why));
                return;
            }
        };
        self.simulated += report.simulated;
        self.requests.0 += report.requests.0;
        self.requests.1 += report.requests.1;
        self.entries += report.entries;
        self.modelled.0 += report.modelled.0;
        self.modelled.1 += report.modelled.1;
        self.doubted += report.doubted;
        self.opinions.0 += report.opinions.0;
        self.opinions.1 += report.opinions.1;
        for (kind, count) in &report.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (point, count) in &report.passed {
            *self.passed.entry(point.clone()).or_default() += count;
        }
        self.hit.extend(report.hit.iter().cloned());
        if let Some(violation) = report.violations.first() {
            self.failed.get_or_insert((seed, violation.clone()));
        }
    }
}
