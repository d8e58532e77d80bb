//! Makes the events that clients are sent from those that the state machine recorded.

use super::{
    envelope::{By, Event},
    fact::{Fact, FeatureName, Person, Reason, Reset},
};
use crate::{
    feature::Feature,
    knowledge::{Decision, Learning},
    project,
};
use nexus_domain::{
    EngineerId, Event as DomainEvent, Recorded, State,
    entity::{self, Holder, Member, ReleaseReason, ResetKind, Session, Status},
    event::{FeatureField, FieldValue},
    pattern::Pattern,
};
use serde_json::Value;

impl Event {
    /// An event of the state machine; none for one that clients are not sent.
    pub fn of(state: &State, recorded: &Recorded) -> Option<Self> {
        let project_id = recorded.event.project()?.0;
        let (fact, subject) = fact(state, &recorded.event)?;
        let cause = recorded.cause.as_ref();
        let actor = cause.and_then(|cause| cause.holder.clone());
        let by =
            cause.filter(|cause| subject.as_ref().is_some_and(|holder| holder.engineer != cause.engineer));
        let by = by.map(|cause| By {
            id: cause.engineer.0,
            name: name(state, cause.engineer),
            session_id: actor.as_ref().map(|holder| holder.session.0),
            agent: actor.as_ref().and_then(agent),
        });
        let engineer = subject.as_ref().map(|holder| holder.engineer).or(cause.map(|cause| cause.engineer));
        let session = subject.or(actor);
        Some(Self {
            fact,
            project_id,
            revision: recorded.revision.0,
            seq: recorded.seq,
            timestamp: recorded.at.into(),
            session_id: session.as_ref().map(|holder| holder.session.0),
            agent: session.as_ref().and_then(agent),
            engineer: engineer.map(|id| person(state, id)),
            by,
        })
    }
}

/// The fact, and the holder of the work that it concerns, if there is one.
fn fact(state: &State, event: &DomainEvent) -> Option<(Fact, Option<Holder>)> {
    let wire_feature = |found: &entity::Feature| Box::new(Feature::of(found, String::new()));
    let of_session = |session: &Session| (session.engineer.0, name(state, session.engineer));
    let found = match event {
        DomainEvent::FeatureCreated(feature) => {
            (Fact::FeatureCreated { feature: wire_feature(feature) }, None)
        }
        DomainEvent::FeatureUpdated { feature, field, old, new } => {
            let (old_value, new_value) = (value(*field, old), value(*field, new));
            let field = field_name(*field).to_owned();
            (Fact::FeatureUpdated { feature: wire_feature(feature), field, old_value, new_value }, None)
        }
        DomainEvent::FeatureDeleted(feature) => {
            (Fact::FeatureDeleted { feature: wire_feature(feature) }, None)
        }
        DomainEvent::FeatureClaimed(feature) => {
            (Fact::FeatureClaimed { feature: wire_feature(feature) }, feature.holder().cloned())
        }
        DomainEvent::FeatureReleased { feature, holder, reason } => {
            let fact = Fact::FeatureReleased { feature: wire_feature(feature), reason: self::reason(reason) };
            (fact, Some(holder.clone()))
        }
        DomainEvent::FeatureCompleted(feature) => {
            let holder = match &feature.status {
                Status::Done { holder, .. } => Some(holder.clone()),
                _ => None,
            };
            (Fact::FeatureCompleted { feature: wire_feature(feature) }, holder)
        }
        DomainEvent::FilesClaimed { holder, feature, paths, mode, fence, .. } => {
            let fact = Fact::FilesClaimed {
                paths: texts(paths),
                feature_id: feature.map(|id| id.0),
                mode: (*mode).into(),
                fence: fence.0,
            };
            (fact, Some(holder.clone()))
        }
        DomainEvent::FilesReleased { holder, feature, paths, reason, .. } => {
            let note = match reason {
                ReleaseReason::Forced { reason, .. } => Some(reason.to_string()),
                _ => None,
            };
            let fact = Fact::FilesReleased {
                paths: texts(paths),
                feature_id: feature.map(|id| id.0),
                reason: self::reason(reason),
                note,
            };
            (fact, Some(holder.clone()))
        }
        DomainEvent::SessionStarted(session) => {
            let (engineer_id, engineer_name) = of_session(session);
            (Fact::SessionStarted { engineer_id, engineer_name }, Some(session.holder()))
        }
        DomainEvent::SessionDisconnected(session) => {
            let (engineer_id, engineer_name) = of_session(session);
            (Fact::SessionEnded { engineer_id, engineer_name }, Some(session.holder()))
        }
        DomainEvent::SessionEnded(session) => {
            let (engineer_id, engineer_name) = of_session(session);
            let fact = if session.is_active() {
                Fact::SessionEnded { engineer_id, engineer_name }
            } else {
                // Its end was announced when it was disconnected.
                Fact::SessionClosed { engineer_id, engineer_name }
            };
            (fact, Some(session.holder()))
        }
        DomainEvent::LearningAdded { feature, learning } => {
            let feature = FeatureName { slug: feature.slug.to_string() };
            (Fact::LearningAdded { feature, learning: Learning::of(state, learning) }, None)
        }
        DomainEvent::DecisionAdded(decision) => {
            (Fact::DecisionAdded { decision: Decision::of(state, decision) }, None)
        }
        DomainEvent::MemberAdded(added) => {
            let (member, role) = member(state, added);
            (Fact::MemberAdded { member, role }, None)
        }
        DomainEvent::MemberRemoved(removed) => {
            let (member, role) = member(state, removed);
            (Fact::MemberRemoved { member, role }, None)
        }
        DomainEvent::HistoryReset { start, .. } => {
            let kind = match start.kind {
                ResetKind::Restored => Reset::Restored,
                ResetKind::Recovered => Reset::Recovered,
            };
            let (from, through, former_cluster_id) = (start.from.0, start.through.0, start.former.0);
            (Fact::HistoryReset { kind, from, through, former_cluster_id }, None)
        }
        // Clients are not sent what happens in no project, nor what the cluster does for itself.
        DomainEvent::ClusterFormed { .. }
        | DomainEvent::BootstrapTokenUsed
        | DomainEvent::NodeAdmitted(_)
        | DomainEvent::JoinTokenCreated(_)
        | DomainEvent::JoinTokenExpired(_)
        | DomainEvent::SettingsChanged(_)
        | DomainEvent::EngineerRegistered(_)
        | DomainEvent::RoleChanged(_)
        | DomainEvent::KeyAdded(_)
        | DomainEvent::KeyRevoked(_)
        | DomainEvent::ProjectCreated(_)
        | DomainEvent::ProjectUpdated(_)
        | DomainEvent::SessionRenewed(_)
        | DomainEvent::CheckpointSaved(_)
        | DomainEvent::TicketIssued(_)
        | DomainEvent::TicketRedeemed(_)
        | DomainEvent::TicketExpired(_)
        | DomainEvent::EngineerDeleted(_)
        | DomainEvent::EngineerDeletionBegun(_)
        | DomainEvent::EngineerDeletionEnded(_)
        | DomainEvent::ProjectDeleted(_)
        | DomainEvent::ProjectDeletionAdvanced { .. }
        | DomainEvent::ProjectDeletionFinished(_)
        | DomainEvent::ListsReplaced { .. }
        | DomainEvent::ListsForgotten { .. }
        | DomainEvent::RulesRaised(_)
        | DomainEvent::HistoryBegan { .. }
        | DomainEvent::FormerHistoryEnded(_)
        | DomainEvent::ReplicaSet { .. } => return None,
    };
    Some(found)
}

