//! Stories of nexus-check: it accepts a good history, and names what is wrong with one that was tampered with.

use nexus_oracles::history::{
    Answered, Ask, Beat, Consistency, Held, LoggedEntry, Operation, OperationOutcome, Record, SeenEvent,
    SessionEnd, SessionEndKind, write_line,
};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const ANA: &str = "session-of-ana";
const BEN: &str = "session-of-ben";
const PATH: &str = "src/db.rs";

fn held(by: Option<&str>, fence: Option<u64>) -> Held {
    Held { name: PATH.to_owned(), by: by.map(str::to_owned), exclusive: true, fence }
}

fn operation(session: &str, at: u64, ask: Ask, outcome: OperationOutcome) -> Operation {
    let index = match &outcome {
        OperationOutcome::Ok(answered) | OperationOutcome::Refused(answered) => answered.revision,
        OperationOutcome::NotApplied | OperationOutcome::Unknown => None,
    };
    Operation {
        client: u64::from(session == BEN),
        node: 1,
        node_start: None,
        called_us: at,
        returned_us: index.map(|_| at + 500),
        project: None,
        session: Some(session.to_owned()),
        identity: index.filter(|_| ask.is_write()).map(|index| format!("request {index}")),
        ask,
        outcome,
    }
}

fn answered(revision: u64, held: Vec<Held>) -> Answered {
    Answered {
        revision: Some(revision),
        held,
        text: Some(format!("answer {revision}")),
        ..Answered::default()
    }
}

fn claim(session: &str, at: u64, index: u64) -> Operation {
    let ask = Ask::Claim { paths: vec![PATH.to_owned()], exclusive: true, feature: None };
    let held = vec![held(Some(session), Some(index))];
    operation(session, at, ask, OperationOutcome::Ok(answered(index, held)))
}

/// Ana starts, claims a file and is never heard of again; Ben is refused, and gets the file when her lease is over.
fn good() -> Vec<Record> {
    let start = |session, at, index| {
        operation(session, at, Ask::StartSession, OperationOutcome::Ok(answered(index, Vec::new())))
    };
    let wants = Ask::Claim { paths: vec![PATH.to_owned()], exclusive: true, feature: None };
    let reads = Ask::ReadHolders { of: vec![PATH.to_owned()], consistency: Consistency::Linearizable };
    let in_the_way = vec![held(Some(ANA), None)];
    let operations = [
        start(ANA, 1_000, 1),
        start(BEN, 2_000, 2),
        claim(ANA, 3_000, 3),
        operation(BEN, 4_000, wants, OperationOutcome::Refused(answered(4, in_the_way.clone()))),
        operation(BEN, 5_000, reads, OperationOutcome::Ok(answered(4, in_the_way))),
        operation(ANA, 10_003_000, Ask::EndSession, OperationOutcome::Unknown),
        claim(BEN, 10_100_000, 6),
    ];
    let logged = operations.iter().filter_map(|operation| {
        let index = operation.revision().filter(|_| operation.ask.is_write())?;
        Some(LoggedEntry {
            index,
            identity: operation.identity.clone(),
            answered: index,
            is_ok: matches!(operation.outcome, OperationOutcome::Ok(_)),
            text: format!("answer {index}"),
        })
    });
    let event = |node, revision, acquired: &[(String, u64)]| Record::Event {
        node,
        event: SeenEvent { revision, seq: 0, acquired: acquired.to_vec(), text: format!("event {revision}") },
    };
    let granted = |fence| [(PATH.to_owned(), fence)];
    let feed = |node| {
        [event(node, 1, &[]), event(node, 3, &granted(3)), event(node, 5, &[]), event(node, 6, &granted(6))]
    };
    let mut records: Vec<Record> = logged.map(Record::Entry).collect();
    records.extend(operations.map(Record::Operation));
    records.extend([1, 2].into_iter().flat_map(feed));
    records.push(Record::Beat(Beat {
        session: ANA.to_owned(),
        sent_us: 3_000,
        acknowledged_us: 3_500,
        revision: Some(3),
        cluster_ms: Some(3),
        lease_ms: 10_000,
        grace_ms: 0,
    }));
    records.push(Record::SessionEnd(SessionEnd {
        session: ANA.to_owned(),
        kind: SessionEndKind::Lease,
        at_us: Some(10_050_000),
        revision: Some(5),
        cluster_ms: Some(10_050),
    }));
    records
}

fn write(file: &Path, records: &[Record]) {
    let mut lines = Vec::new();
    records.iter().for_each(|record| write_line(&mut lines, record).expect("memory takes everything"));
    fs::write(file, lines).expect("the folder is writable");
}

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_nexus-check")).args(arguments).output();
    let Output { status, stdout, stderr } = ended.expect("the program starts");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Checks a history that was changed like this.
