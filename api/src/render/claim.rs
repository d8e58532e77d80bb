//! Converts claims and conflicts to wire types.

use nexus_api_types::claim as wire;
use nexus_domain::{
    State,
    entity::{Claim, ClaimKey, ClaimMode, Feature, Session},
    pattern::Pattern,
    refusal::{Conflict, HolderNote},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const fn mode(mode: ClaimMode) -> wire::Mode {
    match mode {
        ClaimMode::Exclusive => wire::Mode::Exclusive,
        ClaimMode::Shared => wire::Mode::Shared,
    }
}

/// A claim of a session.
pub(crate) fn claim(state: &State, session: &Session, key: &ClaimKey, claim: &Claim) -> wire::Claim {
    wire::Claim {
        file_path: key.path.to_string(),
        project_id: key.project.0,
        engineer_id: session.engineer.0,
        engineer_name: state.holder_name(&session.holder()),
        feature_id: key.feature.map(|feature| feature.0),
        claimed_at: claim.claimed_at.into(),
        expires_at: state.claims_expire_at(session).into(),
        session_id: session.id.0,
        agent: session.agent.as_ref().map(ToString::to_string),
        mode: mode(claim.mode),
        fence: claim.fence.0,
    }
}

/// The claims that a pick took. They are derived from the feature in the answer, so that a retry returns the same ones.
pub(crate) fn claims_of_feature(state: &State, session: &Session, feature: &Feature) -> Vec<wire::Claim> {
    let nexus_domain::entity::Status::Active { claimed_at, fence, .. } = &feature.status else {
        return Vec::new();
    };
    let exclusive = feature.touches.iter().map(|path| (path, ClaimMode::Exclusive));
    let touched: BTreeSet<&Pattern> = feature.touches.iter().collect();
    let shared = feature.reads.iter().filter(|path| !touched.contains(path));
    exclusive
        .chain(shared.map(|path| (path, ClaimMode::Shared)))
        .map(|(path, mode)| {
            let key = ClaimKey {
                project: feature.project,
                session: session.id,
                feature: Some(feature.id),
                path: path.clone(),
            };
            claim(state, session, &key, &Claim { mode, fence: *fence, claimed_at: *claimed_at })
        })
        .collect()
}

/// A path that somebody else holds.
pub(crate) fn conflict(conflict: &Conflict) -> wire::Conflict {
    let holder = &conflict.by.holder;
    wire::Conflict {
        file_path: conflict.path.to_string(),
        wanted_path: conflict.wanted.to_string(),
        assumed: conflict.is_assumed,
        claimed_by: wire::ClaimedBy {
            engineer_id: holder.engineer.0,
            engineer_name: conflict.by.engineer_name.to_string(),
            session_id: holder.session.0,
            agent: holder.agent.as_ref().map(ToString::to_string),
            feature_id: conflict.feature.as_ref().map(|(id, _)| id.0),
            feature_slug: conflict.feature.as_ref().map(|(_, slug)| slug.to_string()),
            claimed_at: conflict.claimed_at.into(),
            expires_at: conflict.expires_at.into(),
        },
    }
}

/// Who holds a feature.
pub(crate) fn holder_note(note: &HolderNote) -> Value {
    json!({
        "engineerId": note.holder.engineer.0,
        "engineerName": note.engineer_name.as_str(),
        "sessionId": note.holder.session.0,
        "agent": note.holder.agent.as_ref().map(ToString::to_string),
    })
}
