//! Features: pieces of work, with their whole lifecycle in one type.

use crate::{
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    short_text::{AgentName, Slug, Title},
    time::{Fence, Revision, WallTime},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, fmt, sync::Arc};

/// How soon a feature is wanted, soonest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Lane {
    /// In work or to be taken first.
    Now,
    /// After that.
    #[default]
    Next,
    /// Some day.
    Later,
    /// Put aside.
    Icebox,
}

impl Lane {
    /// All lanes in their order.
    pub const ALL: [Self; 4] = [Self::Now, Self::Next, Self::Later, Self::Icebox];

    /// Its name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Next => "next",
            Self::Later => "later",
            Self::Icebox => "icebox",
        }
    }
}

/// Who holds something, with what people need to recognise them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The session that holds it.
    pub session: SessionId,
    /// Its engineer.
    pub engineer: EngineerId,
    /// The name of its agent; none for the engineer's default session.
    pub agent: Option<AgentName>,
}

/// Where a feature stands. What only some stages have stands in those stages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Being written.
    Draft,
    /// Free to be picked.
    Ready {
        /// When a session that worked on it was lost; cleared by the next pick.
        interrupted_at: Option<WallTime>,
    },
    /// Picked: its holder has its files.
    Active {
        /// Who works on it.
        holder: Holder,
        /// The pick.
        claimed_at: WallTime,
        /// Grows with every pick.
        fence: Fence,
    },
    /// Finished.
    Done {
        /// Who finished it.
        holder: Holder,
        /// The pick.
        claimed_at: WallTime,
        /// The end.
        completed_at: WallTime,
    },
    /// Given up.
    Cancelled,
}

impl Status {
    /// The name of the stage, as people and clients see it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready { .. } => "ready",
            Self::Active { .. } => "active",
            Self::Done { .. } => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether work on it is over, so that it blocks nothing.
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
    /// Identity.
    pub id: FeatureId,
    /// The project, for ever.
    pub project: ProjectId,
    /// Unique in the project, for ever.
    pub slug: Slug,
    /// One line for people.
    pub title: Title,
    /// How soon.
    pub lane: Lane,
    /// Place within the lane, from 1; lowest first.
    pub priority: u32,
    /// Paths that its holder claims exclusively.
    pub touches: Arc<[Pattern]>,
    /// Paths that its holder claims shared.
    pub reads: Arc<[Pattern]>,
    /// Features of the same project that must be over first.
    pub depends_on: Arc<[Slug]>,
    /// The entry that gave it these three lists. Events name it instead of repeating them.
    pub lists_at: Revision,
    /// Length of its spec in bytes, which is a document.
    pub spec_bytes: u32,
    /// Author.
    pub created_by: EngineerId,
    /// Whose quota it counts against: the author's, or that of whoever made it larger last.
    pub charged_to: EngineerId,
    /// Creation.
    pub created_at: WallTime,
    /// Last change.
    pub updated_at: WallTime,
    /// Stage.
    pub status: Status,
}

/// What a feature once touched, read and depended on. Kept for events of that time, which only name it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeatureLists {
    /// Its exclusive paths.
    pub touches: Arc<[Pattern]>,
    /// Its shared paths.
    pub reads: Arc<[Pattern]>,
    /// Its dependencies.
    pub depends_on: Arc<[Slug]>,
}

/// That lists of a feature were replaced, and are kept as a document while events name them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplacedLists {
    /// The entry that had given the feature these lists.
    pub lists_at: Revision,
    /// Who replaced them: they count against this engineer's quota, not against the author's.
    pub replaced_by: EngineerId,
    /// What they take on disk, in bytes.
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

    /// With the lists that it had at that time.
    pub fn set_lists(&mut self, lists: FeatureLists) {
        (self.touches, self.reads, self.depends_on) = (lists.touches, lists.reads, lists.depends_on);
    }

    /// The same without its lists, which can be much more than all else.
    pub(crate) fn without_lists(&self) -> Self {
        Self { touches: [].into(), reads: [].into(), depends_on: [].into(), ..self.clone() }
    }

    /// Bytes of its lists: nearly all that it takes to write it down.
    pub fn list_bytes(&self) -> usize {
        let paths = self.touches.iter().chain(&*self.reads).map(|path| path.as_str().len());
        paths.chain(self.depends_on.iter().map(|slug| slug.as_str().len())).sum()
    }

    /// Whether it takes as much to store as another state of it, by what is cheap to compare: a change of its stage
    /// or lane leaves its lists where they are.
    pub(crate) fn weighs_as_much_as(&self, other: &Self) -> bool {
        self.slug.as_str().len() == other.slug.as_str().len()
            && self.title.as_str().len() == other.title.as_str().len()
            && self.spec_bytes == other.spec_bytes
            && self.charged_to == other.charged_to
            && Arc::ptr_eq(&self.touches, &other.touches)
            && Arc::ptr_eq(&self.reads, &other.reads)
            && Arc::ptr_eq(&self.depends_on, &other.depends_on)
    }

    /// Its place on the board.
    pub fn board_key(&self) -> BoardKey {
        BoardKey {
            project: self.project,
            lane: self.lane,
            priority: self.priority,
            newest: Reverse((self.created_at, self.id)),
        }
    }

    /// Who works on it now.
    pub const fn holder(&self) -> Option<&Holder> {
        match &self.status {
            Status::Active { holder, .. } => Some(holder),
            _ => None,
        }
    }

    /// The fence of the pick that it is worked on under.
    pub const fn fence(&self) -> Option<Fence> {
        match &self.status {
            Status::Active { fence, .. } => Some(*fence),
            _ => None,
        }
    }

    /// Whether this session works on it now.
    pub fn is_held_by(&self, session: SessionId) -> bool {
        self.holder().is_some_and(|holder| holder.session == session)
    }
}

/// The order in which features are listed: lane, priority, newest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BoardKey {
    /// The project comes first: one project's features are one range.
    pub project: ProjectId,
    /// Soonest first.
    pub lane: Lane,
    /// Lowest first.
    pub priority: u32,
    /// Newest first; the id settles a tie.
    pub newest: Reverse<(WallTime, FeatureId)>,
}
