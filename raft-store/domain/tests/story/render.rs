//! Renders the outcome of an entry as text, with names instead of ids.

use super::world::{DAWN, World};
use nexus_domain::{
    Applied, ClusterTime, Document, DocumentKey, Erasure, Event, FeatureId, Recorded, Reply, WallTime,
    document::LogPosition,
    entity::{Feature, Holder, LeaseState, NodeRecord, ReleaseReason, Session, Status},
    event::FieldValue,
    pattern::Pattern,
    refusal::{Blocker, Refusal},
    short_text::Slug,
    usage::{Owner, Usage},
};
use std::sync::Arc;

/// The answer, the events and the documents of an entry.
pub(crate) fn applied(world: &World, applied: &Applied) -> Vec<String> {
    let answer = &applied.answer;
    let now = world.state.clock().revision;
    let again = if answer.revision == now { String::new() } else { format!(" (as at {})", answer.revision) };
    let mut lines = match &answer.clone().into_outcome(&world.state) {
        Ok(reply) => vec![format!("=> {}{again}", self::reply(world, reply))],
        Err(refusal) => vec![format!("refused: {refusal}{again}")],
    };
    if let Err(Refusal::NothingAvailable { blocked }) = &answer.outcome {
        lines.extend(blocked.iter().map(|feature| match &feature.by {
            Blocker::Dependencies(open) => format!("  {} waits for {}", feature.slug, slugs(open)),
            Blocker::Claim(conflict) => {
                format!("  {} is blocked by {} on {}", feature.slug, conflict.by.engineer_name, conflict.path)
            }
        }));
    }
    lines.extend(applied.events.iter().map(|recorded| event(world, recorded)));
    lines.extend(
        applied.documents.iter().map(|(key, document)| self::document(world, key, document.as_ref())),
    );
    lines.extend(applied.erased.iter().map(|erased| match erased {
        Erasure::TextsOfFeature(..) => "erased what was written about it".to_owned(),
        Erasure::TextsOfProject(_) => "erased all texts of the project".to_owned(),
        Erasure::Events { from, to, .. } => format!("erased events of the project from {from} to {to}"),
    }));
    lines.iter().map(|line| world.named(line)).collect()
}

fn reply(world: &World, reply: &Reply) -> String {
    match reply {
        Reply::Done => "done".to_owned(),
        Reply::Node(node) => {
            let replaced = node.replaces.map(|id| format!(", in place of node {id}"));
            format!("node {} at {}{}", node.id, node.peer_addr, replaced.unwrap_or_default())
        }
        Reply::JoinToken(token) => format!("join token until {}", until(token.expires)),
        Reply::Settings(_) => "settings".to_owned(),
        Reply::Registered { engineer, .. } => format!("{} as {}", engineer.name, engineer.role.name()),
        Reply::KeyAdded(key) => format!("key {}", key.label),
        Reply::Engineer(engineer) => format!("{} is {}", engineer.name, engineer.role.name()),
        Reply::Project(project) => format!("project {}", project.slug),
        Reply::Member(member) => format!("{} is a {}", member.engineer, member.role.name()),
        Reply::Feature(feature) => self::feature(feature),
        Reply::Picked { feature, session } => {
            format!("{}; {}", self::feature(feature), self::session(session))
        }
        Reply::Session(session) => self::session(session),
        Reply::Claimed(session) => format!("held by {}", session.id),
        Reply::Held { paths, .. } if paths.is_empty() => "no paths".to_owned(),
        Reply::Held { paths, .. } => list(paths),
        Reply::Released { count: 0, .. } => "no paths".to_owned(),
        Reply::Released { paths, count } if *count > paths.len() as u64 => {
            format!("{count} paths, among them {}", list(paths))
        }
        Reply::Released { paths, .. } => list(paths),
        Reply::Text(key) => format!("written at {}", key.position().map(at).unwrap_or_default()),
        Reply::Ticket(ticket) => {
            let session = ticket.session.map(|id| format!(" as {id}")).unwrap_or_default();
            format!("a ticket of {}{session} until {}", ticket.engineer, until(ticket.expires))
        }
        Reply::Leads(node) => format!("node {node} leads"),
        Reply::Joined(node) => format!("node {node} was let in"),
        Reply::DuplicateCheckpoint => "the same as the newest checkpoint, skipped".to_owned(),
        Reply::Heartbeats { unknown } if unknown.is_empty() => "all are known".to_owned(),
        Reply::Heartbeats { unknown } => {
            let over: Vec<String> = unknown.iter().map(|id| world.named(&id.to_string())).collect();
            format!("over: {}", over.join(", "))
        }
    }
}

fn field_value(value: &FieldValue) -> String {
    match value {
        FieldValue::Omitted => "omitted".to_owned(),
        FieldValue::Text(text) => text.clone(),
        FieldValue::List(items) => format!("[{}]", items.join(" ")),
    }
}

