//! The operations of a run as its clients saw them, in the form of histories. Nothing here has read the log, nor what
//! the nodes have applied.

use crate::{
    faults::MAX_PPM,
    team::{
        agent::session_of,
        ask::{self, Outcome, What},
        people::LEASE,
    },
    world::STEP,
};
use nexus_api::cluster::{self, WriteRequest};
use nexus_domain::{
    Answer, Command, Refusal, Reply, Revision, SessionId,
    entity::ClaimMode,
    pattern::Pattern,
    refusal::{Blocker, Conflict, EntityKind},
    reply_cache::Request,
};
use nexus_oracles::{
    history::{
        Answered, Ask, Beat, Consistency, Held, Operation, OperationOutcome, SESSION_NOT_FOUND, feature_name,
        identity_of,
    },
    order::LeaseTolerance,
};

/// The clocks of the nodes are this much wrong at most, in parts of a million, and two of them twice as much.
const DRIFT_PPM: u64 = 2 * MAX_PPM.unsigned_abs();
/// How much shorter a lease may look to its holder.
pub const LEASE_TOLERANCE: LeaseTolerance =
    LeaseTolerance { drift_ppm: DRIFT_PPM, error_us: 2 * STEP * 1_000 };

/// Microseconds of the world.
pub fn micros(millis: u64) -> u64 {
    millis * 1_000
}

/// An operation as histories have it.
pub fn operation(from: &ask::Operation) -> Operation {
    let (ask, session, identity) = match &from.what {
        What::Write(write) => {
            let keyed = write.request.clone().map(|keyed| identity_of(&Request::Keyed(keyed)));
            (asked(write), session_of(write).or_else(|| started(from)), keyed)
        }
        What::Read(consistency) => {
            let consistency = match consistency {
                cluster::Consistency::Linearizable => Consistency::Linearizable,
                cluster::Consistency::Stale => Consistency::Stale,
            };
            let of = match &from.outcome {
                Some(Outcome::Read(_, holdings)) => holdings.of.clone(),
                _ => Vec::new(),
            };
            (Ask::ReadHolders { of, consistency }, None, None)
        }
        What::Beat(session) => (Ask::Beat, Some(*session), None),
        What::Events(_) => {
            (Ask::Read { name: "events".to_owned(), consistency: Consistency::Stale }, None, None)
        }
    };
    let outcome = match &from.outcome {
        Some(Outcome::Answered(answer, _)) => answered(answer, &from.what),
        Some(Outcome::Read(revision, holdings)) => OperationOutcome::Ok(Answered {
            revision: Some(revision.0),
            held: holdings.held.clone(),
            ..Answered::default()
        }),
        Some(Outcome::Beat(false)) => OperationOutcome::Refused(Answered {
            code: Some(SESSION_NOT_FOUND.to_owned()),
            ..Answered::default()
        }),
        Some(Outcome::Beat(true) | Outcome::Events(_)) => OperationOutcome::Ok(Answered::default()),
        Some(Outcome::NotApplied) => OperationOutcome::NotApplied,
        Some(Outcome::Unknown | Outcome::Silence | Outcome::Doubted) | None => OperationOutcome::Unknown,
    };
    Operation {
        client: from.agent as u64,
        node: from.node as u64,
        node_start: Some(from.node_start),
        called_us: micros(from.called),
        returned_us: from.returned.map(micros),
        project: None,
        session: session.map(|session| session.to_string()),
        identity,
        ask,
        outcome,
    }
}

/// The session that a request has started, or found.
fn started(operation: &ask::Operation) -> Option<SessionId> {
    match &operation.outcome {
        Some(Outcome::Answered(answer, _)) => match &answer.outcome {
            Ok(Reply::Session(session)) => Some(session.id),
            _ => None,
        },
        _ => None,
    }
}

