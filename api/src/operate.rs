//! Operations on the cluster itself. They are no commands of the state machine, but to their clients they are writes
//! like any other: the first answer under an idempotency key is kept in the log, and returned to retries.
//!
//! If a node dies between an operation and keeping its answer, a retry repeats the operation. That does no harm: a
//! voter stays a voter, a removed node stays removed, and leadership may be transferred again.

use crate::{
    api::Api,
    auth::Caller,
    cluster::{Consistency, Operation, OperationError, OperationOutcome},
    failure::ApiError,
    openapi::Parameter,
    read::query,
    write::{Done, Incoming, Write},
};
use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use nexus_api_types::{Code, Data, cluster::Operated};
use nexus_domain::{Actor, Refusal, Reply, command, decide::access, refusal::EntityKind};
use std::time::Duration;

/// Longest time for keeping the answer, which usually takes a few milliseconds. The operation is done by then, so its
/// client does not wait longer for that.
const STORE_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The parameter of every change of the membership.
pub(crate) fn dry_run() -> Parameter {
    let about = "`true` answers with the plan of the change, or with its refusal, and does nothing. An `Idempotency-Key` \
                 is not used up.";
    Parameter::word(DRY_RUN, about, &["true", "false"])
}

/// The name of the parameter.
const DRY_RUN: &str = "dryRun";

/// Whether a request only asks what it would do.
pub(crate) struct DryRun(pub(crate) bool);

impl FromRequestParts<Api> for DryRun {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        match query(parts)?.get(DRY_RUN).map(String::as_str) {
            None | Some("false") => Ok(Self(false)),
            Some("true") => Ok(Self(true)),
            Some(_) => Err(ApiError::field(DRY_RUN, "must be true or false")),
        }
    }
}

/// Checks that the caller is an admin, against this node's own state: operations are no commands, which the state
/// machine would check.
pub(crate) fn admin(api: &Api, caller: Caller) -> Result<(), ApiError> {
    let view = api.cluster.local();
    let (engineer, key) = caller.identity(&*api.cluster, view.state())?;
    Ok(access::admin(engineer, key)?)
}

/// Carries out an operation of an admin, and answers; or plans it, for a dry run.
pub(crate) async fn operated(
    api: &Api,
    write: &Write,
    dry_run: bool,
    operation: Operation,
) -> Result<Response, ApiError> {
    if dry_run {
        let plan = Some(api.cluster.plan(operation).await?);
        let planned = Operated { ok: true, leader: None, kept_in: None, plan };
        return Ok(Json(Data { data: planned }).into_response());
    }
    let (done, kept_in) = operate(api, &write.incoming, write.caller.actor(), operation).await?;
    let leader = match done.reply {
        Reply::Done => None,
        Reply::Leads(node) => Some(node.0),
        _ => return Err(done.unexpected()),
    };
    Ok(done.answer(StatusCode::OK, Operated { ok: true, leader, kept_in, plan: None }))
}

/// Carries out an operation, unless it was already carried out under this idempotency key. Beside the reply, returns
/// the folder that a rebuild keeps, which is not stored: a retry does without it.
///
/// # Errors
/// The refusal of the operation, now or the first time.
pub(crate) async fn operate(
    api: &Api,
    incoming: &Incoming,
    actor: Actor,
    operation: Operation,
) -> Result<(Done, Option<String>), ApiError> {
    if let Some(first) = first_answer(api, incoming, actor).await? {
        return first.map(|done| (done, None));
    }
    let mut kept_in = None;
    let outcome = match api.cluster.operate(operation).await {
        Ok(OperationOutcome::Rebuilding { kept_in: folder }) => {
            kept_in = Some(folder);
            Ok(Reply::Done)
        }
        Ok(OperationOutcome::Done) => Ok(Reply::Done),
        Ok(OperationOutcome::Leader(node)) => Ok(Reply::Leads(node)),
        Ok(OperationOutcome::Joined { node }) => Ok(Reply::Joined(node)),
        Err(OperationError::Refused(why)) => Err(Refusal::Cluster(why)),
        Err(OperationError::UnknownNode(node)) => {
            Err(Refusal::NotFound { kind: EntityKind::Node, name: node.to_string() })
        }
        // Nothing is kept for requests with a wrong token, and an unknown outcome cannot be kept.
        Err(error @ (OperationError::BadToken | OperationError::Unavailable(_))) => return Err(error.into()),
    };
    if incoming.idempotency.is_some() {
        let outcome = outcome.clone().map(Box::new).map_err(Box::new);
        let keeping = incoming.propose_as(api, actor, None, command::KeepAnswer { outcome }.into());
        match tokio::time::timeout(STORE_ANSWER_TIMEOUT, keeping).await {
            Ok(Err(error)) if error.code == Code::ServiceUnavailable => {
                tracing::warn!(error = error.message, ANSWER_NOT_STORED);
            }
            Ok(kept) => return kept.map(|done| (done, kept_in)),
            Err(_) => tracing::warn!(ANSWER_NOT_STORED),
        }
    }
    let view = api.cluster.local();
    match outcome {
        Ok(reply) => Ok((Done { reply, revision: view.revision(), view }, kept_in)),
        Err(refusal) => Err(refusal.into()),
    }
}

const ANSWER_NOT_STORED: &str =
    "the answer to an operation on the cluster could not be kept: a retry does it again";

/// The answer under this idempotency key, if there was one through any node.
async fn first_answer(
    api: &Api,
    incoming: &Incoming,
    actor: Actor,
) -> Result<Option<Result<Done, ApiError>>, ApiError> {
    let Some(request) = incoming.keyed(actor) else { return Ok(None) };
    let view = api.cluster.read(Consistency::Linearizable, None).await?.view;
    if let Actor::Engineer { id, key } = actor {
        // The caller may have lost the right since the first answer.
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
