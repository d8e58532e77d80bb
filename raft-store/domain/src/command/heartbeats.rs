//! Renews every session that sent a heartbeat or acted. The reply names the sessions of heartbeats that are over.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        sessions::{is_over, renew_lease, renewal, renewed},
    },
    ids::SessionId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Renews the leases of sessions: what arrived at one node within one short window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heartbeats {
    /// Sessions that sent a heartbeat. From then on they have the short lease. The node has checked that each
    /// belongs to the engineer who sent it.
    pub heartbeats: Vec<SessionId>,
    /// Sessions that sent any other request. These keep the lease that they have, long or short.
    pub keep_alives: Vec<SessionId>,
}

impl Decide for Heartbeats {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: true, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, _ctx: Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { heartbeats, keep_alives } = self;
        let mut events = Vec::with_capacity(heartbeats.len() + keep_alives.len());
        let mut unknown = Vec::new();
        // Each session is renewed once: its return is announced once.
        let mut seen = BTreeSet::new();
        for id in heartbeats.iter().filter(|id| seen.insert(**id)) {
            match ctx.state.session(*id).filter(|session| !is_over(ctx.state, session)) {
                Some(session) => events.push(renewal(session, renewed(ctx.state, session, true))),
                None => unknown.push(*id),
            }
        }
        let kept_alive =
            keep_alives.iter().filter(|id| seen.insert(**id)).filter_map(|id| ctx.state.session(*id));
        for session in kept_alive.filter(|session| !is_over(ctx.state, session)) {
            events.extend(renew_lease(ctx.state, session));
        }
        Ok(Decision::new(events, Reply::Heartbeats { unknown }))
    }
}
