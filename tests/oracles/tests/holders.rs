//! Stories of who holds one path, and whether an order explains them.

use nexus_oracles::{
    history::{
        Answered, Ask, Consistency, Held, Operation, OperationOutcome, SESSION_NOT_FOUND, feature_name,
    },
    order::{LeaseTolerance, check_holders, possible_ends},
};

fn held(by: Option<&str>, fence: Option<u64>) -> Held {
    Held { name: "db.rs".to_owned(), by: by.map(str::to_owned), exclusive: true, fence }
}

fn operation(session: &str, ask: Ask, times: (u64, u64), outcome: OperationOutcome) -> Operation {
    Operation {
        client: 0,
        node: 1,
        node_start: None,
        called_us: times.0,
        returned_us: (outcome != OperationOutcome::Unknown).then_some(times.1),
        project: None,
        session: Some(session.to_owned()),
        identity: None,
        ask,
        outcome,
    }
}

fn answered(held: Held) -> Answered {
    Answered { held: vec![held], ..Answered::default() }
}

fn paths() -> Vec<String> {
    vec!["db.rs".to_owned()]
}

fn claims(by: &str, times: (u64, u64), fence: u64) -> Operation {
    let outcome = OperationOutcome::Ok(answered(held(Some(by), Some(fence))));
    operation(by, Ask::Claim { paths: paths(), exclusive: true, feature: None }, times, outcome)
}

fn maybe_claims(by: &str, called: u64) -> Operation {
    operation(
        by,
        Ask::Claim { paths: paths(), exclusive: true, feature: None },
        (called, 0),
        OperationOutcome::Unknown,
    )
}

fn is_refused(by: &str, times: (u64, u64), holder: &str) -> Operation {
    let outcome = OperationOutcome::Refused(answered(held(Some(holder), None)));
    operation(by, Ask::Claim { paths: paths(), exclusive: true, feature: None }, times, outcome)
}

fn releases(by: &str, times: (u64, u64)) -> Operation {
    let outcome = OperationOutcome::Ok(Answered::default());
    operation(by, Ask::Unclaim { paths: Some(paths()) }, times, outcome)
}

fn shows(holder: Option<&str>, times: (u64, u64)) -> Operation {
    let ask = Ask::ReadHolders { of: paths(), consistency: Consistency::Linearizable };
    operation("reader", ask, times, OperationOutcome::Ok(answered(held(holder, None))))
}

fn is_good(history: &[Operation]) -> bool {
    let report = check_holders(history);
    assert!(report.undecided.is_empty());
    report.violations.is_empty()
}

#[test]
fn a_good_history_passes() {
    assert!(is_good(&[
        claims("ana", (0, 10), 3),
        is_refused("ben", (1, 20), "ana"),
        shows(Some("ana"), (11, 12)),
        releases("ana", (21, 30)),
        // It returns late, and took effect while the release was under way.
        claims("ben", (22, 40), 5),
        shows(Some("ben"), (41, 42)),
    ]));
}

#[test]
fn two_holders_are_found() {
    let two = [claims("ana", (0, 10), 3), claims("ben", (11, 20), 5)];
    let report = check_holders(&two);
    assert_eq!((report.violations.len(), report.judged), (1, 1));
    assert!(report.violations[0].message.contains("db.rs by ben with fence 5"), "{}", report.violations[0]);
}

#[test]
fn a_stale_read_a_wrong_refusal_and_a_lost_claim_are_found() {
    assert!(!is_good(&[claims("ana", (0, 10), 3), shows(None, (11, 12))]));
    assert!(!is_good(&[
        claims("ana", (0, 10), 3),
        releases("ana", (11, 12)),
        is_refused("ben", (13, 14), "ana")
    ]));
    assert!(!is_good(&[is_refused("ben", (1, 2), "ana"), claims("ana", (3, 10), 3)]));
}

#[test]
fn a_fence_that_does_not_grow_is_found() {
    let history =
        |fence| [claims("ana", (0, 10), 3), releases("ana", (11, 12)), claims("ben", (13, 14), fence)];
    assert!(is_good(&history(4)));
    assert!(!is_good(&history(3)));
}

#[test]
fn an_unknown_claim_may_have_happened_late_or_never() {
    assert!(is_good(&[maybe_claims("ana", 0), shows(None, (5, 6)), shows(Some("ana"), (7, 8))]));
    assert!(is_good(&[maybe_claims("ana", 0), claims("ben", (5, 6), 3)]));
    assert!(!is_good(&[maybe_claims("ana", 0), shows(Some("ana"), (5, 6)), claims("ben", (7, 8), 3)]));
    // Unless the lease of its session may have run out.
    let end = operation("ana", Ask::EndSession, (6, 0), OperationOutcome::Unknown);
    assert!(is_good(&[maybe_claims("ana", 0), shows(Some("ana"), (5, 6)), end, claims("ben", (7, 8), 3)]));
}

