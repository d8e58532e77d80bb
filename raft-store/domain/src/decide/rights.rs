//! Decides whether a retry may see the cached answer to a command: only if its actor has the right to send the command
//! at this moment. It checks rights and nothing else about a command.

use super::Context;
use crate::{
    command::{Actor, Command},
    pattern::Case,
    refusal::Refusal,
    settings::Registration,
};

/// Checks that the actor has the right to send this command now. It may have been lost since the first request, or the
/// API key of the retry may be narrower.
///
/// # Errors
/// The refusal that a new request would get.
pub(crate) fn may_replay(ctx: Context<'_>, command: &Command) -> Result<(), Refusal> {
    let (engineer, used) = match ctx.actor {
        // These are the cluster's own requests, and requests with a token that is part of them.
        Actor::System | Actor::Anonymous => return Ok(()),
        Actor::Engineer { id, key } => (id, key),
    };
    match command {
        Command::FormCluster { .. }
        | Command::AdmitNode { .. }
        | Command::Tick
        | Command::Heartbeats { .. }
        | Command::RaiseRules(_)
        | Command::RedeemTicket { .. } => Ok(()),
        Command::RegisterEngineer { .. } => match ctx.state.settings.registration {
            Registration::Invite => ctx.admin().map(drop),
            Registration::Open | Registration::Closed => ctx.identified().map(drop),
        },
        Command::IssueTicket { .. } => ctx.identified().map(drop),
        // This request itself took the actor's rights away. Its answer contains nothing more.
        Command::RemoveMember { engineer: leaving, .. } if *leaving == engineer => ctx.writer().map(drop),
        Command::ChangeRole { engineer: changed, .. } if *changed == engineer => ctx.owner().map(drop),
        // Only the node that received it can retry it: no client is authenticated by that key any more.
        Command::RevokeKey { key } if *key == used => Ok(()),
        // Only the node that received it can retry it: the engineer has no API key any more.
        Command::DeleteEngineer { engineer: leaving } if *leaving == engineer => Ok(()),
        Command::DeleteEngineer { .. } => ctx.admin().map(drop),
        Command::AddKey { .. } | Command::RevokeKey { .. } | Command::CreateProject { .. } => {
            ctx.writer()?;
            ctx.owner().map(drop)
        }
        Command::CreateJoinToken { .. }
        | Command::UpdateSettings { .. }
        | Command::ChangeRole { .. }
        | Command::KeepAnswer { .. } => ctx.admin().map(drop),
        // The project does not exist any more, and the answer contains nothing of it.
        Command::DeleteProject { project } if ctx.state.project(*project).is_none() => {
            ctx.writer()?;
            ctx.owner().map(drop)
        }
        Command::DeleteProject { project }
        | Command::AddMember { project, .. }
        | Command::RemoveMember { project, .. }
        | Command::UpdateProject { project, case: Case::Sensitive }
        | Command::ForceRelease { project, .. } => ctx.lead(*project).map(drop),
        Command::UpdateProject { project, case: Case::Insensitive }
        | Command::CreateFeature { project, .. }
        | Command::UpdateFeature { project, .. }
        | Command::DeleteFeature { project, .. }
        | Command::ReadyFeature { project, .. }
        | Command::DraftFeature { project, .. }
        | Command::PickFeature { project, .. }
        | Command::PickNext { project, .. }
        | Command::ReleaseFeature { project, .. }
        | Command::CompleteFeature { project, .. }
        | Command::CancelFeature { project, .. }
        | Command::ClaimPaths { project, .. }
        | Command::ReleasePaths { project, .. }
        | Command::RefreshClaims { project }
        | Command::StartSession { project, .. }
        | Command::EndSession { project, .. }
        | Command::AddLearning { project, .. }
        | Command::AddDecision { project, .. }
        | Command::SaveCheckpoint { project, .. }
        | Command::ReorderRoadmap { project, .. }
        | Command::MoveFeature { project, .. } => ctx.worker(*project).map(drop),
    }
}
