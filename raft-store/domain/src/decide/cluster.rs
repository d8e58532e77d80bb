//! Decides about the cluster itself: its formation, its nodes, its settings and the version of its rules.

use super::{Context, Decision, access::not_found, projects::MAX_PROJECTS};
use crate::{
    command::Actor,
    entity::{ClusterOrigin, JoinToken, NodeRecord, Role, TokenDigest},
    event::Event,
    ids::{InstanceId, JoinTokenId, NodeId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    settings::{Settings, SettingsPatch},
    short_text::Label,
    time::Millis,
};
use std::sync::Arc;

/// Join tokens that have not expired.
const MAX_JOIN_TOKENS: usize = 100;

/// Forms the cluster, by its first entry.
pub(super) fn form(
    ctx: Context<'_>,
    origin: &ClusterOrigin,
    nodes: &[NodeRecord],
) -> Result<Decision, Refusal> {
    system(ctx)?;
    if ctx.state.origin.is_some() {
        return Err(Refusal::Cluster("the cluster was formed already".to_owned()));
    }
    let nodes = nodes.iter().cloned().map(Arc::new).collect();
    Ok(Decision::new(vec![Event::ClusterFormed { origin: Arc::new(origin.clone()), nodes }], Reply::Done))
}

/// Hands out a node id. The same data folder gets the same id again.
pub(super) fn admit(
    ctx: Context<'_>,
    instance: InstanceId,
    peer_addr: &Label,
    client_addr: &Label,
    token: Option<TokenDigest>,
    replaces: Option<NodeId>,
) -> Result<Decision, Refusal> {
    system(ctx)?;
    if ctx.state.origin.is_none() {
        return Err(Refusal::Cluster("the cluster is not formed yet; try again".to_owned()));
    }
    let now = ctx.state.clock.cluster;
    let invited =
        token.and_then(|digest| ctx.state.join_token(digest)).is_some_and(|token| now < token.expires);
    let returns = replaces
        .and_then(|id| ctx.state.node(id))
        .is_some_and(|former| token.is_none() && former.peer_addr == *peer_addr);
    if !invited && !returns {
        return Err(Refusal::JoinTokenInvalid);
    }
    if let Some(node) = ctx.state.node_of(instance) {
        return Ok(Decision::new(Vec::new(), Reply::Node(node.clone())));
    }
    if let Some(former) = replaces.filter(|id| ctx.state.node(*id).is_none()) {
        return Err(not_found(EntityKind::Node, former));
    }
    let highest = ctx.state.nodes.get_max().map_or(0, |(id, _)| id.0);
    let node = Arc::new(NodeRecord {
        id: NodeId(highest + 1),
        instance,
        peer_addr: peer_addr.clone(),
        client_addr: client_addr.clone(),
        replaces,
        admitted_at: ctx.wall(),
    });
    Ok(Decision::new(vec![Event::NodeAdmitted(node.clone())], Reply::Node(node)))
}

/// Creates a join token.
pub(super) fn create_join_token(
    ctx: Context<'_>,
    id: JoinTokenId,
    digest: TokenDigest,
    lifetime: Millis,
) -> Result<Decision, Refusal> {
    ctx.admin()?;
    if ctx.state.join_tokens.len() >= MAX_JOIN_TOKENS {
        return Err(Refusal::TooMany { what: "join tokens".to_owned(), limit: MAX_JOIN_TOKENS as u64 });
    }
    let expires = ctx.state.clock.cluster.after(lifetime);
    let token = JoinToken { id, digest, expires, created_at: ctx.wall() };
    let token = Arc::new(token);
    Ok(Decision::new(vec![Event::JoinTokenCreated(token.clone())], Reply::JoinToken(token)))
}

/// Changes the settings.
pub(super) fn update_settings(ctx: Context<'_>, patch: &SettingsPatch) -> Result<Decision, Refusal> {
    ctx.admin()?;
    let settings = ctx.state.settings.with(patch);
    let leases = [
        ("session.timeout", settings.session_timeout),
        ("session.unattended", settings.session_unattended),
        ("replies.age", settings.reply_age),
        ("events.age", settings.event_age),
    ];
    for (name, span) in leases {
        if span < Settings::MIN_LEASE || span > Settings::MAX_LEASE {
            return Err(out_of_range(name, "must be between 0.1 s and 30 days"));
        }
    }
    if settings.session_grace > Settings::MAX_LEASE {
        return Err(out_of_range("session.grace", "must be at most 30 days"));
    }
    if !(1_000..=10_000_000).contains(&settings.event_revisions) {
        return Err(out_of_range("events.revisions", "must be between 1,000 and 10,000,000"));
    }
    if !(100..=1_000_000).contains(&settings.replies) {
        return Err(out_of_range("replies.count", "must be between 100 and 1,000,000"));
    }
    let limits_in_bytes =
        settings.quotas.in_bytes().into_iter().chain([("events.bytes", settings.event_bytes)]);
    for (name, bytes) in limits_in_bytes {
        if !(Settings::MIN_BYTES..=Settings::MAX_BYTES).contains(&bytes) {
            return Err(out_of_range(name, "must be between 1 MiB and 1 TiB, in bytes"));
        }
    }
    if settings.quotas.engineer_projects > MAX_PROJECTS as u64 {
        return Err(out_of_range("quota.engineer.projects", "must be at most 10,000"));
    }
    let settings = Arc::new(settings);
    Ok(Decision::new(vec![Event::SettingsChanged(settings.clone())], Reply::Settings(settings)))
}

/// Returns the outcome of what a node has already done for a client whose rights it has checked. Rights that were lost
/// since change nothing about it.
pub(super) fn keep_answer(outcome: &Result<Box<Reply>, Box<Refusal>>) -> Result<Decision, Refusal> {
    match outcome {
        Ok(reply) => Ok(Decision::new(Vec::new(), Reply::clone(reply))),
        Err(refusal) => Err(Refusal::clone(refusal)),
    }
}

/// Raises the version of the rules. It never falls, since newer rules may have changed the state already.
pub(super) fn raise_rules(ctx: Context<'_>, to: RulesVersion) -> Result<Decision, Refusal> {
    system(ctx)?;
    let events = if to > ctx.state.rules { vec![Event::RulesRaised(to)] } else { Vec::new() };
    Ok(Decision::new(events, Reply::Done))
}

fn out_of_range(setting: &str, problem: &str) -> Refusal {
    Refusal::SettingOutOfRange { setting: setting.to_owned(), problem: problem.to_owned() }
}

fn system(ctx: Context<'_>) -> Result<(), Refusal> {
    match ctx.actor {
        Actor::System => Ok(()),
        _ => Err(Refusal::RoleTooLow { role: Role::Engineer }),
    }
}