fn event(world: &World, recorded: &Recorded) -> String {
    let fact = match &recorded.event {
        Event::FeatureCreated(feature) => format!("feature_created {}", feature.slug),
        Event::FeatureUpdated { feature, field, old, new } => {
            let change = match (old, new) {
                (FieldValue::Omitted, _) | (_, FieldValue::Omitted) => String::new(),
                (old, new) => format!(": {} to {}", field_value(old), field_value(new)),
            };
            format!("feature_updated {} {field:?}{change}", feature.slug)
        }
        Event::FeatureDeleted(feature) => format!("feature_deleted {}", feature.slug),
        Event::FeatureClaimed(feature) => format!("feature_claimed {}", feature.slug),
        Event::FeatureReleased { feature, holder, reason } => {
            format!("feature_released {} of {}, {}", feature.slug, self::holder(holder), self::reason(reason))
        }
        Event::FeatureCompleted(feature) => format!("feature_completed {}", feature.slug),
        Event::FilesClaimed { holder, feature, paths, mode, fence, .. } => format!(
            "files_claimed {} by {}{}, {mode:?}, fence {}",
            list(paths),
            self::holder(holder),
            purpose(world, *feature),
            fence.0
        ),
        Event::FilesReleased { holder, feature, paths, reason, .. } => format!(
            "files_released {} of {}{}, {}",
            list(paths),
            self::holder(holder),
            purpose(world, *feature),
            self::reason(reason)
        ),
        Event::SessionStarted(session) => format!("session_started {}", self::session(session)),
        Event::SessionDisconnected(session) => format!("session_disconnected {}", self::session(session)),
        Event::SessionEnded(session) => format!("session_ended {}", session.id),
        Event::MemberAdded(member) => format!("member_added {}", member.engineer),
        Event::MemberRemoved(member) => format!("member_removed {}", member.engineer),
        Event::LearningAdded { feature, learning } => {
            format!("learning_added {}: {}", feature.slug, learning.content)
        }
        Event::DecisionAdded(decision) => {
            let about = decision.feature.as_ref().map(|(_, slug)| format!(" about {slug}"));
            let instead = decision.supersedes.map(|id| format!(" instead of {id}"));
            format!(
                "decision_added {}{}{}: {}",
                decision.id,
                about.unwrap_or_default(),
                instead.unwrap_or_default(),
                decision.decision
            )
        }
        Event::ProjectDeleted(deletion) => format!("project_deleted {}", deletion.project),
        other => serde_json::to_string(other).unwrap(),
    };
    let cause = match &recorded.cause {
        None => " -- the cluster".to_owned(),
        Some(cause) => match &cause.holder {
            None => format!(" -- {}", cause.engineer),
            Some(holder) => format!(" -- {}", self::holder(holder)),
        },
    };
    format!("event {fact}{cause}")
}

fn reason(reason: &ReleaseReason) -> String {
    match reason {
        ReleaseReason::Forced { by, reason } => format!("forced by {by}: {reason}"),
        other => format!("{other:?}"),
    }
}

fn document(world: &World, key: &DocumentKey, document: Option<&Document>) -> String {
    match (key, document) {
        (DocumentKey::Spec(..), Some(Document::Spec(text))) => format!("document spec: {text}"),
        (DocumentKey::Checkpoint(..), Some(Document::Checkpoint(checkpoint))) => format!(
            "document checkpoint {:?} at {} of {} on {}, claims {}",
            checkpoint.kind,
            key.position().map(at).unwrap_or_default(),
            checkpoint.session,
            slug_of(world, checkpoint.feature),
            list(&checkpoint.claims)
        ),
        (DocumentKey::Learning(_, feature, position), Some(Document::Learning(learning))) => {
            format!(
                "document learning of {} at {}: {}",
                slug_of(world, *feature),
                at(*position),
                learning.content
            )
        }
        (DocumentKey::Decision(_, position), Some(Document::Decision(decision))) => {
            format!("document decision at {}: {}", at(*position), decision.title)
        }
        (DocumentKey::DecisionAbout(_, feature, position), Some(Document::Mark)) => {
            format!("document mark: the decision at {} is about {}", at(*position), slug_of(world, *feature))
        }
        (DocumentKey::Lists(_, feature, _), Some(Document::Lists(lists))) => {
            format!(
                "document lists of {} until now, touches {}",
                slug_of(world, *feature),
                list(&lists.touches)
            )
        }
        (_, None) => "document deleted".to_owned(),
        other => panic!("{other:?} does not fit"),
    }
}

