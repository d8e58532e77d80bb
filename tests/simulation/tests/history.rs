//! The history of a run says enough to judge the run again, and to find what somebody has changed in it.

use nexus_oracles::{
    check::{Circumstances, Finding, Records},
    history::{Answered, Ask, Operation, OperationOutcome, Record, read_lines},
    order::LeaseTolerance,
};
use std::{collections::BTreeSet, fs::File, io::BufReader, process::Command};

const CIRCUMSTANCES: Circumstances = Circumstances {
    lease_us: None,
    tolerance: LeaseTolerance { drift_ppm: 1_000, error_us: 5_000 },
    is_one_project: false,
};

fn record_of(seed: u64) -> Vec<Record> {
    let file = std::env::temp_dir().join(format!("nexus-history-{seed}-{}.jsonl", std::process::id()));
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_nexus-simulate"));
    simulate.args(["--seed", &seed.to_string(), "--history"]).arg(&file);
    let ended = simulate.output().expect("the simulation starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let records = read_lines(BufReader::new(File::open(&file).expect("it was written")));
    let _ = std::fs::remove_file(file);
    records.expect("each line is a record")
}

fn check(records: Vec<Record>) -> Vec<Finding> {
    Records::of(records).check(&CIRCUMSTANCES)
}

/// The names of the oracles that have found something.
fn found(records: Vec<Record>) -> Vec<&'static str> {
    let findings = check(records).into_iter();
    findings.filter(|finding| !finding.violations.is_empty()).map(|finding| finding.oracle).collect()
}

/// Whether a run has something for each oracle, and feeds that can be compared.
fn is_rich(records: &[Record]) -> bool {
    let feeds: BTreeSet<u64> = records.iter().filter_map(node_of).collect();
    let is_end = |record: &Record| matches!(record, Record::SessionEnd(_));
    feeds.len() > 2
        && records.iter().any(is_end)
        && records.iter().any(|record| refused_claim(record).is_some())
}

/// The node whose feed has an event.
const fn node_of(record: &Record) -> Option<u64> {
    match record {
        Record::Event { node, .. } => Some(*node),
        _ => None,
    }
}

/// The answer to a claim that somebody else is in the way of.
fn refused_claim(record: &Record) -> Option<&Answered> {
    match record {
        Record::Operation(Operation {
            ask: Ask::Claim { .. },
            outcome: OperationOutcome::Refused(answered),
            ..
        }) => Some(answered).filter(|answered| !answered.held.is_empty()),
        _ => None,
    }
}

#[test]
fn a_recorded_run_is_judged_again_by_all_oracles() {
    let mut runs = (1..30).map(record_of);
    let records =
        runs.find(|records| is_rich(records)).expect("one of thirty runs has something for each oracle");
    for finding in check(records.clone()) {
        println!("{}: {:?}", finding.oracle, finding.judged);
        assert!(finding.judged.is_some(), "{} has nothing to judge", finding.oracle);
        assert_eq!(finding.violations, [], "{}", finding.oracle);
    }
    // A claim of another session is acknowledged instead of the one that was made.
    let mut changed = records.clone();
    let claim = changed.iter_mut().find_map(|record| match record {
        Record::Operation(operation) if matches!(operation.ask, Ask::Claim { .. }) => {
            match &mut operation.outcome {
                OperationOutcome::Refused(answered) if !answered.held.is_empty() => Some(answered),
                _ => None,
            }
        }
        _ => None,
    });
    claim.expect("some claim is refused").held[0].by = Some("somebody else".to_owned());
    assert_eq!(found(changed), ["holders"]);
    // An entry is lost whose answer a client has.
    let lost = records.iter().find_map(|record| match record {
        Record::Operation(operation) if matches!(operation.outcome, OperationOutcome::Ok(_)) => {
            operation.identity.clone()
        }
        _ => None,
    });
    assert!(lost.is_some(), "some request with a key is carried out");
    let is_lost = |record: &Record| matches!(record, Record::Entry(entry) if entry.identity == lost);
    assert_eq!(found(records.iter().filter(|record| !is_lost(record)).cloned().collect()), ["order"]);
    // One node lacks an event from the middle of its feed.
    let first = records.iter().find_map(node_of).expect("some node has a feed");
    let events: Vec<usize> = (0..records.len()).filter(|at| node_of(&records[*at]) == Some(first)).collect();
    let mut without = records;
    without.remove(events[events.len() / 2]);
    assert_eq!(found(without), ["streams"]);
}
