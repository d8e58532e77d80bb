//! The model and the domain agree on random histories, and the model notices when an answer is wrong.
#![allow(clippy::unwrap_used)]

mod random;

use super::{ExpectedClaim, ExpectedLease, Model};
use nexus_domain::{
    Answer, Fence, Proposal, Refusal, Reply, Revision, Row, State, apply, entity::LeaseState,
    reply_cache::Request,
};
use random::History;

/// Applies an entry to the domain and to the model, and panics where they differ.
fn both(
    state: &mut State,
    model: &mut Model,
    history: &History,
    revision: u64,
    proposal: &Proposal,
) -> Answer {
    let answer = apply(state, Revision(revision), proposal).answer;
    let verdict = model.step(Revision(revision), proposal, Some(&answer));
    let seed = history.seed;
    assert!(verdict.violations.is_empty(), "seed {seed}: {}", verdict.violations[0]);
    assert_eq!(model.leases(), leases(state), "seed {seed}, entry {revision}: {proposal:?}");
    // Comparing many claims takes long.
    if state.claim_count() < 100 || revision.is_multiple_of(20) {
        assert_eq!(model.claims(), claims(state), "seed {seed}, entry {revision}: {proposal:?}");
    }
    answer
}

fn leases(state: &State) -> Vec<ExpectedLease> {
    let lease = |session: &std::sync::Arc<nexus_domain::entity::Session>| ExpectedLease {
        session: session.id,
        is_active: matches!(session.lease, LeaseState::Active { .. }),
        until: session.lease.until(),
    };
    state.sessions().map(lease).collect()
}

fn claims(state: &State) -> Vec<ExpectedClaim> {
    let claim = |row| match row {
        Row::Claim(key, claim) => Some(ExpectedClaim {
            project: key.project,
            session: key.session,
            feature: key.feature,
            path: key.path,
            mode: claim.mode,
            fence: claim.fence,
        }),
        _ => None,
    };
    let mut claims: Vec<ExpectedClaim> = state.rows().filter_map(claim).collect();
    claims.sort();
    claims
}

/// Runs a random history through both, and returns how often each kind of answer was given.
fn run(seed: u64, entries: u64) -> std::collections::BTreeMap<String, u64> {
    let mut history = History::new(seed);
    let (mut state, mut model) = (State::default(), Model::new());
    let mut kinds = std::collections::BTreeMap::new();
    for revision in 1..=entries {
        let proposal = history.next(&state);
        let answer = both(&mut state, &mut model, &history, revision, &proposal);
        let kind = super::Outcome::of(&answer.outcome).kind;
        *kinds.entry(format!("{} {kind}", proposal.command.name())).or_default() += 1;
        if answer.revision.0 < revision {
            *kinds.entry("replayed".to_owned()).or_default() += 1;
        }
    }
    assert_eq!(model.is_lost(), None);
    assert_eq!(model.checked() + model.uncovered_commands().values().sum::<u64>(), entries);
    kinds
}

#[test]
fn the_model_and_the_domain_agree_on_every_entry() {
    let mut kinds = std::collections::BTreeMap::<String, u64>::new();
    for seed in 0..100 {
        for (kind, count) in run(seed, 400) {
            *kinds.entry(kind).or_default() += count;
        }
    }
    // The histories reach what matters.
    for kind in [
        "replayed",
        "pick_feature picked",
        "pick_feature refused: files claimed",
        "pick_feature refused: feature claimed",
        "pick_feature refused: dependencies open",
        "pick_next picked",
        "pick_next refused: nothing available",
        "claim_paths claimed",
        "claim_paths refused: files claimed",
        "claim_paths refused: not the holder",
        "release_paths released",
        "release_feature feature",
        "release_feature refused: not the holder",
        "complete_feature feature",
        "update_feature refused: files claimed",
        "tick refused: idempotency key reused",
        "tick refused: superseded",
        "pick_feature refused: key readonly",
        "pick_feature refused: role too low",
        "pick_feature refused: key out of scope",
        "pick_feature refused: key revoked",
        "pick_feature refused: not a member",
    ] {
        let (_, what) = kind.split_once(' ').unwrap_or(("", kind));
        // Retries may be of any command.
        let is_reached = match kind.strip_prefix("tick ") {
            Some(refusal) => kinds.keys().any(|kind| kind.ends_with(refusal)),
            None => kinds.contains_key(kind),
        };
        assert!(is_reached, "no {kind} ({what}) in {kinds:#?}");
    }
}

