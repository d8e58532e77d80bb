//! The sessions whose claims do not keep a command from writing.

use super::claims::Claim;
use crate::{agent_run::Actor, client::Request, context::Context, error::Error};
use nexus_api_types::engineer::Me;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The engineer of the API key. The cluster is asked, since a command may have changed the saved login.
///
/// # Errors
/// When the cluster refuses it or no server answers.
pub(super) async fn engineer(context: &Context<'_>) -> Result<Uuid, Error> {
    Ok(context.client.send(Request::get("/auth/me")).await?.parse::<Me>()?.id)
}

/// The sessions whose claims do not count. They come from the records of runs, which a command may write: so a session
/// counts only where the cluster says that it is one of the same engineer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnSessions {
    /// The session that acts where the command starts, and those of runs within the command.
    pub(super) sessions: BTreeSet<Uuid>,
    /// Whether the engineer's default session is one of them, because the engineer acts. Sessions of the engineer's
    /// agents are not.
    pub(super) has_default: bool,
}

impl OwnSessions {
    /// The session of the run, or of the engineer, that starts the command.
    pub(super) fn of_current_actor(context: &Context<'_>, project: Uuid) -> Self {
        match context.actor() {
            Actor::Session(id) => Self { sessions: BTreeSet::from([*id]), has_default: false },
            Actor::AgentRun { key, .. } => {
                let record = context.records().read(key, project);
                let session = record.map(|record| record.session_id).filter(|id| !id.is_nil());
                Self { sessions: session.into_iter().collect(), has_default: false }
            }
            Actor::Engineer => Self { sessions: BTreeSet::new(), has_default: true },
        }
    }

    /// Whether a claim belongs to one of them; `engineer` is the engineer of the API key.
    pub(super) fn is_own(&self, claim: &Claim, engineer: Uuid) -> bool {
        claim.engineer_id == engineer
            && (self.sessions.contains(&claim.session_id) || (self.has_default && claim.agent.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);

    fn claim(engineer: Uuid, session: u128, agent: Option<&str>) -> Claim {
        Claim {
            file_path: "src/db.rs".to_owned(),
            session_id: Uuid::from_u128(session),
            engineer_id: engineer,
            agent: agent.map(str::to_owned),
        }
    }

    #[test]
    fn a_session_of_another_engineer_is_never_ones_own_whatever_a_record_says() {
        let own = OwnSessions { sessions: BTreeSet::from([7, 8].map(Uuid::from_u128)), has_default: true };
        assert!(own.is_own(&claim(ANA, 7, Some("build")), ANA));
        assert!(!own.is_own(&claim(BEN, 8, Some("build")), ANA));
        assert!(!own.is_own(&claim(BEN, 9, None), ANA));
    }

    #[test]
    fn files_of_an_engineers_agents_are_not_the_engineers_own() {
        let own = OwnSessions { sessions: BTreeSet::new(), has_default: true };
        assert!(own.is_own(&claim(ANA, 7, None), ANA));
        assert!(!own.is_own(&claim(ANA, 8, Some("build")), ANA));
    }
}
