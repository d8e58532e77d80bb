//! What happened lately, read and rendered once a node for all who follow. Remembers little: whoever
//! asks for more than it has is sent to the history.

use crate::{
    api::Draining,
    cluster::{Cluster, History},
    render,
};
use axum::extract::ws::Utf8Bytes;
use nexus_domain::{ProjectId, Recorded, Revision, State};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

/// Events read at once: a batch of applied entries has about as many.
const PAGE: usize = 256;
/// Bytes of events remembered for one project: enough for a consumer that is slow for seconds, or that
/// comes from another node.
const MAX_FEED_BYTES: usize = 4 << 20;
/// Bytes of events remembered for all projects.
const MAX_BYTES: usize = 64 << 20;
/// Between two looks at a history that cannot be read.
const PAUSE: Duration = Duration::from_millis(500);

/// An event as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) revision: Revision,
    pub(crate) text: Utf8Bytes,
}

impl Told {
    /// None for what is announced to nobody.
    pub(crate) fn of(state: &State, recorded: &Recorded) -> Option<Self> {
        Some(Self { revision: recorded.revision, text: render::event_text(state, recorded)? })
    }
}

/// What happened in one project within some revisions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Told>,
    through: Revision,
    bytes: usize,
}

/// What comes next for a consumer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// All of the project's events after its cursor up to a revision; some may be before the cursor.
    Events(Vec<Arc<Batch>>, Revision),
    /// More than is remembered here: the history has it.
    Behind,
}

/// What happened lately in the projects that somebody follows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    cluster: Arc<dyn Cluster>,
    draining: Draining,
    threads: Handle,
    lately: Mutex<Lately>,
    first_follower: Notify,
}

#[derive(Default)]
struct Lately {
    is_running: bool,
    /// Every followed project's events up to here were seen.
    position: Revision,
    feeds: HashMap<ProjectId, Feed>,
    bytes: usize,
}

struct Feed {
    /// Complete from after this revision on.
    since: Revision,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    wake: watch::Sender<()>,
}

