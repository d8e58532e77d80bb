//! The commands of the cluster. Each command is one file: its fields, the facts about it, the right to see its
//! answer again, and its decision. It carries everything that applying it needs, ids, times and random values included,
//! so that every node computes the same result. What several commands need is in [`decide`](crate::decide).
//!
//! A new command is a file with its name, a line among the modules, and a line at the end of the list.

mod add_decision;
mod add_key;
mod add_learning;
mod add_member;
mod admit_node;
mod api_key;
mod begin_history;
mod cancel_feature;
mod change_role;
mod claim_paths;
mod complete_feature;
mod create_feature;
mod create_join_token;
mod create_project;
mod delete_engineer;
mod delete_feature;
mod delete_project;
mod draft_feature;
mod end_session;
mod force_release;
mod form_cluster;
mod heartbeats;
mod issue_ticket;
mod keep_answer;
mod move_feature;
mod pick_feature;
mod pick_next;
mod raise_rules;
mod ready_feature;
mod redeem_ticket;
mod refresh_claims;
mod register_engineer;
mod release_feature;
mod release_paths;
mod remove_member;
mod reorder_roadmap;
mod reset_key;
mod revoke_key;
mod save_checkpoint;
mod set_replica;
mod start_session;
mod tick;
mod update_feature;
mod update_project;
mod update_settings;

pub use add_decision::NewDecision;
pub use api_key::NewApiKey;
pub use create_feature::NewFeature;
pub use save_checkpoint::NewCheckpoint;
pub use update_feature::FeaturePatch;

use crate::{
    actor::Actor,
    decide::{Context, Decide, Decision, Facts, TOO_NEW},
    ids::ProjectId,
    refusal::Refusal,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Makes an enum of all commands, each by its module and its type.
macro_rules! commands {
    ($($module:ident::$name:ident,)*) => {
        $(pub use $module::$name;)*

        /// A command to the cluster. Every id in it was created by the node that received the request.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum Command {
            $(
                #[doc = concat!("See [`struct@", stringify!($name), "`].")]
                $name($name),
            )*
        }

        impl Command {
            /// The command's name in logs and metrics: that of its module.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($module),)*
                }
            }

            fn rule(&self) -> &dyn Decide {
                match self {
                    $(Self::$name(command) => command,)*
                }
            }
        }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }
        )*
    };
}

// Entries of the log have a command's position in this list: no line is moved or removed.
commands! {
    form_cluster::FormCluster,
    admit_node::AdmitNode,
    create_join_token::CreateJoinToken,
    update_settings::UpdateSettings,
    tick::Tick,
    heartbeats::Heartbeats,
    register_engineer::RegisterEngineer,
    add_key::AddKey,
    revoke_key::RevokeKey,
    change_role::ChangeRole,
    delete_engineer::DeleteEngineer,
    update_project::UpdateProject,
    delete_project::DeleteProject,
    create_project::CreateProject,
    add_member::AddMember,
    remove_member::RemoveMember,
    create_feature::CreateFeature,
    update_feature::UpdateFeature,
    delete_feature::DeleteFeature,
    ready_feature::ReadyFeature,
    draft_feature::DraftFeature,
    pick_feature::PickFeature,
    pick_next::PickNext,
    release_feature::ReleaseFeature,
    complete_feature::CompleteFeature,
    cancel_feature::CancelFeature,
    claim_paths::ClaimPaths,
    release_paths::ReleasePaths,
    refresh_claims::RefreshClaims,
    force_release::ForceRelease,
    start_session::StartSession,
    end_session::EndSession,
    add_learning::AddLearning,
    add_decision::AddDecision,
    save_checkpoint::SaveCheckpoint,
    reorder_roadmap::ReorderRoadmap,
    move_feature::MoveFeature,
    issue_ticket::IssueTicket,
    redeem_ticket::RedeemTicket,
    keep_answer::KeepAnswer,
    raise_rules::RaiseRules,
    reset_key::ResetKey,
    begin_history::BeginHistory,
    set_replica::SetReplica,
}

impl Command {
    /// The facts about this command.
    pub fn facts(&self) -> Facts {
        self.rule().facts()
    }

    /// The project that the command is about; see [`Facts::project`].
    pub fn project(&self) -> Option<ProjectId> {
        self.facts().project
    }

    /// Whether deciding this command may take much work in a state, so that it is better computed beforehand.
    pub fn may_be_expensive(&self, state: &State) -> bool {
        self.rule().may_be_expensive(state)
    }

    /// Checks that a retry may see the cached answer to this command: only if its actor has the right to send the
    /// command at this moment.
    ///
    /// # Errors
    /// The refusal that a new request would get.
    pub(crate) fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        match ctx.actor {
            // These are the cluster's own requests, and requests with a token that is part of them.
            Actor::System | Actor::Anonymous => Ok(()),
            Actor::Engineer { .. } => self.rule().may_replay(ctx),
        }
    }

    /// Decides this command, within the budget of one entry.
    ///
    /// # Errors
    /// The refusal. Then nothing changes.
    pub(crate) fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        if self.facts().since > ctx.state.rules {
            return Err(Refusal::Cluster(TOO_NEW.to_owned()));
        }
        self.rule().decide(ctx, work)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        entity::{Role, TokenDigest},
        ids::EngineerId,
        short_text::Slug,
    };

    #[test]
    fn what_ends_something_is_no_growth() {
        let project = ProjectId::MIN;
        let slug = Slug::parse("a").unwrap();
        assert!(!Tick.facts().grows);
        assert!(!ReleaseFeature { project, slug: slug.clone() }.facts().grows);
        let digest = TokenDigest([7; 32]);
        assert!(!RedeemTicket { digest }.facts().grows, "it uses one up");
        assert!(IssueTicket { digest }.facts().grows);
        let role = Role::Readonly;
        assert!(!ChangeRole { engineer: EngineerId::MIN, role }.facts().grows);
        assert!(!DeleteProject { project }.facts().grows);
        assert!(!DeleteEngineer { engineer: EngineerId::MIN }.facts().grows);
        assert!(PickFeature { project, slug: slug.clone() }.facts().grows);
        assert!(ReadyFeature { project, slug }.facts().grows);
    }
}
