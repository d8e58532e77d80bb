//! A short soak: agents work while leaders are killed and while everything fails at once, and the oracles that judge
//! simulations find no broken promise. `tests/soak --processes` goes on for as long as one likes.

use nexus_oracles::{
    check::{Circumstances, Records},
    history::{
        Answered, Ask, Beat, Consistency, Operation, OperationOutcome, Record, SessionEnd, SessionEndKind,
        read_lines,
    },
};
use nexus_tests::soak::{
    episode::{Plan, run},
    report::Report,
    verdict::{Evidence, TOLERANCE, contradictions},
};
use std::{fs::File, io::BufReader, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_under_all_faults_at_once_are_promised_nothing_that_is_not_kept() {
    let folder = tempfile::tempdir().expect("a folder for the history");
    let seed = rand::random();
    let plan = Plan {
        seed,
        kills: Duration::from_secs(5),
        faults: Duration::from_secs(20),
        history: folder.path().join("history.jsonl"),
    };
    let (episode, evidence) = run(&plan).await.expect("an episode can be carried out");
    let (judgement, faults) = (episode.judgement.clone(), episode.faults.values().sum::<u64>());
    let report = Report { episodes: vec![episode] };
    println!("{report}");
    assert!(report.is_good(), "seed {seed}: {report}");
    let ((compared, unknown), (judged, undecided)) = (judgement.modelled, judgement.opinions);
    let did_enough = judgement.entries.is_some_and(|entries| entries > 200)
        && (compared > 200 && unknown * 20 < compared)
        && (judged > 0 && undecided * 100 < judged)
        && judgement.leases.0 > 10
        && judgement.events.1 > 0
        && faults > 2;
    assert!(did_enough, "an episode that did so little proves nothing: {judgement:?}");
    // Its file is enough to judge it again.
    let file = BufReader::new(File::open(&plan.history).expect("the history was written"));
    let records = Records::of(read_lines(file).expect("each line is a record"));
    let circumstances = Circumstances { tolerance: TOLERANCE, ..Circumstances::default() };
    for finding in records.check(&circumstances) {
        assert_eq!(finding.violations, [], "{}", finding.oracle);
    }
    every_oracle_finds_what_it_is_for(&evidence);
}

/// Makes the history wrong in one way after another. Each has to be found by the oracle that looks for it.
fn every_oracle_finds_what_it_is_for(evidence: &Evidence) {
    finds(evidence, "an acknowledged write is in the log", |evidence| {
        let claim = operations(evidence).find(|operation| is_granted_claim(operation));
        claim.expect("somebody has claimed").identity = Some("nobody/no-such-request".to_owned());
    });
    finds(evidence, "an answer grants what the log grants", |evidence| {
        let claim = operations(evidence).find(|operation| is_granted_claim(operation));
        granted(claim.expect("somebody has claimed")).held[0].by = Some("somebody else".to_owned());
    });
    finds(evidence, "a linearizable read shows every acknowledged write", |evidence| {
        let is_read = |operation: &Operation| operation.ask.consistency() == Some(Consistency::Linearizable);
        let read = operations(evidence)
            .filter(|operation| is_read(operation) && matches!(operation.outcome, OperationOutcome::Ok(_)))
            .last();
        granted(read.expect("somebody has read")).revision = Some(1);
    });
    finds(evidence, "a later write has a higher index", |evidence| {
        // The last write seems to have been sent long before, and acknowledged then.
        let last = operations(evidence).filter(|operation| is_granted_claim(operation)).last();
        let last = last.expect("somebody has claimed");
        (last.called_us, last.returned_us) = (1, Some(2));
    });
    finds(evidence, "no event is missing", |evidence| {
        let is_followed = |record: &Record| matches!(record, Record::Followed(_));
        let count = evidence.records.iter().filter(|record| is_followed(record)).count();
        let mut at = 0;
        evidence.records.retain(|record| {
            at += usize::from(is_followed(record));
            !is_followed(record) || at != count / 2
        });
    });
    finds(evidence, "a lease is not shortened in its holder's time", |evidence| {
        let beat = evidence.records.iter().find_map(|record| match record {
            Record::Beat(beat) => Some(beat.clone()),
            _ => None,
        });
        let beat = beat.expect("somebody has beaten");
        evidence.records.push(Record::SessionEnd(SessionEnd {
            session: "s".to_owned(),
            kind: SessionEndKind::Lease,
            at_us: Some(beat.acknowledged_us + 1),
            revision: beat.revision.map(|revision| revision + 1),
            cluster_ms: None,
        }));
        evidence.records.push(Record::Beat(Beat { session: "s".to_owned(), ..beat }));
    });
    finds(evidence, "all nodes have the same state", |evidence| {
        evidence.folders[0] = evidence.folders[1].clone();
        evidence.folders[0].hash ^= 1;
    });
    finds(evidence, "no event is missing", |evidence| {
        let middle = evidence.folders[0].events.len() / 2;
        evidence.folders[0].events.remove(middle);
    });
}

fn finds(evidence: &Evidence, promise: &str, break_it: impl FnOnce(&mut Evidence)) {
    let mut evidence = evidence.clone();
    break_it(&mut evidence);
    let found = contradictions(&evidence);
    assert!(found.iter().any(|violation| violation.promise == promise), "{promise}: {found:?}");
}

fn operations(evidence: &mut Evidence) -> impl Iterator<Item = &mut Operation> {
    evidence.records.iter_mut().filter_map(|record| match record {
        Record::Operation(operation) => Some(operation),
        _ => None,
    })
}

fn is_granted_claim(operation: &Operation) -> bool {
    matches!((&operation.ask, &operation.outcome), (Ask::Claim { .. }, OperationOutcome::Ok(_)))
}

fn granted(operation: &mut Operation) -> &mut Answered {
    match &mut operation.outcome {
        OperationOutcome::Ok(answered) => answered,
        other => panic!("it is {other:?}"),
    }
}
