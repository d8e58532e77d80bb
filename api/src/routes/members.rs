//! `/cluster/members`: the nodes of the cluster, and every change of them.

use super::cluster::{is_replica, leaders_status, role_of};
use crate::{
    api::Api,
    auth::{authenticate, token_digest},
    cluster::{MemberStatus, Operation},
    failure::ApiError,
    joining,
    openapi::{Operation as Description, Routes},
    operate::{DryRun, admin, dry_run, operate, operated},
    write::{Incoming, Write},
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use nexus_api_types::{
    Data, Moment,
    change_plan::{CheckedPlanChange, PlanChange, PlannedChange},
    cluster as wire,
    cluster_member::{ClusterMember, ClusterMembers},
};
use nexus_domain::{Actor, NodeId, Reply};

pub(super) fn routes() -> Routes {
    let joined = Description::open("Let a node join")
        .about(
            "`nexusd start --join` sends this request. The token is the only credential. Without TLS, whoever sees the \
             request sees the token too, and can decrypt the secret with it.",
        )
        .body::<wire::JoinRequest>();
    let changed =
        |summary: &'static str| Description::write(summary).query(dry_run()).answers::<wire::Operated>(200);
    Routes::new()
        .get(
            "/cluster/members",
            members,
            Description::local("Show the members")
                .about("Lags are those that the leader knows; without one, the answer is what this node knows.")
                .answers::<ClusterMembers>(200)
                .command("cluster members"),
        )
        .post(
            "/cluster/members",
            join,
            joined.answers::<wire::Joined>(201).without_command("A node that starts with `--join` sends it."),
        )
        .delete("/cluster/members/{node}", remove, changed("Remove a node").command("cluster remove NODE"))
        .post(
            "/cluster/members/{node}/promote",
            promote,
            changed("Make a learner a voter")
                .about("A replica is none any more afterwards.")
                .command("cluster promote NODE"),
        )
        .post(
            "/cluster/members/{node}/demote",
            demote,
            changed("Make a voter a replica")
                .about("It stays in the cluster without a vote, and is not promoted by itself.")
                .command("cluster demote NODE"),
        )
        .post(
            "/cluster/members/{node}/replace",
            replace,
            changed("Put another node into the place of this one")
                .about(
                    "The other one has to be a member that answers and has caught up. This one, which may be lost, leaves in \
                     the same joint step in which the other one gets its vote.",
                )
                .body::<wire::ReplaceMember>()
                .command("cluster replace NODE BY"),
        )
        .post(
            "/cluster/members/{node}/rebuild",
            rebuild,
            changed("Rebuild a node")
                .about(
                    "A fenced node keeps its data in another folder, and comes back under a new id with the state of the \
                     others. It is refused if no quorum would be left without it.",
                )
                .optional_body::<wire::Rebuild>()
                .command("cluster rebuild NODE"),
        )
        .post(
            "/cluster/members/{node}/drain",
            drain,
            changed("Drain a node before a restart")
                .about(
                    "Leadership moves to another node and does not return, `/health/ready` answers 503, and WebSockets are \
                     closed with 1001 within two seconds. The node serves what is asked until it is restarted, which ends it.",
                )
                .command("cluster drain NODE"),
        )
        .delete(
            "/cluster/members/{node}/drain",
            undrain,
            changed("End the drain of a node").command("cluster drain NODE --undo"),
        )
        .post(
            "/cluster/plan",
            plan,
            Description::write("Plan a change of the members")
                .about(
                    "Answers with the plan of the change, or with its refusal, and does nothing. A server that plans \
                     nothing does not have this route, so that it never carries the change out.",
                )
                .body::<PlanChange>()
                .answers::<wire::Operated>(200)
                .command("cluster remove NODE --dry-run"),
        )
}

/// Shows the members, each with its record in the state.
async fn members(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    authenticate(&*api.cluster, &api.verifier, &headers).await?;
    let seen = leaders_status(&api).await.unwrap_or_else(|| api.cluster.status());
    let view = api.cluster.local();
    let state = view.state();
    let formed_at = state.origin().map(|origin| origin.formed_at);
    let member = |member: &MemberStatus| {
        let record = state.node(member.id);
        // The records of the first members have no time of their own.
        let admitted_at =
            record.map(|record| record.admitted_at).map(|at| at.max(formed_at.unwrap_or_default()));
        ClusterMember {
            id: member.id.0,
            role: role_of(member, seen.leader),
            replica: is_replica(member, state),
            draining: member.draining,
            peer_addr: member.peer_addr.clone(),
            client_addr: member.client_addr.clone(),
            instance: record.map(|record| record.instance.0),
            admitted_at: admitted_at.map(Moment),
            replaces: record.and_then(|record| record.replaces).map(|former| former.0),
            lag: member.lag,
            last_seen_ms: member.last_seen.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            version: member.version.clone(),
            place: member.place.clone(),
        }
    };
    let members = seen.members.iter().map(member).collect();
    Ok(Json(Data { data: ClusterMembers { members } }).into_response())
}

/// Adds a joining node. The token is its only credential.
async fn join(State(api): State<Api>, headers: HeaderMap, incoming: Incoming) -> Result<Response, ApiError> {
    let fields = incoming.fields()?;
    if !fields.has("joinToken") {
        // Without a token it is no joining node: another client gets the error of its rights first.
        let caller = authenticate(&*api.cluster, &api.verifier, &headers).await?;
        admin(&api, caller)?;
    }
    let body = fields.checked::<wire::JoinRequest>()?;
    let (token, instance) = (body.join_token, body.instance);
    let (peer_addr, client_addr) = (body.peer_addr.0, body.client_addr.0);
    let digest = token_digest(&token);
    let replica = body.replica.unwrap_or_default();
    let join = Operation::Join { token: digest, instance, peer_addr, client_addr, replica };
    let (done, _) = operate(&api, &incoming, Actor::Anonymous, join).await?;
    let Reply::Joined(node) = done.reply else { return Err(done.unexpected()) };
    let joined = joining::joined(&*api.cluster, &token, instance, node).await?;
    Ok(done.answer(StatusCode::CREATED, joined))
}

async fn promote(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, dry_run, Operation::Promote(node_id(&node)?)).await
}