fn texts(paths: &[Pattern]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

fn agent(holder: &Holder) -> Option<String> {
    holder.agent.as_ref().map(ToString::to_string)
}

fn name(state: &State, engineer: EngineerId) -> String {
    state.engineer(engineer).map_or_else(|| engineer.to_string(), |found| found.name.to_string())
}

fn person(state: &State, engineer: EngineerId) -> Person {
    Person { id: engineer.0, name: name(state, engineer) }
}

fn member(state: &State, member: &Member) -> (Person, project::MemberRole) {
    (person(state, member.engineer), member.role.into())
}

/// The value of a field, as a number if the feature has a number.
fn value(field: FeatureField, value: &FieldValue) -> Value {
    match (field, value) {
        (_, FieldValue::Omitted) => Value::Null,
        (FeatureField::Priority, FieldValue::Text(text)) => {
            text.parse::<u32>().map_or_else(|_| Value::from(text.as_str()), Value::from)
        }
        (_, FieldValue::Text(text)) => Value::from(text.as_str()),
        (_, FieldValue::List(items)) => Value::from(items.clone()),
    }
}

const fn field_name(field: FeatureField) -> &'static str {
    match field {
        FeatureField::Title => "title",
        FeatureField::Spec => "spec",
        FeatureField::Lane => "lane",
        FeatureField::Priority => "priority",
        FeatureField::Touches => "touches",
        FeatureField::Reads => "reads",
        FeatureField::DependsOn => "dependsOn",
        FeatureField::Status => "status",
    }
}

const fn reason(reason: &ReleaseReason) -> Reason {
    match reason {
        ReleaseReason::Released => Reason::Released,
        ReleaseReason::Completed => Reason::Completed,
        ReleaseReason::Cancelled => Reason::Cancelled,
        ReleaseReason::Updated => Reason::Updated,
        ReleaseReason::SessionEnded => Reason::SessionEnded,
        ReleaseReason::Expired => Reason::Expired,
        ReleaseReason::MemberRemoved => Reason::MemberRemoved,
        ReleaseReason::Forced { .. } => Reason::Forced,
        ReleaseReason::HistoryReset => Reason::HistoryReset,
    }
}
