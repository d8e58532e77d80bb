//! Features: pieces of work, with their whole lifecycle in one type.

use crate::{
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    time::{Fence, WallTime},
    words::{AgentName, Slug, Title},
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
    /// Author.
    pub created_by: EngineerId,
    /// Creation.
    pub created_at: WallTime,
    /// Last change.
    pub updated_at: WallTime,
    /// Stage.
    pub status: Status,
}

impl Feature {
    /// Bytes of its lists: nearly all that it takes to write it down.
    pub fn list_bytes(&self) -> usize {
        let paths = self.touches.iter().chain(&*self.reads).map(|path| path.as_str().len());
        paths.chain(self.depends_on.iter().map(|slug| slug.as_str().len())).sum()
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