#[test]
fn quotas_are_counted_alike() {
    let mut history = History::new(3);
    let (mut state, mut model) = (State::default(), Model::new());
    let (mut revision, mut refused) = (0, 0);
    for round in 0..300 {
        revision += 1;
        let proposal = if revision <= history.set_up() { history.next(&state) } else { history.large(round) };
        let answer = both(&mut state, &mut model, &history, revision, &proposal);
        refused += u32::from(matches!(answer.outcome, Err(Refusal::QuotaExceeded { .. })));
    }
    assert!(refused > 10, "only {refused} were refused");
}

/// A history of which one answer is wrong: the model must notice it at that entry.
fn is_noticed(seed: u64, falsify: impl Fn(&Proposal, &mut Answer) -> bool) -> bool {
    let mut history = History::new(seed);
    let (mut state, mut model) = (State::default(), Model::new());
    for revision in 1..=2_000 {
        let proposal = history.next(&state);
        let mut answer = apply(&mut state, Revision(revision), &proposal).answer;
        let is_false = answer.revision.0 == revision && falsify(&proposal, &mut answer);
        let verdict = model.step(Revision(revision), &proposal, Some(&answer));
        if is_false {
            return !verdict.violations.is_empty();
        }
        assert!(verdict.violations.is_empty(), "{}", verdict.violations[0]);
    }
    panic!("nothing was falsified");
}

#[test]
fn a_wrong_fence_a_lost_conflict_and_a_wrong_holder_are_noticed() {
    assert!(is_noticed(1, |_, answer| match &mut answer.outcome {
        Ok(Reply::Picked { feature, .. }) => {
            let feature = std::sync::Arc::make_mut(feature);
            if let nexus_domain::entity::Status::Active { fence, .. } = &mut feature.status {
                *fence = Fence(fence.0 - 1);
            }
            true
        }
        _ => false,
    }));
    assert!(is_noticed(2, |_, answer| match &mut answer.outcome {
        Err(Refusal::FilesClaimed { conflicts }) if conflicts.len() > 1 => conflicts.pop().is_some(),
        _ => false,
    }));
    assert!(is_noticed(3, |_, answer| match &answer.outcome {
        Err(Refusal::FeatureClaimed { .. }) => {
            answer.outcome = Ok(Reply::Done);
            true
        }
        _ => false,
    }));
}

#[test]
fn a_retry_that_is_carried_out_a_second_time_is_noticed() {
    let mut history = History::new(5);
    let (mut state, mut model) = (State::default(), Model::new());
    for revision in 1..=2_000 {
        let proposal = history.next(&state);
        let forgetful = Proposal { request: None, ..proposal.clone() };
        let mut twice = state.clone();
        let answer = apply(&mut state, Revision(revision), &proposal).answer;
        if answer.revision.0 < revision && matches!(proposal.request, Some(Request::Keyed(_))) {
            // A node that has forgotten its answers.
            let answer = apply(&mut twice, Revision(revision), &forgetful).answer;
            assert!(!model.step(Revision(revision), &proposal, Some(&answer)).violations.is_empty());
            return;
        }
        assert!(model.step(Revision(revision), &proposal, Some(&answer)).violations.is_empty());
    }
    panic!("nothing was sent again");
}

#[test]
fn what_the_model_does_not_know_is_counted() {
    let mut history = History::new(1);
    let (mut state, mut model) = (State::default(), Model::new());
    let mut revision = 0;
    while revision < history.set_up() {
        revision += 1;
        let proposal = history.next(&state);
        both(&mut state, &mut model, &history, revision, &proposal);
    }
    let deletion = history.deletion_of_project();
    let verdict = model.step(Revision(revision + 1), &deletion, None);
    assert_eq!(verdict.expected, None);
    assert_eq!(model.uncovered_commands()["delete_project"], 1);
    assert!(model.is_lost().unwrap().contains("delete_project"));
}