fn changed(change: impl FnOnce(&mut Vec<Record>)) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("run.jsonl");
    let mut records = good();
    change(&mut records);
    write(&file, &records);
    check(&[&file.display().to_string()])
}

fn operations(records: &mut [Record]) -> impl Iterator<Item = &mut Operation> {
    records.iter_mut().filter_map(|record| match record {
        Record::Operation(operation) => Some(operation),
        _ => None,
    })
}

#[test]
fn a_good_history_is_judged_by_every_oracle() {
    let (code, output) = changed(|_| {});
    assert_eq!(code, Some(0), "{output}");
    for judged in [
        "holders  7 operations on 3 objects, 0 undecided: good",
        "order    7 operations, 5 entries of the log: good",
        "streams  8 events from 2 nodes: good",
        "leases   1 ends, 1 beats: good",
    ] {
        assert!(output.contains(judged), "{judged} is not in:\n{output}");
    }
}

#[test]
fn another_holder_is_found() {
    let (code, output) = changed(|records| {
        let refused = operations(records).find(|it| matches!(it.outcome, OperationOutcome::Refused(_)));
        let Some(OperationOutcome::Refused(answered)) = refused.map(|it| &mut it.outcome) else {
            panic!("one claim is refused");
        };
        answered.held[0].by = Some("somebody-else".to_owned());
    });
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("VIOLATION  holders: some order explains all answers: src/db.rs"), "{output}");
}

#[test]
fn a_lost_write_is_found() {
    let (code, output) = changed(|records| {
        records.retain(|record| !matches!(record, Record::Entry(entry) if entry.index == 3));
    });
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("VIOLATION  order: an acknowledged write is in the log"), "{output}");
}

#[test]
fn a_shortened_lease_is_found_twice() {
    let (code, output) = changed(|records| {
        for record in records.iter_mut() {
            if let Record::SessionEnd(end) = record {
                (end.at_us, end.cluster_ms) = (Some(9_000_000), Some(9_000));
            }
        }
        // Ben gets the file before the lease can have run out.
        let last = operations(records).last().expect("there are some");
        (last.called_us, last.returned_us) = (9_100_000, Some(9_100_500));
    });
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("VIOLATION  leases: a lease is not shortened in cluster time"), "{output}");
    assert!(output.contains("VIOLATION  holders: "), "{output}");
}

#[test]
fn a_dropped_event_is_found() {
    let is_it = |record: &Record| matches!(record, Record::Event { node: 2, event } if event.revision == 3);
    let (code, output) = changed(|records| records.retain(|record| !is_it(record)));
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("VIOLATION  streams: no event is missing: node 2 has no event 3.0"), "{output}");
}

#[test]
fn a_history_without_the_ends_of_leases_is_given_their_length() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("run.jsonl");
    let mut records = good();
    records.retain(|record| !matches!(record, Record::Operation(it) if it.ask == Ask::EndSession));
    write(&file, &records);
    let file = file.display().to_string();
    assert_eq!(check(&[&file]).0, Some(1), "nothing says that the lease may be over");
    assert_eq!(check(&[&file, "--lease-ms", "10000"]).0, Some(0));
    assert_eq!(check(&[&file, "--lease-ms", "20000"]).0, Some(1), "this lease lasts longer");
}

#[test]
fn a_broken_line_is_named() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("run.jsonl");
    write(&file, &good());
    let text = fs::read_to_string(&file).expect("it was written");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "{\"operation\":{\"client\":1";
    fs::write(&file, lines.join("\n")).expect("the folder is writable");
    let (code, output) = check(&[&file.display().to_string()]);
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("line 3 of the history is no record"), "{output}");
    fs::write(&file, "").expect("the folder is writable");
    assert_eq!(check(&[&file.display().to_string()]).0, Some(2), "an empty history proves nothing");
    assert_eq!(check(&[&folder.path().join("none").display().to_string()]).0, Some(2));
}

#[test]
fn histories_are_exported_for_other_checkers() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let (file, out) = (folder.path().join("run.jsonl"), folder.path().join("run.edn"));
    write(&file, &good());
    let (file, edn) = (file.display().to_string(), out.display().to_string());
    assert_eq!(check(&["--edn", &edn, &file]).0, Some(0));
    let text = fs::read_to_string(&out).expect("it was written");
    assert_eq!(text.lines().count(), 14, "{text}");
    assert_eq!(check(&["--edn", &edn, "--model", "locks", &file]).0, Some(0));
    let text = fs::read_to_string(&out).expect("it was written");
    let first = r#"{:process 0, :type :invoke, :f :acquire, :object "src/db.rs", :value {:owner "session-of-ana", :cause :claim, :feature nil, :exclusive true, :fence 3}, :time 3000000}"#;
    assert_eq!(text.lines().next(), Some(first));
    assert!(text.contains(r#":type :info, :f :end, :object "src/db.rs", :value "session-of-ana""#), "{text}");
}