impl Hub {
    /// It reads on these threads, once somebody follows.
    pub(crate) fn new(cluster: Arc<dyn Cluster>, draining: Draining, threads: Handle) -> Self {
        let (lately, first_follower) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { cluster, draining, threads, lately, first_follower }))
    }

    /// Follows a project from now on.
    pub(crate) fn follow(&self, project: ProjectId) -> Follower {
        let wake = self.subscribe(project);
        Follower { hub: self.clone(), project, wake }
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.0.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, project: ProjectId) -> watch::Receiver<()> {
        let applied = self.0.cluster.local().revision();
        let mut lately = self.lately();
        if lately.feeds.is_empty() {
            // Nobody followed anything: nothing is missed by going on from here.
            lately.position = lately.position.max(applied);
            self.0.first_follower.notify_one();
        }
        if !std::mem::replace(&mut lately.is_running, true) {
            self.0.threads.spawn(self.clone().run());
        }
        let since = lately.position;
        let feed = lately.feeds.entry(project).or_insert_with(|| Feed {
            since,
            batches: VecDeque::new(),
            bytes: 0,
            wake: watch::Sender::new(()),
        });
        feed.wake.subscribe()
    }

    /// Reads every event once, for as long as the node runs.
    async fn run(self) {
        let mut draining = self.0.draining.clone();
        tokio::select! {
            () = self.read_on() => {}
            () = draining.begun() => {}
        }
    }

    async fn read_on(&self) {
        loop {
            let Some(position) = self.position() else {
                self.0.first_follower.notified().await;
                continue;
            };
            if self.0.cluster.applied_after(position).await.is_none() {
                return;
            }
            match self.0.cluster.events(Revision(position.0 + 1), PAGE).await {
                Ok(page) => self.publish(position, &page),
                Err(error) => {
                    tracing::error!(%error, "the history cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// How far it has read; none when nobody follows.
    fn position(&self) -> Option<Revision> {
        let mut lately = self.lately();
        let Lately { feeds, bytes, .. } = &mut *lately;
        feeds.retain(|_, feed| {
            let is_followed = feed.wake.receiver_count() > 0;
            if !is_followed {
                *bytes -= feed.bytes;
            }
            is_followed
        });
        (!feeds.is_empty()).then_some(lately.position)
    }

    /// Shows a page that begins after a revision to all who follow.
    fn publish(&self, after: Revision, page: &History) {
        let through = Revision(page.next.0.saturating_sub(1));
        let followed: HashSet<ProjectId> = self.lately().feeds.keys().copied().collect();
        let view = self.0.cluster.local();
        let mut told: HashMap<ProjectId, Vec<Told>> = HashMap::new();
        for recorded in &page.events {
            let Some(project) = recorded.event.project().filter(|project| followed.contains(project)) else {
                continue;
            };
            told.entry(project).or_default().extend(Told::of(view.state(), recorded));
        }
        let mut lately = self.lately();
        let Lately { position, feeds, bytes, .. } = &mut *lately;
        if page.oldest > Revision(after.0 + 1) {
            // A snapshot took the place of what would have come: each has to look for itself.
            feeds.clear();
            *bytes = 0;
        }
        for (project, feed) in feeds.iter_mut() {
            if !followed.contains(project) {
                // It came while this page was rendered, which has none of its events.
                *bytes -= feed.bytes;
                (feed.since, feed.bytes) = (through.max(feed.since), 0);
                feed.batches.clear();
                feed.wake.send_replace(());
            } else if let Some(events) = told.remove(project).filter(|_| through > feed.since) {
                let size = events.iter().map(|event| event.text.len()).sum();
                feed.batches.push_back(Arc::new(Batch { events, through, bytes: size }));
                feed.bytes += size;
                *bytes += size;
                while feed.bytes > MAX_FEED_BYTES {
                    *bytes -= feed.forget_oldest();
                }
                feed.wake.send_replace(());
            }
        }
        *position = through.max(*position);
        lately.forget_down_to(MAX_BYTES);
    }
}

impl Lately {
    /// Forgets what is oldest of whichever project has most, until there is no more than so many bytes: a project in which
    /// much happens takes nothing from others.
    fn forget_down_to(&mut self, most: usize) {
        while self.bytes > most {
            let largest = self.feeds.values_mut().max_by_key(|feed| feed.bytes);
            let Some(largest) = largest.filter(|feed| feed.bytes > 0) else { break };
            self.bytes -= largest.forget_oldest();
        }
    }
}

impl Feed {
    /// Forgets its oldest batch, and says how many bytes that had.
    fn forget_oldest(&mut self) -> usize {
        let Some(oldest) = self.batches.pop_front() else { return 0 };
        self.since = oldest.through.max(self.since);
        self.bytes -= oldest.bytes;
        oldest.bytes
    }
}

/// One consumer of one project.
pub(crate) struct Follower {
    hub: Hub,
    project: ProjectId,
    wake: watch::Receiver<()>,
}

impl Follower {
    /// What comes after a cursor. Look here before waiting for a [change](Self::changed).
    pub(crate) fn after(&mut self, cursor: Revision) -> Next {
        if self.wake.has_changed().is_err() {
            self.wake = self.hub.subscribe(self.project);
        }
        self.wake.borrow_and_update();
        let lately = self.hub.lately();
        match lately.feeds.get(&self.project) {
            Some(feed) if feed.since <= cursor => {
                let first = feed.batches.partition_point(|batch| batch.through <= cursor);
                Next::Events(feed.batches.range(first..).cloned().collect(), lately.position.max(cursor))
            }
            Some(_) => Next::Behind,
            // It was dropped right now; the next look finds a new one.
            None => Next::Behind,
        }
    }

    /// Waits until something new may have come since the last look.
    pub(crate) async fn changed(&mut self) {
        // An error says that the feed was dropped: what comes next is in the history.
        let _ = self.wake.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// A feed with so many batches of so many bytes, as of revision 1, 2 and so on.
    fn feed(batches: u64, bytes: usize) -> Feed {
        let batch = |through| Arc::new(Batch { events: Vec::new(), through: Revision(through), bytes });
        Feed {
            since: Revision(0),
            batches: (1..=batches).map(batch).collect(),
            bytes: bytes * batches as usize,
            wake: watch::Sender::new(()),
        }
    }

    #[test]
    fn a_project_in_which_much_happens_takes_nothing_from_others() {
        let feeds: HashMap<ProjectId, Feed> = (0..16)
            .map(|number| (number, feed(8, 100)))
            .chain((16..20).map(|number| (number, feed(3, 1))))
            .map(|(number, feed)| (ProjectId(Uuid::from_u128(number)), feed))
            .collect();
        let bytes = feeds.values().map(|feed| feed.bytes).sum();
        let mut lately = Lately { feeds, bytes, ..Lately::default() };
        lately.forget_down_to(8_012);
        assert_eq!(lately.bytes, 8_012);
        assert_eq!(lately.bytes, lately.feeds.values().map(|feed| feed.bytes).sum::<usize>());
        for (project, feed) in &lately.feeds {
            let is_small = project.0.as_u128() >= 16;
            assert_eq!(feed.batches.len(), if is_small { 3 } else { 5 }, "{project}");
            let oldest = feed.batches.front().map(|batch| batch.through.0);
            assert_eq!(oldest, Some(feed.since.0 + 1));
        }
        lately.forget_down_to(0);
        assert!(lately.feeds.values().all(|feed| feed.batches.is_empty()));
    }
}
