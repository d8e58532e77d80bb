//! What the other crates need to know about each command, in one place: a command without its facts does not compile.

use super::Command;
use crate::{ids::ProjectId, rules::RulesVersion};

/// The facts about a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandFacts {
    /// The command's name in logs and metrics.
    pub name: &'static str,
    /// The project that the command is about. `None` if it is about the cluster or about engineers, or makes a project.
    pub project: Option<ProjectId>,
    /// Whether the cluster stores more than before when it is applied. Such commands are refused while disks are full.
    pub grows: bool,
    /// Whether only the cluster itself proposes it, and never a client.
    pub is_internal: bool,
    /// The version of the rules that introduced it. It must not be in the log of a cluster with older rules.
    pub since: RulesVersion,
}

impl CommandFacts {
    const fn in_project(self, project: ProjectId) -> Self {
        Self { project: Some(project), ..self }
    }

    const fn internal(self) -> Self {
        Self { is_internal: true, ..self }
    }
}

/// A command that stores more than before.
const fn grows(name: &'static str) -> CommandFacts {
    CommandFacts { name, project: None, grows: true, is_internal: false, since: RulesVersion::FIRST }
}

/// A command that stores nothing more, or that an operator needs to make room.
const fn fits(name: &'static str) -> CommandFacts {
    CommandFacts { grows: false, ..grows(name) }
}

impl Command {
    /// The facts about this command.
    pub const fn facts(&self) -> CommandFacts {
        match self {
            Self::FormCluster { .. } => fits("form_cluster").internal(),
            // A node with a larger disk makes room.
            Self::AdmitNode { .. } => fits("admit_node").internal(),
            Self::CreateJoinToken { .. } => fits("create_join_token"),
            // So does less history.
            Self::UpdateSettings { .. } => fits("update_settings"),
            Self::Tick => fits("tick").internal(),
            Self::Heartbeats { .. } => fits("heartbeats").internal(),
            Self::RegisterEngineer { .. } => grows("register_engineer"),
            Self::AddKey { .. } => grows("add_key"),
            Self::RevokeKey { .. } => fits("revoke_key"),
            Self::ChangeRole { .. } => fits("change_role"),
            Self::DeleteEngineer { .. } => fits("delete_engineer"),
            Self::UpdateProject { project, .. } => grows("update_project").in_project(*project),
            Self::DeleteProject { project } => fits("delete_project").in_project(*project),
            Self::CreateProject { .. } => grows("create_project"),
            Self::AddMember { project, .. } => grows("add_member").in_project(*project),
            Self::RemoveMember { project, .. } => fits("remove_member").in_project(*project),
            Self::CreateFeature { project, .. } => grows("create_feature").in_project(*project),
            Self::UpdateFeature { project, .. } => grows("update_feature").in_project(*project),
            Self::DeleteFeature { project, .. } => fits("delete_feature").in_project(*project),
            Self::ReadyFeature { project, .. } => grows("ready_feature").in_project(*project),
            Self::DraftFeature { project, .. } => grows("draft_feature").in_project(*project),
            Self::PickFeature { project, .. } => grows("pick_feature").in_project(*project),
            Self::PickNext { project, .. } => grows("pick_next").in_project(*project),
            Self::ReleaseFeature { project, .. } => fits("release_feature").in_project(*project),
            Self::CompleteFeature { project, .. } => fits("complete_feature").in_project(*project),
            Self::CancelFeature { project, .. } => fits("cancel_feature").in_project(*project),
            Self::ClaimPaths { project, .. } => grows("claim_paths").in_project(*project),
            Self::ReleasePaths { project, .. } => fits("release_paths").in_project(*project),
            Self::RefreshClaims { project } => fits("refresh_claims").in_project(*project),
            Self::ForceRelease { project, .. } => fits("force_release").in_project(*project),
            Self::StartSession { project, .. } => grows("start_session").in_project(*project),
            Self::EndSession { project, .. } => fits("end_session").in_project(*project),
            Self::AddLearning { project, .. } => grows("add_learning").in_project(*project),
            Self::AddDecision { project, .. } => grows("add_decision").in_project(*project),
            Self::SaveCheckpoint { project, .. } => grows("save_checkpoint").in_project(*project),
            Self::ReorderRoadmap { project, .. } => grows("reorder_roadmap").in_project(*project),
            Self::MoveFeature { project, .. } => grows("move_feature").in_project(*project),
            Self::IssueTicket { .. } => grows("issue_ticket"),
            Self::RedeemTicket { .. } => fits("redeem_ticket"),
            // It records the answer to an operation that is already done.
            Self::KeepAnswer { .. } => fits("keep_answer"),
            Self::RaiseRules(_) => fits("raise_rules").internal(),
        }
    }

    /// The command's name in logs and metrics.
    pub const fn name(&self) -> &'static str {
        self.facts().name
    }

    /// The project that the command is about; see [`CommandFacts::project`].
    pub const fn project(&self) -> Option<ProjectId> {
        self.facts().project
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_something_is_no_growth() {
        let project = ProjectId::MIN;
        let slug = crate::short_text::Slug::parse("a").unwrap();
        assert!(!Command::Tick.facts().grows);
        assert!(!Command::ReleaseFeature { project, slug: slug.clone() }.facts().grows);
        let digest = crate::entity::TokenDigest([7; 32]);
        assert!(!Command::RedeemTicket { digest }.facts().grows, "it uses one up");
        assert!(Command::IssueTicket { digest }.facts().grows);
        let role = crate::entity::Role::Readonly;
        assert!(!Command::ChangeRole { engineer: crate::ids::EngineerId::MIN, role }.facts().grows);
        assert!(!Command::DeleteProject { project }.facts().grows);
        assert!(!Command::DeleteEngineer { engineer: crate::ids::EngineerId::MIN }.facts().grows);
        assert!(Command::PickFeature { project, slug: slug.clone() }.facts().grows);
        assert!(Command::ReadyFeature { project, slug }.facts().grows);
    }
}
