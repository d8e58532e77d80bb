//! `/cluster`: status, leadership and join tokens, for operators.

use crate::{
    api::Api,
    auth::{join_token, token_digest},
    cluster::{MemberStatus, NodeStatus, Operation},
    failure::ApiError,
    openapi::{Operation as Description, Routes},
    operate::{DryRun, admin, dry_run, operated},
    usage,
    write::Write,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use nexus_api_types::{Data, Moment, cluster as wire};
use nexus_domain::{self as domain, Millis, NodeId, Refusal, Reply, command, ids::JoinTokenId};
use std::time::Duration;

/// Default validity of a join token.
const JOIN_TOKEN_TTL: Millis = Millis::from_secs(3600);

/// Longest wait for the leader's status. Without a quorum, the answer has to come soon from what this node knows.
const LEADER_STATUS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Routes {
    let stated =
        Description::local("Show the cluster").about("Without a quorum, the answer is what this node knows.");
    Routes::new()
        .get("/cluster/status", status, stated.answers::<wire::ClusterStatus>(200).command("cluster status"))
        .post(
            "/cluster/leader",
            transfer,
            Description::write("Transfer leadership")
                .optional_body::<wire::TransferLeader>()
                .query(dry_run())
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

/// The status as the leader knows it; none without a leader that a quorum acknowledges.
pub(super) async fn leaders_status(api: &Api) -> Option<NodeStatus> {
    let status = tokio::time::timeout(LEADER_STATUS_TIMEOUT, api.cluster.leader_status()).await;
    status.ok().and_then(Result::ok)
}

/// The role of a member, given who leads.
pub(super) fn role_of(member: &MemberStatus, leader: Option<NodeId>) -> wire::NodeRole {
    match (leader == Some(member.id), member.voter) {
        (true, _) => wire::NodeRole::Leader,
        (false, true) => wire::NodeRole::Voter,
        (false, false) => wire::NodeRole::Learner,
    }
}

/// Whether a member is a replica: a learner that stays one.
pub(super) fn is_replica(member: &MemberStatus, state: &domain::State) -> bool {
    !member.voter && state.is_replica(member.id)
}

/// Shows the status of the cluster as this node knows it, with the knowledge of the leader if there is one.
async fn status(State(api): State<Api>, headers: axum::http::HeaderMap) -> Result<Response, ApiError> {
    let caller = crate::auth::authenticate(&*api.cluster, &api.verifier, &headers).await?;
    let own = api.cluster.status();
    let leaders = leaders_status(&api).await;
    let healthy = leaders.is_some();
    let seen = leaders.unwrap_or_else(|| own.clone());
    let view = api.cluster.local();
    let nodes: Vec<wire::Node> = seen
        .members
        .iter()
        .map(|member| wire::Node {
            id: member.id.0,
            role: role_of(member, seen.leader),
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
            replica: is_replica(member, view.state()),
            draining: member.draining,
            disk_used_bytes: member.disk_bytes,
            flush_p99_us: member.flush_p99.map(|bound| u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)),
            certificates: member.certificates.clone(),
            place: member.place.clone(),
            backups: member.backups.clone(),
            timing: member.timing,
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
        verdict: own.verdict.map(|(health, since)| wire::HealthVerdict { health, since: Moment(since) }),
        removed: own.removed,
        fenced: None,
        tolerates_losses: voters.saturating_sub(1) / 2,
        nodes,
        quotas,
        timestamp: Moment(api.cluster.wall()),
    };
    Ok(Json(Data { data: answer }).into_response())
}

async fn transfer(
    State(api): State<Api>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let to = write.body::<wire::TransferLeader>()?.to.map(|node| NodeId(node.0));
    operated(&api, &write, dry_run, Operation::TransferLeader(to)).await
}

async fn snapshot(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, false, Operation::Snapshot).await
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
