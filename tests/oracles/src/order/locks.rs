//! Histories of locks in Jepsen's form, for other checkers: what each operation says about one feature or path.

use super::{
    requests::requests,
    steps::{Cause, Known, Step, named},
};
use crate::history::{Operation, quoted};
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

/// Writes what operations say about each feature and path as EDN maps, one in each line: an invocation and a completion
/// of each step, with its object. Every object is a history of its own, in the order of time. The value is the same in
/// both maps: a checker that knows the answer needs no other.
///
/// The steps are `:acquire`, `:refuse`, `:release-feature`, `:release-claims`, `:take-away`, `:end` and `:read`. A step
/// of unknown outcome is completed by `:info`.
///
/// # Errors
/// If the writer fails.
pub fn write_locks(to: &mut impl Write, operations: &[Operation]) -> io::Result<()> {
    let requests = requests(operations);
    let requests: Vec<&Operation> = requests.iter().collect();
    let known = Known::of(&requests);
    let names: BTreeSet<String> = requests.iter().flat_map(|request| named(request)).collect();
    for name in names {
        let mut lines = Vec::new();
        let steps = requests.iter().flat_map(|request| known.steps(request, &name));
        for (process, step) in steps.enumerate() {
            let (f, value) = edn(&step.operation);
            let line = |kind: &str, time: u64| {
                format!(
                    "{{:process {process}, :type :{kind}, :f :{f}, :object {}, :value {value}, :time {time}}}",
                    quoted(&name)
                )
            };
            // A completion is a nanosecond later than its microsecond: what began within it is concurrent.
            let called = step.called * 1_000;
            lines.push((called, line("invoke", called)));
            let (kind, completed) = match step.returned {
                Some(returned) => ("ok", returned * 1_000 + 1),
                None => ("info", called + 1),
            };
            lines.push((completed, line(kind, completed)));
        }
        lines.sort_by_key(|(time, _)| *time);
        for (_, line) in lines {
            writeln!(to, "{line}")?;
        }
    }
    Ok(())
}

/// The name of a step, and what it says.
fn edn(step: &Step) -> (&'static str, String) {
    let owner = |by: &Option<String>| by.as_deref().map_or_else(|| "nil".to_owned(), quoted);
    match step {
        Step::Acquired { by, cause, is_exclusive, fence } => {
            let (cause, feature) = match cause {
                Cause::Claim(feature) => ("claim", feature),
                Cause::Pick(feature) => ("pick", feature),
            };
            let fence = fence.map_or_else(|| "nil".to_owned(), |fence| fence.to_string());
            let value = format!(
                "{{:owner {}, :cause :{cause}, :feature {}, :exclusive {is_exclusive}, :fence {fence}}}",
                quoted(by),
                owner(feature)
            );
            ("acquire", value)
        }
        Step::Refused { by } => ("refuse", set(by)),
        Step::GivenBack { by, feature } => {
            ("release-feature", format!("{{:owner {}, :feature {}}}", owner(by), quoted(feature)))
        }
        Step::MaybeGivenBack { by } => ("release-feature", format!("{{:owner {}, :feature nil}}", owner(by))),
        Step::Unclaimed { by } => ("release-claims", quoted(by)),
        Step::TakenAway => ("take-away", "nil".to_owned()),
        Step::Ended { by } => ("end", quoted(by)),
        Step::Shown { by } => ("read", set(by)),
    }
}

fn set(of: &BTreeSet<String>) -> String {
    let all: Vec<String> = of.iter().map(|text| quoted(text)).collect();
    format!("#{{{}}}", all.join(" "))
}
