//! Operations on the cluster itself. They are no commands of the state machine, but writes like any other to
//! their clients: the first answer under a key is kept in the log, and given again.
//!
//! A node that dies between the two has done what nobody remembers. A retry does it again, and that does no
//! harm: who votes already is a voter, who is out is out, and the lead may move once more.

use crate::{
    api::Api,
    cluster::{Consistency, Operated, Operation, OperationError},
    failure::ApiError,
    write::{Done, Incoming},
};
use nexus_api_types::Code;
use nexus_domain::{Actor, Command, Refusal, Reply, decide::access, refusal::EntityKind};
use std::time::Duration;

/// Keeping the answer takes a few milliseconds. The operation is done: without a quorum its client is not
/// kept waiting for that.
const KEEP_WITHIN: Duration = Duration::from_secs(2);

/// Carries an operation out, unless it was under this key.
///
/// # Errors
/// What refuses it, now or the first time.
pub(crate) async fn operate(
    api: &Api,
    incoming: &Incoming,
    actor: Actor,
    operation: Operation,
) -> Result<Done, ApiError> {
    if let Some(first) = first_answer(api, incoming, actor).await? {
        return first;
    }
    let outcome = match api.cluster.operate(operation).await {
        Ok(operated) => Ok(reply(operated)),
        Err(OperationError::Refused(why)) => Err(Refusal::Cluster(why)),
        Err(OperationError::UnknownNode(node)) => {
            Err(Refusal::NotFound { kind: EntityKind::Node, name: node.to_string() })
        }
        // Of strangers nothing is kept, and of what is not known there is nothing to keep.
        Err(error @ (OperationError::BadToken | OperationError::Unavailable(_))) => return Err(error.into()),
    };
    if incoming.idempotency.is_some() {
        let outcome = outcome.clone().map(Box::new).map_err(Box::new);
        let keeping = incoming.propose_as(api, actor, None, Command::KeepAnswer { outcome });
        match tokio::time::timeout(KEEP_WITHIN, keeping).await {
            Ok(Err(error)) if error.code == Code::ServiceUnavailable => {
                tracing::warn!(error = error.message, LOST);
            }
            Ok(kept) => return kept,
            Err(_) => tracing::warn!(LOST),
        }
    }
    let view = api.cluster.local();
    match outcome {
        Ok(reply) => Ok(Done { reply, revision: view.revision(), view }),
        Err(refusal) => Err(refusal.into()),
    }
}

const LOST: &str = "the answer to an operation on the cluster could not be kept: a retry does it again";

/// What was answered under this key, through whichever node.
async fn first_answer(
    api: &Api,
    incoming: &Incoming,
    actor: Actor,
) -> Result<Option<Result<Done, ApiError>>, ApiError> {
    let Some(request) = incoming.keyed(actor) else { return Ok(None) };
    let view = api.cluster.read(Consistency::Linearizable, None).await?.view;
    if let Actor::Engineer { id, key } = actor {
        // As of now: what the asker had a right to when it was answered first, they may not have today.
        let (engineer, key) = access::engineer_with_key(view.state(), id, key, api.cluster.wall())?;
        access::admin(engineer, key)?;
    }
    let Some(kept) = view.state().keyed_reply(&request.key).cloned() else { return Ok(None) };
    if kept.fingerprint != request.fingerprint {
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let revision = kept.answer.revision;
    Ok(Some(match kept.answer.outcome.clone() {
        Ok(reply) => Ok(Done { reply, revision, view }),
        Err(refusal) => Err(ApiError::from(refusal).at(revision)),
    }))
}

const fn reply(operated: Operated) -> Reply {
    match operated {
        Operated::Done => Reply::Done,
        Operated::Leader(node) => Reply::Leads(node),
        Operated::Joined { node } => Reply::Joined(node),
    }
}
