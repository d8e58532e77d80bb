//! A referee from outside: judges histories of locks with a checker of linearizability that others wrote.
//!
//! - [`read`]: the facts of a history, for each feature and path. [`lock`]: what each fact may follow.
//! - The search is that of the crate todc-utils: Wing and Gong's algorithm with Lowe's memory, as in Porcupine.
//!
//! Nothing here is shared with the oracles of Nexus, nor with Nexus.

mod lock;
mod read;

use lock::{Fact, Lock};
use std::{env, fs, process::ExitCode, sync::mpsc, thread, time::Duration};
use todc_utils::linearizability::{
    WGLChecker,
    history::{Action, History},
};

/// The time for one object. The search takes exponential time at worst.
const PATIENCE: Duration = Duration::from_secs(10);
/// The exit code for a history that no order explains, and the one for what cannot be judged.
const VIOLATED: u8 = 1;
const UNDECIDED: u8 = 2;

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("Usage: nexus-referee FILE…");
        return ExitCode::from(UNDECIDED);
    }
    let (mut is_good, mut is_decided) = (true, true);
    for file in files {
        let facts = fs::read_to_string(&file).map_err(|error| error.to_string());
        let facts = match facts.and_then(|text| read::facts(&text)) {
            Ok(facts) if !facts.is_empty() => facts,
            Ok(_) => {
                eprintln!("{file}: nobody holds anything in this history");
                return ExitCode::from(UNDECIDED);
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(UNDECIDED);
            }
        };
        let (objects, count) = (facts.len(), facts.values().map(Vec::len).sum::<usize>());
        let (mut wrong, mut undecided) = (Vec::new(), Vec::new());
        for (name, facts) in facts {
            match judge(facts) {
                Some(true) => {}
                Some(false) => wrong.push(name),
                None => undecided.push(name),
            }
        }
        println!("{file}: {count} facts about {objects} features and paths, {} undecided", undecided.len());
        undecided.iter().for_each(|name| println!("UNDECIDED  {name}"));
        wrong.iter().for_each(|name| println!("VIOLATION  {name}: no order explains the answers"));
        is_good &= wrong.is_empty();
        is_decided &= undecided.is_empty();
    }
    match (is_good, is_decided) {
        (false, _) => ExitCode::from(VIOLATED),
        (true, false) => ExitCode::from(UNDECIDED),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Whether some order explains all facts about one lock; `None` if that takes too long to say.
fn judge(facts: Vec<Fact>) -> Option<bool> {
    let (to, found) = mpsc::channel();
    // One that takes too long ends with the process.
    thread::spawn(move || to.send(WGLChecker::<Lock>::is_linearizable(history(facts))));
    found.recv_timeout(PATIENCE).ok()
}

fn history(facts: Vec<Fact>) -> History<Fact> {
    let mut actions: Vec<(u64, bool, usize, Action<Fact>)> = Vec::new();
    for (process, fact) in facts.into_iter().enumerate() {
        // A call at the time of an answer is concurrent with it. What may never have happened is answered after all.
        actions.push((fact.called, false, process, Action::Call(fact.clone())));
        actions.push((fact.returned.unwrap_or(u64::MAX), true, process, Action::Response(fact)));
    }
    actions.sort_by_key(|(time, is_answer, process, _)| (*time, *is_answer, *process));
    History::from_actions(actions.into_iter().map(|(.., process, action)| (process, action)).collect())
}
