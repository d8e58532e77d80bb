//! How the state changes by each event. Folding an event cannot fail: the command has refused everything that could be
//! wrong.

use super::Event;
use crate::{
    entity::{Claim, ClaimKey},
    row::RowKey,
    state::State,
    usage::Usage,
};
use std::{collections::BTreeSet, sync::Arc};

impl State {
    /// Folds one event into the state, and adds the rows that it changes to `touched`.
    pub(crate) fn evolve(&mut self, event: &Event, touched: &mut BTreeSet<RowKey>) {
        match event {
            Event::ClusterFormed { origin, nodes } => {
                self.origin = Some(origin.clone());
                touched.insert(RowKey::Origin);
                touched.insert(RowKey::Settings);
                for node in nodes {
                    touched.insert(RowKey::Node(node.id));
                    self.put_node(node.clone());
                }
            }
            Event::BootstrapTokenUsed => {
                if let Some(origin) = &mut self.origin {
                    Arc::make_mut(origin).bootstrap = None;
                    touched.insert(RowKey::Origin);
                }
            }
            Event::NodeAdmitted(node) => {
                touched.insert(RowKey::Node(node.id));
                self.put_node(node.clone());
            }
            Event::JoinTokenCreated(token) => {
                touched.insert(RowKey::JoinToken(token.id));
                self.put_join_token(token.clone());
            }
            Event::JoinTokenExpired(token) => {
                touched.insert(RowKey::JoinToken(token.id));
                self.remove_join_token(token.id);
            }
            Event::SettingsChanged(settings) => {
                self.settings = settings.clone();
                touched.insert(RowKey::Settings);
            }
            Event::EngineerRegistered(engineer) | Event::RoleChanged(engineer) => {
                touched.insert(RowKey::Engineer(engineer.id));
                self.put_engineer(engineer.clone());
            }
            Event::KeyAdded(key) => {
                touched.insert(RowKey::ApiKey(key.prefix));
                self.put_api_key(key.clone());
            }
            Event::KeyRevoked(key) => {
                touched.insert(RowKey::ApiKey(key.prefix));
                self.remove_api_key(key.prefix);
            }
            Event::ProjectCreated(project) => {
                touched.insert(RowKey::Project(project.id));
                self.put_project(project.clone());
            }
            Event::ProjectUpdated(project) => {
                touched.insert(RowKey::Project(project.id));
                self.put_project(project.clone());
                self.rebuild_claim_index(project.id);
            }
            Event::MemberAdded(member) => {
                touched.insert(RowKey::Member(member.project, member.engineer));
                self.put_member(member.clone());
            }
            Event::MemberRemoved(member) => {
                touched.insert(RowKey::Member(member.project, member.engineer));
                self.remove_member(member.project, member.engineer);
            }
            Event::FeatureCreated(feature)
            | Event::FeatureUpdated { feature, .. }
            | Event::FeatureClaimed(feature)
            | Event::FeatureReleased { feature, .. }
            | Event::FeatureCompleted(feature) => {
                touched.insert(RowKey::Feature(feature.project, feature.id));
                self.put_feature(feature.clone());
            }
            Event::FeatureDeleted(feature) => {
                touched.insert(RowKey::Feature(feature.project, feature.id));
                self.remove_feature(feature, touched);
            }
            Event::FilesClaimed { project, holder, feature, paths, mode, fence, claimed_at } => {
                let claim = Claim { mode: *mode, fence: *fence, claimed_at: *claimed_at };
                let mut more = Usage::default();
                for path in paths.iter() {
                    let key = ClaimKey {
                        project: *project,
                        session: holder.session,
                        feature: *feature,
                        path: path.clone(),
                    };
                    touched.insert(RowKey::Claim(key.clone()));
                    if self.put_claim(key, claim) {
                        more.add(Usage::of_claim(path));
                    }
                }
                self.usage.replace(*project, holder.engineer, Usage::default(), more);
            }
            Event::FilesReleased { project, holder, feature, paths, .. } => {
                let mut less = Usage::default();
                for path in paths.iter() {
                    let key = ClaimKey {
                        project: *project,
                        session: holder.session,
                        feature: *feature,
                        path: path.clone(),
                    };
                    if self.remove_claim(&key) {
                        less.add(Usage::of_claim(path));
                    }
                    touched.insert(RowKey::Claim(key));
                }
                self.usage.replace(*project, holder.engineer, less, Usage::default());
            }
            Event::SessionStarted(session)
            | Event::SessionRenewed(session)
            | Event::SessionDisconnected(session) => {
                touched.insert(RowKey::Session(session.project, session.id));
                self.put_session(session.clone());
            }
            Event::SessionEnded(session) => {
                touched.insert(RowKey::Session(session.project, session.id));
                self.remove_session(session.id);
            }
            // The text is a document, which no rule reads.
            Event::LearningAdded { .. } => {}
            // It announces what another event of the entry does.
            Event::HistoryReset { .. } => {}
            Event::HistoryBegan { cluster, start, node } => {
                self.begin_history(*cluster, start, node, touched);
            }
            Event::FormerHistoryEnded(from) => self.end_former_history(*from, touched),
            Event::ReplicaSet { node, is_replica } => {
                touched.insert(RowKey::Replica(*node));
                self.put_replica(*node, *is_replica);
            }
            Event::DecisionAdded(decision) => {
                touched.insert(RowKey::Decision(decision.project, decision.id));
                self.put_decision(decision.project, decision.id, decision.position);
            }
            Event::CheckpointSaved(latest) => {
                touched.insert(RowKey::LatestCheckpoint(latest.project, latest.feature));
                self.put_latest_checkpoint(*latest);
            }
            Event::EngineerDeleted(engineer) => {
                touched.insert(RowKey::Engineer(engineer.id));
                self.emails.remove(&engineer.email);
                self.engineers.remove(&engineer.id);
            }
            Event::EngineerDeletionBegun(engineer) => {
                touched.insert(RowKey::EngineerDeletion(*engineer));
                self.put_engineer_deletion(*engineer);
            }
            Event::EngineerDeletionEnded(engineer) => {
                touched.insert(RowKey::EngineerDeletion(*engineer));
                self.engineer_deletions.remove(engineer);
            }
            Event::ProjectDeleted(deletion) => {
                touched.insert(RowKey::Project(deletion.project));
                touched.insert(RowKey::ProjectDeletion(deletion.project));
                self.remove_project(deletion.project);
                self.put_project_deletion(*deletion);
            }
            Event::ProjectDeletionAdvanced { deletion, rows } => {
                touched.insert(RowKey::ProjectDeletion(deletion.project));
                self.put_project_deletion(*deletion);
                for row in rows.iter() {
                    self.remove_row(row, touched);
                }
            }
            Event::ProjectDeletionFinished(deletion) => {
                touched.insert(RowKey::ProjectDeletion(deletion.project));
                self.remove_project_deletion(*deletion);
            }
            Event::ListsReplaced { project, feature, kept } => {
                let at = self.clock.revision;
                touched.insert(RowKey::ReplacedLists(*project, *feature, at));
                self.put_replaced_lists(*project, *feature, at, *kept);
            }
            Event::ListsForgotten { project, feature, at } => {
                touched.insert(RowKey::ReplacedLists(*project, *feature, *at));
                self.remove_replaced_lists(*project, *feature, *at);
            }
            Event::RulesRaised(to) => {
                self.rules = *to;
                touched.insert(RowKey::Rules);
            }
            Event::TicketIssued(ticket) => {
                touched.insert(RowKey::Ticket(ticket.digest));
                self.put_ticket(ticket.clone());
            }
            Event::TicketRedeemed(ticket) | Event::TicketExpired(ticket) => {
                touched.insert(RowKey::Ticket(ticket.digest));
                self.remove_ticket(ticket.digest);
            }
        }
    }
}
