//! The sessions of a project by id: where each works, for names of holders that people recognise.

use crate::{client::Request, context::Context};
use nexus_api_types::{event::Event, holder::HolderSession, session::SessionOf};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The places of sessions by their ids.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<Uuid, HolderSession>);

impl Sessions {
    /// The sessions of a project that are not over. Without an answer, none: names are complete without places.
    pub(super) async fn of_project(context: &Context<'_>, project: Uuid) -> Self {
        let active = Request::get(format!("/projects/{project}/sessions/active"));
        let answer = context.client.send(active).await;
        let sessions = answer.and_then(|answer| answer.parse::<Vec<SessionOf>>()).unwrap_or_default();
        Self(sessions.into_iter().map(|found| (found.session.id, found.session.holder())).collect())
    }

    /// The place of a session; an empty one if the session is over, or not known.
    pub(super) fn place(&self, id: Option<Uuid>) -> HolderSession {
        id.and_then(|id| self.0.get(&id)).cloned().unwrap_or_default()
    }

    /// Asks for the agents' sessions of these events, unless all are known.
    pub(super) async fn learn(&mut self, context: &Context<'_>, project: Uuid, events: &[Event]) {
        let of_agent = |event: &Event| event.session_id.filter(|_| event.agent.is_some());
        if events.iter().filter_map(of_agent).any(|id| !self.0.contains_key(&id)) {
            self.0.extend(Self::of_project(context, project).await.0);
        }
    }
}
