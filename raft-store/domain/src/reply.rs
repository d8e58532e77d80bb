//! What a command that was carried out answers: the things that it made or changed.

use crate::{
    document::DocumentKey,
    entity::{
        ApiKey, ClaimUsage, Engineer, Feature, JoinToken, Member, NodeRecord, Project, Session, Ticket,
    },
    ids::{NodeId, SessionId},
    pattern::Pattern,
    settings::Settings,
    state::State,
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
    /// The paths that were asked for are held, by this session.
    Claimed(Arc<Session>),
    /// The lease was renewed.
    Held {
        /// Of this session.
        session: Arc<Session>,
        /// Which holds these paths.
        paths: Arc<[Pattern]>,
    },
    /// Paths were given back.
    Released {
        /// Which; a remembered answer has the first of them only.
        paths: Arc<[Pattern]>,
        /// How many.
        count: u64,
    },
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

/// Paths of a remembered answer, in bytes: requests and answers may have megabytes of them, and there are tens
/// of thousands of answers.
const MAX_REMEMBERED_PATH_BYTES: usize = 4 << 10;

impl Reply {
    /// Paths were given back.
    pub(crate) fn released(paths: impl IntoIterator<Item = Pattern>) -> Self {
        let paths: Arc<[Pattern]> = paths.into_iter().collect();
        let count = paths.len() as u64;
        Self::Released { paths, count }
    }

    /// Bytes of the paths in it.
    pub(crate) fn path_bytes(&self) -> usize {
        match self {
            Self::Feature(feature) | Self::Picked { feature, .. } => paths_of(feature).bytes,
            Self::Held { paths, .. } | Self::Released { paths, .. } => ClaimUsage::of(&**paths).bytes,
            _ => 0,
        }
    }

    /// As it is remembered: without more paths than are worth their place. None when it stays as it is.
    pub(crate) fn cut(&self) -> Option<Self> {
        if self.path_bytes() <= MAX_REMEMBERED_PATH_BYTES {
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
                let mut left = MAX_REMEMBERED_PATH_BYTES;
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
            _ => None,
        }
    }

    /// With the paths that were cut, as the state has them now.
    pub(crate) fn completed(&self, state: &State) -> Self {
        match self {
            Self::Feature(feature) => Self::Feature(with_paths(state, feature)),
            Self::Picked { feature, session } => {
                Self::Picked { feature: with_paths(state, feature), session: session.clone() }
            }
            Self::Held { session, .. } => {
                Self::Held { session: session.clone(), paths: state.paths_of(session) }
            }
            other => other.clone(),
        }
    }
}

fn paths_of(feature: &Feature) -> ClaimUsage {
    ClaimUsage::of(feature.touches.iter().chain(&*feature.reads))
}

fn without_paths(feature: &Feature) -> Arc<Feature> {
    Arc::new(Feature { touches: Arc::default(), reads: Arc::default(), ..feature.clone() })
}

fn with_paths(state: &State, feature: &Arc<Feature>) -> Arc<Feature> {
    match state.feature(feature.project, feature.id) {
        Some(now) => Arc::new(Feature {
            touches: now.touches.clone(),
            reads: now.reads.clone(),
            ..Feature::clone(feature)
        }),
        None => feature.clone(),
    }
}