fn asked(write: &WriteRequest) -> Ask {
    let text = |paths: &[Pattern]| paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
    match &write.command {
        Command::PickFeature(pick) => Ask::Pick { feature: pick.slug.to_string() },
        Command::PickNext(_) => Ask::PickNext,
        Command::ReleaseFeature(release) => Ask::Release { feature: release.slug.to_string() },
        Command::CompleteFeature(complete) => Ask::Done { feature: complete.slug.to_string() },
        Command::ClaimPaths(claim) => Ask::Claim {
            paths: text(&claim.paths),
            exclusive: claim.mode == ClaimMode::Exclusive,
            feature: None,
        },
        Command::ReleasePaths(release) => Ask::Unclaim { paths: release.paths.as_deref().map(text) },
        Command::ForceRelease(release) => Ask::ForceRelease { paths: text(&release.paths) },
        Command::StartSession(_) => Ask::StartSession,
        Command::EndSession(_) => Ask::EndSession,
        other => Ask::Write { name: other.name().to_owned() },
    }
}

fn answered(answer: &Answer, what: &What) -> OperationOutcome {
    let held = match (&answer.outcome, what) {
        (Ok(reply), What::Write(write)) => held(reply, write, answer.revision),
        (Err(refusal), _) => in_the_way(refusal),
        _ => Vec::new(),
    };
    let found = Answered {
        revision: Some(answer.revision.0),
        code: answer.outcome.as_ref().err().map(code),
        held,
        text: (!answer.is_cut).then(|| format!("{:?}", answer.outcome)),
    };
    if answer.outcome.is_ok() { OperationOutcome::Ok(found) } else { OperationOutcome::Refused(found) }
}

fn held(reply: &Reply, write: &WriteRequest, revision: Revision) -> Vec<Held> {
    let of =
        |name: String, by: String, exclusive| Held { name, by: Some(by), exclusive, fence: Some(revision.0) };
    match (reply, &write.command) {
        (Reply::Picked { feature, session }, _) => {
            let by = session.id.to_string();
            let mut all = vec![of(feature_name(feature.slug.as_str()), by.clone(), true)];
            all.extend(feature.touches.iter().map(|path| of(path.as_str().to_owned(), by.clone(), true)));
            all.extend(feature.reads.iter().map(|path| of(path.as_str().to_owned(), by.clone(), false)));
            all
        }
        (Reply::Claimed(session), Command::ClaimPaths(claim)) => {
            let exclusive = claim.mode == ClaimMode::Exclusive;
            claim
                .paths
                .iter()
                .map(|path| of(path.as_str().to_owned(), session.id.to_string(), exclusive))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The features and paths that a refusal names as held, with one of its holders each.
fn in_the_way(refusal: &Refusal) -> Vec<Held> {
    let holds = |name: String, by: SessionId| Held {
        name,
        by: Some(by.to_string()),
        // A refusal does not say so.
        exclusive: false,
        fence: None,
    };
    let claim = |conflict: &Conflict| holds(conflict.path.as_str().to_owned(), conflict.by.holder.session);
    match refusal {
        Refusal::FilesClaimed { conflicts } => conflicts.iter().map(claim).collect(),
        Refusal::FeatureClaimed { slug, by } | Refusal::NotHolder { slug, by } => {
            vec![holds(feature_name(slug.as_str()), by.holder.session)]
        }
        Refusal::NothingAvailable { blocked } => blocked
            .iter()
            .filter_map(|blocked| match &blocked.by {
                Blocker::Claim(conflict) => Some(claim(conflict)),
                Blocker::Dependencies(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn code(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFound { kind: EntityKind::Session, .. } => SESSION_NOT_FOUND.to_owned(),
        other => format!("{other:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
    }
}

/// The heartbeats that were acknowledged. Clients have the true time.
pub fn beats(operations: &[ask::Operation]) -> Vec<Beat> {
    let acknowledged = |operation: &ask::Operation| match (&operation.what, &operation.outcome) {
        (What::Beat(session), Some(Outcome::Beat(true))) => Some(Beat {
            session: session.to_string(),
            sent_us: micros(operation.called),
            acknowledged_us: micros(operation.returned?),
            revision: None,
            cluster_ms: None,
            lease_ms: LEASE,
            grace_ms: 0,
        }),
        _ => None,
    };
    operations.iter().filter_map(acknowledged).collect()
}
