//! Features: pieces of work. One type has their whole lifecycle.

use crate::{
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    short_text::{AgentName, Slug, Title},
    time::{Fence, Revision, WallTime},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, fmt, sync::Arc};

/// The lane of the board that a feature is in, soonest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Lane {
    /// Picked before all others.
    Now,
    /// Picked after [`Lane::Now`].
    #[default]
    Next,
    /// Picked after [`Lane::Next`].
    Later,
    /// Put aside. `pick-next` comes to it last.
    Icebox,
}

impl Lane {
    /// All lanes in their order.
    pub const ALL: [Self; 4] = [Self::Now, Self::Next, Self::Later, Self::Icebox];

    /// The lane's name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Next => "next",
            Self::Later => "later",
            Self::Icebox => "icebox",
        }
    }
}

/// The holder of a feature or a path, with what people need to recognise it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The session that holds it.
    pub session: SessionId,
    /// The engineer of the session.
    pub engineer: EngineerId,
    /// The name of the agent; `None` for the engineer's default session.
    pub agent: Option<AgentName>,
}

/// The status of a feature, with the fields that only this status has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// It is being written, and cannot be picked yet.
    Draft,
    /// It can be picked.
    Ready {
        /// The wall time at which the session that worked on it ended unfinished; cleared by the next pick.
        interrupted_at: Option<WallTime>,
    },
    /// It is picked, and its holder has claimed its paths.
    Active {
        /// The session that works on it.
        holder: Holder,
        /// The wall time of the pick.
        claimed_at: WallTime,
        /// The log index of the pick.
        fence: Fence,
    },
    /// It is finished.
    Done {
        /// The session that finished it.
        holder: Holder,
        /// The wall time of the pick.
        claimed_at: WallTime,
        /// The wall time at which it was finished.
        completed_at: WallTime,
    },
    /// The feature was cancelled.
    Cancelled,
}

impl Status {
    /// The name of the status, as people and clients see it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready { .. } => "ready",
            Self::Active { .. } => "active",
            Self::Done { .. } => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it is done or cancelled. Then it blocks no feature that depends on it.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Cancelled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One piece of work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Feature {
    /// The feature's id.
    pub id: FeatureId,
    /// The project that it belongs to; never changes.
    pub project: ProjectId,
    /// The name in addresses, unique in the project; never changes.
    pub slug: Slug,
    /// One line for people.
    pub title: Title,
    /// The lane of the board.
    pub lane: Lane,
    /// The priority within the lane, from 1; the lowest comes first.
    pub priority: u32,
    /// Paths that its holder claims exclusively.
    pub touches: Arc<[Pattern]>,
    /// Paths that its holder claims shared.
    pub reads: Arc<[Pattern]>,
    /// Features of the same project that must be done or cancelled before it can be picked.
    pub depends_on: Arc<[Slug]>,
    /// The entry that set these three lists. Stored events refer to it instead of repeating them.
    pub lists_at: Revision,
    /// The length of its spec in bytes. The spec is a document.
    pub spec_bytes: u32,
    /// The engineer who created it.
    pub created_by: EngineerId,
    /// The engineer whose quota it counts against: the author, or the engineer who last made it larger.
    pub charged_to: EngineerId,
    /// The wall time at which it was created.
    pub created_at: WallTime,
    /// The wall time of its last change.
    pub updated_at: WallTime,
    /// The status, with what only this status has.
    pub status: Status,
}

/// The three lists of a feature at some time. Replaced ones are stored for past events, which only refer to them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeatureLists {
    /// The exclusive paths.
    pub touches: Arc<[Pattern]>,
    /// The shared paths.
    pub reads: Arc<[Pattern]>,
    /// The features that it depended on.
    pub depends_on: Arc<[Slug]>,
}

/// The record of replaced lists of a feature. The lists are a document while events refer to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplacedLists {
    /// The entry that had set these lists.
    pub lists_at: Revision,
    /// The engineer who replaced them. They count against this engineer's quota.
    pub replaced_by: EngineerId,
    /// Their bytes on disk.
    pub bytes: u64,
}

impl Feature {
    /// Its three lists.
    pub fn lists(&self) -> FeatureLists {
        FeatureLists {
            touches: self.touches.clone(),
            reads: self.reads.clone(),
            depends_on: self.depends_on.clone(),
        }
    }

    /// Sets the three lists.
    pub fn set_lists(&mut self, lists: FeatureLists) {
        (self.touches, self.reads, self.depends_on) = (lists.touches, lists.reads, lists.depends_on);
    }

    /// The same feature without its lists, which can be much larger than the rest.
    pub(crate) fn without_lists(&self) -> Self {
        Self { touches: [].into(), reads: [].into(), depends_on: [].into(), ..self.clone() }
    }

    /// The bytes of its lists: nearly all of its stored size.
    pub fn list_bytes(&self) -> usize {
        let paths = self.touches.iter().chain(&*self.reads).map(|path| path.as_str().len());
        paths.chain(self.depends_on.iter().map(|slug| slug.as_str().len())).sum()
    }

    /// Whether it certainly takes as much storage as another version of it. Compares only what is cheap to compare: a
    /// change of status or lane keeps the same lists in memory.
    pub(crate) fn has_size_of(&self, other: &Self) -> bool {
        self.slug.as_str().len() == other.slug.as_str().len()
            && self.title.as_str().len() == other.title.as_str().len()
            && self.spec_bytes == other.spec_bytes
            && self.charged_to == other.charged_to
            && Arc::ptr_eq(&self.touches, &other.touches)
            && Arc::ptr_eq(&self.reads, &other.reads)
            && Arc::ptr_eq(&self.depends_on, &other.depends_on)
    }

    /// The key by which the board sorts it.
    pub fn board_key(&self) -> BoardKey {
        BoardKey {
            project: self.project,
            lane: self.lane,
            priority: self.priority,
            newest: Reverse((self.created_at, self.id)),
        }
    }

    /// The holder, if it is picked.
    pub const fn holder(&self) -> Option<&Holder> {
        match &self.status {
            Status::Active { holder, .. } => Some(holder),
            _ => None,
        }
    }

    /// The fence of the pick, if it is picked.
    pub const fn fence(&self) -> Option<Fence> {
        match &self.status {
            Status::Active { fence, .. } => Some(*fence),
            _ => None,
        }
    }

    /// Whether this session has picked it.
    pub fn is_held_by(&self, session: SessionId) -> bool {
        self.holder().is_some_and(|holder| holder.session == session)
    }
}

/// The order of the features on the board: lane, priority, newest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BoardKey {
    /// The project. It comes first, so that one project's features are one range.
    pub project: ProjectId,
    /// The lane, soonest first.
    pub lane: Lane,
    /// The priority, lowest first.
    pub priority: u32,
    /// The time of creation, newest first; the id settles a tie.
    pub newest: Reverse<(WallTime, FeatureId)>,
}
