//! Feeds the inputs that are kept for the fuzz targets (tests/fuzz/corpora) to unit tests: each of them as it is, and
//! mutations of them that are the same in every run. A crate with targets has them in its module `fuzzing`, and a test
//! there calls [`pass`]. So every change is checked on stable Rust and without a fuzzer, within seconds.
//!
//! It depends on no other crate, and no program depends on it.

mod mutate;

use mutate::Mutator;
use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    thread,
};

/// Mutations of the inputs of one target in each run.
const MUTATIONS: u64 = 4_000;

/// The stack of the thread that runs a target, in bytes: as much as tests/fuzz/run allows.
const STACK_BYTES: usize = 64 << 20;

/// A target: it panics if an input breaks a property.
pub type Target = fn(&[u8]);

/// Runs a target on its kept inputs and on mutations of them. `seeds` are the inputs that the code itself makes, each
/// with a name; with `NEXUS_BLESS=1` they are written to the corpus.
///
/// # Panics
/// If the target panics, with the input and the command that repeats it, or if the corpus cannot be read.
pub fn pass(name: &str, target: Target, seeds: Vec<(String, Vec<u8>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpora").join(name);
    if env::var_os("NEXUS_BLESS").is_some() {
        bless(&folder, &seeds);
    }
    let kept = kept(&folder);
    assert!(!kept.is_empty(), "{} is empty: NEXUS_BLESS=1 writes its seeds", folder.display());
    let inputs: Vec<Vec<u8>> = seeds.into_iter().chain(kept).map(|(_, bytes)| bytes).collect();
    let run = move || {
        inputs.iter().for_each(|input| check(target, input));
        let mut mutator = Mutator::new(&inputs);
        for _ in 0..MUTATIONS {
            check(target, &mutator.next_input());
        }
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread starts");
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

/// Runs the target once, and prints the input if it panics.
fn check(target: Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("The target panicked on {} bytes: b\"{}\"", input.len(), input.escape_ascii());
        resume_unwind(panic);
    }
}

/// The inputs in a folder, each with its file name, in the order of the names.
fn kept(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, fs::read(&file).unwrap_or_else(|error| panic!("{} cannot be read: {error}", file.display())))
    };
    files.into_iter().map(read).collect()
}

/// Writes the seeds, in place of those that are there.
fn bless(folder: &Path, seeds: &[(String, Vec<u8>)]) {
    fs::create_dir_all(folder).expect("a folder is made");
    for (name, _) in kept(folder).iter().filter(|(name, _)| name.starts_with("seed-")) {
        fs::remove_file(folder.join(name)).expect("a former seed is removed");
    }
    for (name, bytes) in seeds {
        fs::write(folder.join(format!("seed-{name}")), bytes).expect("a seed is written");
    }
}