/// A part of the state as a list.
pub(crate) fn state(world: &World, what: &str) -> Vec<String> {
    let lines: Vec<String> = match what {
        "features" => {
            let projects = world.state.projects();
            projects
                .flat_map(|project| world.state.features_after(project.id, None).map(|found| feature(found)))
                .collect()
        }
        "claims" => world
            .state
            .projects()
            .flat_map(|project| world.state.claims_in(project.id))
            .map(|(key, claim)| {
                let purpose = purpose(world, key.feature);
                format!("{} {:?} by {}{purpose}, fence {}", key.path, claim.mode, key.session, claim.fence.0)
            })
            .collect(),
        "usage" => world
            .state
            .usages()
            .map(|(owner, usage)| {
                let name = match owner {
                    Owner::Cluster => "the cluster".to_owned(),
                    Owner::Project(id) => id.to_string(),
                    Owner::Engineer(id) => id.to_string(),
                };
                let Usage { memory, texts, projects } = usage;
                format!("{name}: {memory} in memory, {texts} in texts, {projects} projects")
            })
            .collect(),
        "keys" => world
            .state
            .rows()
            .filter_map(|row| match row {
                nexus_domain::Row::ApiKey(key) => Some(format!("{} of {}", key.label, key.engineer)),
                _ => None,
            })
            .collect(),
        "sessions" => world.state.sessions().map(|found| session(found)).collect(),
        "work" => world
            .state
            .sessions()
            .map(|session| match session.feature {
                Some(feature) => format!("{} works on {}", session.id, slug_of(world, feature)),
                None => format!("{} works on nothing", session.id),
            })
            .collect(),
        "replies" => world
            .state
            .rows()
            .filter_map(|row| match row {
                nexus_domain::Row::KeyedReply(key, _) => Some(key.key.to_string()),
                nexus_domain::Row::SlottedReply(slot, cached) => {
                    Some(format!("slot {} of node {}: {}", slot.number, slot.node, cached.id.sequence))
                }
                _ => None,
            })
            .collect(),
        "checkpoints" => world
            .state
            .rows()
            .filter_map(|row| match row {
                nexus_domain::Row::LatestCheckpoint(latest) => {
                    let (slug, hash) = (slug_of(world, latest.feature), latest.state_hash.to_string());
                    Some(format!("{slug}: the newest is at {}, {}", at(latest.position), &hash[..8]))
                }
                _ => None,
            })
            .collect(),
        "nodes" => {
            let replica = |id| if world.state.is_replica(id) { ", a replica" } else { "" };
            let node = |node: &Arc<NodeRecord>| {
                format!("node {} at {}{}", node.id, node.peer_addr, replica(node.id))
            };
            world.state.nodes().map(node).collect()
        }
        "clock" => vec![format!("{} on cluster time", until(world.state.clock().cluster))],
        other => panic!("nothing is called {other}"),
    };
    if lines.is_empty() {
        return vec![format!("no {what}")];
    }
    lines.iter().map(|line| world.named(line)).collect()
}

fn feature(feature: &Feature) -> String {
    let stage = match &feature.status {
        Status::Ready { interrupted_at: Some(at) } => format!("ready, interrupted at {}", at_wall(*at)),
        Status::Active { holder, fence, .. } => {
            format!("active by {}, fence {}", self::holder(holder), fence.0)
        }
        Status::Done { holder, .. } => format!("done by {}", self::holder(holder)),
        other => other.name().to_owned(),
    };
    let paths = |name: &str, paths: &[Pattern]| match paths.len() {
        0 => String::new(),
        _ => format!(", {name} {}", list(paths)),
    };
    let needs = if feature.depends_on.is_empty() {
        String::new()
    } else {
        format!(", needs {}", slugs(&feature.depends_on))
    };
    format!(
        "{} [{} {}] {stage}{}{}{needs}",
        feature.slug,
        feature.lane.name(),
        feature.priority,
        paths("touches", &feature.touches),
        paths("reads", &feature.reads)
    )
}

fn session(session: &Session) -> String {
    let lease = match &session.lease {
        LeaseState::Active { until: end } => format!("active until {}", until(*end)),
        LeaseState::Disconnected { until: end } => format!("disconnected, kept until {}", until(*end)),
        LeaseState::Ending { reason } => format!("ending, {reason:?}"),
    };
    format!("{} {lease}, {:?}", session.id, session.heartbeat_mode)
}

fn holder(holder: &Holder) -> String {
    holder.session.to_string()
}

fn at(position: LogPosition) -> String {
    format!("{}.{}", position.revision, position.seq)
}

fn purpose(world: &World, feature: Option<FeatureId>) -> String {
    feature.map_or_else(String::new, |id| format!(" for {}", slug_of(world, id)))
}

fn slug_of(world: &World, id: FeatureId) -> String {
    world
        .state
        .features()
        .find(|feature| feature.id == id)
        .map_or("?".to_owned(), |found| found.slug.to_string())
}

fn slugs(slugs: &[Slug]) -> String {
    slugs.iter().map(Slug::as_str).collect::<Vec<_>>().join(" ")
}

/// The paths, or their number if they are many.
fn list(paths: &[Pattern]) -> String {
    match paths.len() {
        0 => "none".to_owned(),
        1..=5 => paths.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" "),
        many => format!("{many} paths"),
    }
}

fn until(at: ClusterTime) -> String {
    seconds(i64::try_from(at.0).unwrap())
}

fn at_wall(at: WallTime) -> String {
    seconds(at.0 - DAWN)
}

fn seconds(millis: i64) -> String {
    match millis % 1_000 {
        0 => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}
