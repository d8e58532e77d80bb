//! `/cluster`: status, membership and join tokens, for operators.

use crate::{
    api::Api,
    auth::{Caller, join_token, token_digest},
    cluster::{Consistency, Operation, OperationError},
    failure::ApiError,
    openapi::{Operation as Description, Routes},
    operate::operate,
    usage,
    write::{Incoming, Write},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use nexus_api_types::{Data, Moment, cluster as wire};
use nexus_domain::{Actor, Millis, NodeId, Refusal, Reply, command, decide::access, ids::JoinTokenId};
use std::time::Duration;

/// Default validity of a join token.
const JOIN_TOKEN_TTL: Millis = Millis::from_secs(3600);

/// Longest wait for the leader's status. Without a quorum, the answer has to come soon from what this node knows.
const LEADER_STATUS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Routes {
    let stated =
        Description::local("Show the cluster").about("Without a quorum, the answer is what this node knows.");
    let joined = Description::open("Let a node join")
        .about(
            "`nexusd start --join` sends this request. The token is the only credential. Without TLS, whoever sees the \
             request sees the token too, and can decrypt the secret with it.",
        )
        .body::<wire::JoinRequest>();
    Routes::new()
        .get("/cluster/status", status, stated.answers::<wire::ClusterStatus>(200).command("cluster status"))
        .post(
            "/cluster/members",
            join,
            joined.answers::<wire::Joined>(201).without_command("A node that starts with `--join` sends it."),
        )
        .delete(
            "/cluster/members/{node}",
            remove,
            Description::write("Remove a node").answers::<wire::Operated>(200).command("cluster remove NODE"),
        )
        .post(
            "/cluster/members/{node}/promote",
            promote,
            Description::write("Make a learner a voter")
                .answers::<wire::Operated>(200)
                .command("cluster promote NODE"),
        )
        .post(
            "/cluster/members/{node}/rebuild",
            rebuild,
            Description::write("Rebuild a node")
                .about(
                    "A fenced node keeps its data in another folder, and comes back under a new id with the state of the \
                     others. It is refused if no quorum would be left without it.",
                )
                .optional_body::<wire::Rebuild>()
                .answers::<wire::Operated>(200)
                .command("cluster rebuild NODE"),
        )
        .post(
            "/cluster/leader",
            transfer,
            Description::write("Transfer leadership")
                .optional_body::<wire::TransferLeader>()
                .answers::<wire::Operated>(200)
                .command("cluster transfer-leader --to NODE"),
        )
        .post(
            "/cluster/snapshot",
            snapshot,
            Description::write("Take a snapshot on this node")
                .answers::<wire::Operated>(200)
                .command("cluster snapshot"),
        )
        .post(
            "/cluster/join-tokens",
            create_join_token,
            Description::write("Make a join token")
                .optional_body::<wire::CreateJoinToken>()
                .answers::<wire::JoinToken>(201)
                .command("cluster join-token"),
        )
}

/// Shows the status of the cluster as this node knows it, with the knowledge of the leader if there is one.
async fn status(State(api): State<Api>, headers: axum::http::HeaderMap) -> Result<Response, ApiError> {
    let caller = crate::auth::authenticate(&*api.cluster, &api.verifier, &headers).await?;
    let own = api.cluster.status();
    let status = tokio::time::timeout(LEADER_STATUS_TIMEOUT, api.cluster.leader_status()).await;
    let leaders = status.ok().and_then(Result::ok);
    let healthy = leaders.is_some();
    let seen = leaders.unwrap_or_else(|| own.clone());
    let view = api.cluster.local();
    let nodes: Vec<wire::Node> = seen
        .members
        .iter()
        .map(|member| wire::Node {
            id: member.id.0,
            role: match (seen.leader == Some(member.id), member.voter) {
                (true, _) => wire::NodeRole::Leader,
                (false, true) => wire::NodeRole::Voter,
                (false, false) => wire::NodeRole::Learner,
            },
            peer_addr: member.peer_addr.clone(),
            client_addr: member.client_addr.clone(),
            lag: member.lag,
            last_seen_ms: member.last_seen.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            this_node: member.id == own.id,
            applied: member.condition.map(|condition| condition.applied),
            state_hash: member.condition.map(|condition| format!("{:016x}", condition.state_hash)),
            // Either of the two nodes may have noticed it.
            state_mismatch: member.diverged
                || own.members.iter().any(|known| known.id == member.id && known.diverged),
            damage: member.damage.clone(),
            fenced: own
                .members
                .iter()
                .find(|known| known.id == member.id)
                .and_then(|known| known.fenced.clone()),
            disk_free_bytes: member.condition.map(|condition| condition.disk_free),
            disk_low: member.condition.is_some_and(|condition| condition.disk_low),
            disk_slow: member.condition.is_some_and(|condition| condition.flush_slow),
            version: member.version.clone(),
            build: member.build.clone(),
            round_trip_us: member.round_trip.map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
            certificates: member.certificates.clone(),
            place: member.place.clone(),
        })
        .collect();
    // An engineer that this node does not have yet has used no quota.
    let quotas = match caller.identity(&*api.cluster, view.state()) {
        Ok((engineer, key)) => usage::seen_by(view.state(), engineer, key),
        Err(_) => Vec::new(),
    };
    let voters = seen.members.iter().filter(|member| member.voter).count() as u64;
    let answer = wire::ClusterStatus {
        cluster_id: view.state().origin().map(|origin| origin.cluster.0),
        node_id: own.id.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rules: view.state().rules().0,
        leader: seen.leader.map(|leader| leader.0),
        term: seen.term,
        committed: own.committed,
        // Of the same view as the hash, which is meaningless with another index.
        applied: view.revision().0,
        state_hash: format!("{:016x}", view.state_hash()),
        healthy,
        removed: own.removed,
        fenced: None,
        tolerates_losses: voters.saturating_sub(1) / 2,
        nodes,
        quotas,
        timestamp: Moment(api.cluster.wall()),
    };
    Ok(Json(Data { data: answer }).into_response())
}

/// Adds a joining node. The token is its only credential.
async fn join(
    State(api): State<Api>,
    headers: axum::http::HeaderMap,
    incoming: Incoming,
) -> Result<Response, ApiError> {
    let fields = incoming.fields()?;
    if !fields.has("joinToken") {
        // Without a token it is no joining node: another client gets the error of its rights first.
        let caller = crate::auth::authenticate(&*api.cluster, &api.verifier, &headers).await?;
        admin(&api, caller)?;
    }
    let body = fields.checked::<wire::JoinRequest>()?;
    let (token, instance) = (body.join_token, body.instance);
    let (peer_addr, client_addr) = (body.peer_addr.0, body.client_addr.0);
    let digest = token_digest(&token);
    let join = Operation::Join { token: digest, instance, peer_addr, client_addr };
    let (done, _) = operate(&api, &incoming, Actor::Anonymous, join).await?;
    let Reply::Joined(node) = done.reply else { return Err(done.unexpected()) };
    // A retry may come late, when its token has expired.
    let view = api.cluster.read(Consistency::Linearizable, None).await?.view;
    let (state, now) = (view.state(), view.state().clock().cluster);
    if state.join_token(digest).is_none_or(|token| now >= token.expires) {
        return Err(OperationError::BadToken.into());
    }
    let cluster = state.origin().map(|origin| origin.cluster);
    let cluster =
        cluster.ok_or_else(|| ApiError::internal(&"a cluster that is not formed lets nobody in"))?;
    let sealed_secret = api.cluster.seal_secret(&token, cluster, instance);
    let joined = wire::Joined { node_id: node.0, cluster_id: cluster.0, sealed_secret };
    Ok(done.answer(StatusCode::CREATED, joined))
}

async fn promote(
    State(api): State<Api>,
    Path(node): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, Operation::Promote(node_id(&node)?)).await
}

