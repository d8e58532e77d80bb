//! Changes the settings, each within its range.

use crate::{
    decide::{Context, Decide, Decision, Facts, quota::MAX_PROJECTS},
    event::Event,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    settings::{Settings, SettingsPatch},
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Changes the cluster's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateSettings {
    /// The settings to change; the others stay.
    pub patch: SettingsPatch,
}

impl Decide for UpdateSettings {
    fn facts(&self) -> Facts {
        // Less history makes room.
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.admin().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let patch = &self.patch;
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
}

fn out_of_range(setting: &str, problem: &str) -> Refusal {
    Refusal::SettingOutOfRange { setting: setting.to_owned(), problem: problem.to_owned() }
}
