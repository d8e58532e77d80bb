//! Replies: what a command that was carried out returns. Refusals are in [`refusal`](crate::refusal).

use crate::{
    document::DocumentKey,
    entity::{
        ApiKey, ClaimUsage, Engineer, Feature, JoinToken, Member, NodeRecord, Project, Session, Ticket,
    },
    ids::{NodeId, SessionId},
    pattern::Pattern,
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The reply to a successful command: the entities that it created or changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The command returns nothing.
    Done,
    /// A node id was handed out.
    Node(Arc<NodeRecord>),
    /// A join token was created.
    JoinToken(Arc<JoinToken>),
    /// The settings were changed to these.
    Settings(Arc<Settings>),
    /// An engineer was registered.
    Registered {
        /// The engineer as registered.
        engineer: Arc<Engineer>,
        /// The salt from which the first API key was derived; `None` without an idempotency key.
        salt: Option<[u8; 16]>,
    },
    /// An API key was added.
    KeyAdded(Arc<ApiKey>),
    /// An engineer was changed.
    Engineer(Arc<Engineer>),
    /// A project was created or updated.
    Project(Arc<Project>),
    /// A member was added.
    Member(Arc<Member>),
    /// A feature was created or changed.
    Feature(Arc<Feature>),
    /// A feature was picked.
    Picked {
        /// The feature, in status active.
        feature: Arc<Feature>,
        /// The session that holds it.
        session: Arc<Session>,
    },
    /// A session was started, found or ended.
    Session(Arc<Session>),
    /// This session holds the requested paths.
    Claimed(Arc<Session>),
    /// The lease of a session was renewed.
    Held {
        /// The session with its new lease.
        session: Arc<Session>,
        /// The paths that it holds. A cached reply has none.
        paths: Arc<[Pattern]>,
    },
    /// Paths were released.
    Released {
        /// The released paths. A cached reply has only the first ones.
        paths: Arc<[Pattern]>,
        /// The number of released paths.
        count: u64,
    },
    /// Heartbeats were applied, except those of sessions that are over.
    Heartbeats {
        /// The sessions that do not exist any more.
        unknown: Vec<SessionId>,
    },
    /// A text was stored under this key. The text itself would fill the reply cache.
    Text(DocumentKey),
    /// A periodic checkpoint repeats the newest one, and was not stored.
    DuplicateCheckpoint,
    /// A ticket was issued, or used up.
    Ticket(Arc<Ticket>),
    /// This node became the leader.
    Leads(NodeId),
    /// This node became a voter.
    Joined(NodeId),
}

/// The bytes of the paths in a cached reply. A reply may have megabytes of them, and the cache has tens of thousands of
/// replies.
const MAX_CACHED_PATH_BYTES: usize = 4 << 10;

impl Reply {
    /// The reply for released paths.
    pub(crate) fn released(paths: impl IntoIterator<Item = Pattern>) -> Self {
        let paths: Arc<[Pattern]> = paths.into_iter().collect();
        let count = paths.len() as u64;
        Self::Released { paths, count }
    }

    /// The bytes of the paths in it.
    pub(crate) fn path_bytes(&self) -> usize {
        match self {
            Self::Feature(feature) | Self::Picked { feature, .. } => paths_of(feature).bytes,
            Self::Held { paths, .. } | Self::Released { paths, .. } => ClaimUsage::of(&**paths).bytes,
            Self::Done
            | Self::Node(_)
            | Self::JoinToken(_)
            | Self::Settings(_)
            | Self::Registered { .. }
            | Self::KeyAdded(_)
            | Self::Engineer(_)
            | Self::Project(_)
            | Self::Member(_)
            | Self::Session(_)
            | Self::Claimed(_)
            | Self::Heartbeats { .. }
            | Self::Text(_)
            | Self::DuplicateCheckpoint
            | Self::Ticket(_)
            | Self::Leads(_)
            | Self::Joined(_) => 0,
        }
    }

    /// The reply as it is cached, without long lists of paths; `None` if it stays as it is.
    pub(crate) fn cut(&self) -> Option<Self> {
        if self.path_bytes() <= MAX_CACHED_PATH_BYTES {
            return None;
        }
        match self {
            Self::Feature(feature) => Some(Self::Feature(without_paths(feature))),
            Self::Picked { feature, session } => {
                Some(Self::Picked { feature: without_paths(feature), session: session.clone() })
            }
            Self::Held { session, .. } => {
                Some(Self::Held { session: session.clone(), paths: Arc::default() })
            }
            Self::Released { paths, count } => {
                let mut left = MAX_CACHED_PATH_BYTES;
                let fits = |path: &&Pattern| match left.checked_sub(path.as_str().len()) {
                    Some(rest) => {
                        left = rest;
                        true
                    }
                    None => false,
                };
                let paths = paths.iter().take_while(fits).cloned().collect();
                Some(Self::Released { paths, count: *count })
            }
            Self::Done
            | Self::Node(_)
            | Self::JoinToken(_)
            | Self::Settings(_)
            | Self::Registered { .. }
            | Self::KeyAdded(_)
            | Self::Engineer(_)
            | Self::Project(_)
            | Self::Member(_)
            | Self::Session(_)
            | Self::Claimed(_)
            | Self::Heartbeats { .. }
            | Self::Text(_)
            | Self::DuplicateCheckpoint
            | Self::Ticket(_)
            | Self::Leads(_)
            | Self::Joined(_) => None,
        }
    }
}

fn paths_of(feature: &Feature) -> ClaimUsage {
    ClaimUsage::of(feature.touches.iter().chain(&*feature.reads))
}

fn without_paths(feature: &Feature) -> Arc<Feature> {
    Arc::new(Feature { touches: Arc::default(), reads: Arc::default(), ..feature.clone() })
}
