//! The identifiers of everything that Nexus stores. None is created here: ids come inside proposals.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Lowest possible id: the start of a range scan.
            pub const MIN: Self = Self(Uuid::nil());
            /// Highest possible id: the end of a range scan.
            pub const MAX: Self = Self(Uuid::max());
        }

        impl Default for $name {
            fn default() -> Self {
                Self::MIN
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

uuid_ids! {
    /// One cluster. A node refuses peers of another cluster.
    ClusterId,
    /// A person with API keys.
    EngineerId,
    /// One API key of an engineer.
    KeyId,
    /// One codebase and the people and agents who work on it.
    ProjectId,
    /// One piece of work, picked by one session at a time.
    FeatureId,
    /// One run of one agent, or an engineer's default session.
    SessionId,
    /// One checkpoint of the work on a feature.
    CheckpointId,
    /// One learning about a feature.
    LearningId,
    /// One decision about a project.
    DecisionId,
    /// One token with which nodes join the cluster.
    JoinTokenId,
    /// One data folder of a node. A wiped folder is another instance, even at the same address.
    InstanceId,
}

/// A member of the cluster. Each id is handed out once: a node that lost its data comes back under a new id, since a
/// voter that forgot its votes could help to elect two leaders in one term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