async fn remove(
    State(api): State<Api>,
    Path(node): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, Operation::Remove(node_id(&node)?)).await
}

async fn rebuild(
    State(api): State<Api>,
    Path(node): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let forced = write.body::<wire::Rebuild>()?.force.unwrap_or_default();
    operated(&api, &write, Operation::Rebuild { node: node_id(&node)?, forced }).await
}

async fn transfer(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let to = write.body::<wire::TransferLeader>()?.to.map(|node| NodeId(node.0));
    operated(&api, &write, Operation::TransferLeader(to)).await
}

async fn snapshot(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, Operation::Snapshot).await
}

/// Carries out an operation of an admin, and answers.
async fn operated(api: &Api, write: &Write, operation: Operation) -> Result<Response, ApiError> {
    let (done, kept_in) = operate(api, &write.incoming, write.caller.actor(), operation).await?;
    let leader = match done.reply {
        Reply::Done => None,
        Reply::Leads(node) => Some(node.0),
        _ => return Err(done.unexpected()),
    };
    Ok(done.answer(StatusCode::OK, wire::Operated { ok: true, leader, kept_in }))
}

fn node_id(text: &str) -> Result<NodeId, ApiError> {
    text.parse().map(NodeId).map_err(|_| ApiError::field("nodeId", "must be a whole number"))
}

/// Checks that the caller is an admin, against this node's own state: operations are no commands, which the state
/// machine would check.
fn admin(api: &Api, caller: Caller) -> Result<(), ApiError> {
    let view = api.cluster.local();
    let (engineer, key) = caller.identity(&*api.cluster, view.state())?;
    Ok(access::admin(engineer, key)?)
}

async fn create_join_token(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    let wanted = write.body::<wire::CreateJoinToken>()?.ttl_seconds;
    let lifetime = wanted.map_or(JOIN_TOKEN_TTL, |seconds| Millis::from_secs(seconds.0));
    let token = join_token(write.secret(&api));
    let digest = token_digest(&token);
    let command = command::CreateJoinToken { id: JoinTokenId(api.mint.id()), digest, lifetime }.into();
    let done = write.propose(&api, command).await?;
    let Reply::JoinToken(made) = &done.reply else { return Err(done.unexpected()) };
    if made.digest != digest {
        // The first request had another key of the same engineer, which alone can derive the token again.
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let expires_at = done.view.state().in_wall_time(made.expires).into();
    Ok(done.answer(StatusCode::CREATED, wire::JoinToken { token, expires_at }))
}