#[test]
fn shared_claims_tolerate_each_other() {
    let shares = |by: &str, times| {
        let held = Held { exclusive: false, ..held(Some(by), None) };
        let ask = Ask::Claim { paths: paths(), exclusive: false, feature: None };
        operation(by, ask, times, OperationOutcome::Ok(answered(held)))
    };
    assert!(is_good(&[shares("ana", (0, 1)), shares("ben", (2, 3))]));
    assert!(!is_good(&[shares("ana", (0, 1)), claims("ben", (2, 3), 3)]));
}

#[test]
fn a_feature_gives_its_paths_back() {
    let pick = |by: &str, times, fence| {
        let feature = Held { name: feature_name("a"), ..held(Some(by), Some(fence)) };
        let answered = Answered { held: vec![feature, held(Some(by), Some(fence))], ..Answered::default() };
        operation(by, Ask::PickNext, times, OperationOutcome::Ok(answered))
    };
    let done = |by: &str, times| {
        let ask = Ask::Done { feature: "a".to_owned() };
        operation(by, ask, times, OperationOutcome::Ok(Answered::default()))
    };
    assert!(is_good(&[pick("ana", (0, 1), 3), done("ana", (2, 3)), claims("ben", (4, 5), 6)]));
    assert!(!is_good(&[pick("ana", (0, 1), 3), claims("ben", (4, 5), 6)]));
    // Its session has claimed the path beside the feature, too.
    let both = [pick("ana", (0, 1), 3), claims("ana", (2, 3), 4), done("ana", (4, 5)), shows(None, (6, 7))];
    assert!(!is_good(&both));
    let unknown = operation("ana", Ask::PickNext, (0, 0), OperationOutcome::Unknown);
    let refused = is_refused("ben", (2, 3), "ana");
    assert!(is_good(&[unknown, refused, done("ana", (4, 5)), claims("ben", (6, 7), 8)]));
}

#[test]
fn a_retry_is_the_request_that_was_sent_first() {
    let identified = |operation: Operation| Operation { identity: Some("ana/1".to_owned()), ..operation };
    // Ana's lease is over when the retry brings her the answer, and the file is Ben's.
    let end = operation("ana", Ask::EndSession, (6, 0), OperationOutcome::Unknown);
    let retried = [
        identified(maybe_claims("ana", 0)),
        end,
        claims("ben", (7, 8), 5),
        identified(claims("ana", (9, 10), 3)),
        shows(Some("ben"), (11, 12)),
    ];
    assert!(is_good(&retried));
    // Without the first one, it would have taken effect when Ben held it.
    assert!(!is_good(&retried[1..]));
}

#[test]
fn a_forced_release_takes_a_path_from_everybody() {
    let forced = |times, outcome| operation("lead", Ask::ForceRelease { paths: paths() }, times, outcome);
    let taken = |outcome| [claims("ana", (0, 1), 3), forced((2, 3), outcome), claims("ben", (4, 5), 6)];
    assert!(is_good(&taken(OperationOutcome::Ok(Answered::default()))));
    assert!(is_good(&taken(OperationOutcome::Unknown)));
    assert!(!is_good(&taken(OperationOutcome::Refused(Answered::default()))));
}

#[test]
fn what_takes_nothing_away_before_a_claim_may_do_so_after_it() {
    let forced = |times, outcome| operation("lead", Ask::ForceRelease { paths: paths() }, times, outcome);
    // The release returns first, and takes effect last.
    let history = [
        claims("ana", (0, 10), 3),
        forced((1, 5), OperationOutcome::Ok(Answered::default())),
        shows(None, (11, 12)),
    ];
    assert!(is_good(&history));
    assert!(!is_good(&[claims("ana", (6, 10), 3), history[1].clone(), history[2].clone()]));
}

#[test]
fn a_session_acts_from_its_start_to_its_end() {
    let ok = || OperationOutcome::Ok(Answered::default());
    let missing = || {
        let code = Some(SESSION_NOT_FOUND.to_owned());
        OperationOutcome::Refused(Answered { code, ..Answered::default() })
    };
    let starts = operation("ana", Ask::StartSession, (0, 1), ok());
    let beats = |times, outcome| operation("ana", Ask::Beat, times, outcome);
    let may_end = |at| operation("ana", Ask::EndSession, (at, 0), OperationOutcome::Unknown);
    assert!(is_good(&[starts.clone(), beats((2, 3), ok()), may_end(4), beats((5, 6), missing())]));
    assert!(!is_good(&[starts.clone(), beats((2, 3), ok()), may_end(7), beats((5, 6), missing())]));
    assert!(!is_good(&[starts.clone(), may_end(2), beats((3, 4), missing()), beats((5, 6), ok())]));
}

#[test]
fn a_session_may_end_a_lease_after_its_last_answered_request() {
    let tolerance = LeaseTolerance { drift_ppm: 100_000, error_us: 1 };
    let history = [claims("ana", (50, 60), 3), is_refused("ben", (70, 80), "ana"), maybe_claims("ana", 90)];
    let ends = possible_ends(&history, 1_000, tolerance);
    let found: Vec<(Option<&str>, u64)> =
        ends.iter().map(|end| (end.session.as_deref(), end.called_us)).collect();
    // Ben's only request was refused: nobody knows for how long his session lives.
    assert_eq!(found, [(Some("ana"), 50 + 900 - 1), (Some("ben"), 0)]);
}
