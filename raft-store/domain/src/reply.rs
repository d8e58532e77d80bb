//! What a command that was carried out answers: the things that it made or changed.

use crate::{
    document::DocumentKey,
    entity::{ApiKey, Engineer, Feature, JoinToken, Member, NodeRecord, Project, Session, Ticket},
    ids::{NodeId, SessionId},
    pattern::Pattern,
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a command that was carried out answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing beyond "done".
    Done,
    /// A node id was given out.
    Node(Arc<NodeRecord>),
    /// An invitation was made.
    JoinToken(Arc<JoinToken>),
    /// The settings as they are now.
    Settings(Arc<Settings>),
    /// An engineer was made.
    Registered {
        /// The engineer.
        engineer: Arc<Engineer>,
        /// What the first key was derived with.
        salt: Option<[u8; 16]>,
    },
    /// A key was added.
    KeyAdded(Arc<ApiKey>),
    /// An engineer was changed.
    Engineer(Arc<Engineer>),
    /// A project was made.
    Project(Arc<Project>),
    /// A member was added.
    Member(Arc<Member>),
    /// A feature was made or changed.
    Feature(Arc<Feature>),
    /// A feature was picked.
    Picked {
        /// The feature, active.
        feature: Arc<Feature>,
        /// Its session.
        session: Arc<Session>,
    },
    /// A session was started or found.
    Session(Arc<Session>),
    /// Paths were taken.
    Claimed {
        /// Which.
        paths: Arc<[Pattern]>,
        /// By whom.
        session: Arc<Session>,
    },
    /// Paths were given back, or are still held.
    Paths(Arc<[Pattern]>),
    /// Signs of life were taken in, but for these sessions, which are over.
    Heartbeats {
        /// Sessions that do not exist any more.
        unknown: Vec<SessionId>,
    },
    /// A text was written, here. The text itself would fill the reply table.
    Text(DocumentKey),
    /// A checkpoint says what the newest one says, and was not kept.
    DuplicateCheckpoint,
    /// A ticket was issued, or used up.
    Ticket(Arc<Ticket>),
    /// This node leads now.
    Leads(NodeId),
    /// This node was let in.
    Joined(NodeId),
}