async fn demote(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, dry_run, Operation::Demote(node_id(&node)?)).await
}

async fn remove(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, dry_run, Operation::Remove(node_id(&node)?)).await
}

async fn replace(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let new = NodeId(write.body::<wire::ReplaceMember>()?.by.0);
    operated(&api, &write, dry_run, Operation::Replace { old: node_id(&node)?, new }).await
}

async fn rebuild(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let forced = write.body::<wire::Rebuild>()?.force.unwrap_or_default();
    operated(&api, &write, dry_run, Operation::Rebuild { node: node_id(&node)?, forced }).await
}

async fn drain(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, dry_run, Operation::Drain { node: node_id(&node)?, draining: true }).await
}

async fn undrain(
    State(api): State<Api>,
    Path(node): Path<String>,
    DryRun(dry_run): DryRun,
    write: Write,
) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    write.no_fields()?;
    operated(&api, &write, dry_run, Operation::Drain { node: node_id(&node)?, draining: false }).await
}

/// Plans a change, and never carries it out.
async fn plan(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    admin(&api, write.caller)?;
    let operation = planned_operation(&write.body::<PlanChange>()?)?;
    operated(&api, &write, true, operation).await
}

/// The operation whose plan is asked for.
fn planned_operation(asked: &CheckedPlanChange) -> Result<Operation, ApiError> {
    let needed = |field: &str, id: Option<u64>| {
        id.map(NodeId).ok_or_else(|| ApiError::field(field, "is required for this change"))
    };
    let node = || needed("node", asked.node.as_ref().map(|node| node.0));
    Ok(match asked.change {
        PlannedChange::Promote => Operation::Promote(node()?),
        PlannedChange::Demote => Operation::Demote(node()?),
        PlannedChange::Remove => Operation::Remove(node()?),
        PlannedChange::Replace => {
            Operation::Replace { old: node()?, new: needed("by", asked.by.as_ref().map(|by| by.0))? }
        }
        PlannedChange::Drain => Operation::Drain { node: node()?, draining: true },
        PlannedChange::Undrain => Operation::Drain { node: node()?, draining: false },
        PlannedChange::Rebuild => {
            Operation::Rebuild { node: node()?, forced: asked.force.unwrap_or_default() }
        }
        PlannedChange::TransferLeader => Operation::TransferLeader(asked.to.as_ref().map(|to| NodeId(to.0))),
    })
}

fn node_id(text: &str) -> Result<NodeId, ApiError> {
    text.parse().map(NodeId).map_err(|_| ApiError::field("nodeId", "must be a whole number"))
}
