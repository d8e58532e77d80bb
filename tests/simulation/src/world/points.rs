//! Named points at which a node can crash: before and after every step that changes its disk or reaches others. From
//! such a crash on, whatever the node still does in the same instant changes nothing and reaches nobody.

use super::network::Place;
use nexus_raft_store::storage::{Crash, SimulatedDisk};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A step of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the store's own steps")]
pub enum Step {
    Append,
    Truncate,
    Purge,
    Vote,
    Committed,
    Identity,
    Apply,
    InstallBegin,
    InstallClear,
    InstallFill,
    InstallEnd,
    Flush,
    MarkWrite,
    MarkSync,
    SnapshotCreate,
    SnapshotWrite,
    SnapshotSync,
    SnapshotRename,
    FileRemove,
    NamesSync,
    Send,
    Receive,
    Reply,
    OtherWrite,
}

impl Step {
    /// All of the steps.
    pub const ALL: [Self; 24] = [
        Self::Append,
        Self::Truncate,
        Self::Purge,
        Self::Vote,
        Self::Committed,
        Self::Identity,
        Self::Apply,
        Self::InstallBegin,
        Self::InstallClear,
        Self::InstallFill,
        Self::InstallEnd,
        Self::Flush,
        Self::MarkWrite,
        Self::MarkSync,
        Self::SnapshotCreate,
        Self::SnapshotWrite,
        Self::SnapshotSync,
        Self::SnapshotRename,
        Self::FileRemove,
        Self::NamesSync,
        Self::Send,
        Self::Receive,
        Self::Reply,
        Self::OtherWrite,
    ];

    /// Whether a node takes this step many times a second.
    pub const fn is_frequent(self) -> bool {
        matches!(
            self,
            Self::Append
                | Self::Apply
                | Self::Flush
                | Self::MarkWrite
                | Self::Send
                | Self::Receive
                | Self::Reply
        )
    }
}

/// A point: a step, and whether it has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The step that it belongs to.
    pub step: Step,
    /// Whether the point is after it.
    pub is_after: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", if self.is_after { "after" } else { "before" }, self.step)
    }
}

/// A crash that is planned.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// The place of the node.
    pub place: Place,
    /// The point at which it crashes.
    pub point: Point,
    /// How often it passes the point before.
    pub passes: u32,
    /// How it crashes.
    pub crash: Crash,
}

#[derive(Default)]
struct Points {
    /// The node that runs now.
    place: Place,
    disks: BTreeMap<Place, SimulatedDisk>,
    planned: Option<Planned>,
    crashed: BTreeMap<Place, (Planned, SimulatedDisk)>,
    passed: BTreeMap<Point, u64>,
    hit: BTreeSet<Point>,
}

thread_local! {
    static POINTS: RefCell<Points> = RefCell::default();
}

/// Says which node runs from now on.
pub(super) fn enter(place: Place) {
    POINTS.with_borrow_mut(|points| points.place = place);
}

/// Says on which disk a node runs.
pub(super) fn starts(place: Place, disk: SimulatedDisk) {
    POINTS.with_borrow_mut(|points| {
        points.crashed.remove(&place);
        points.disks.insert(place, disk);
    });
}

/// Plans a crash, in place of the one that was planned before.
pub fn plan(planned: Planned) {
    POINTS.with_borrow_mut(|points| points.planned = Some(planned));
}

/// Plans no crash any more.
pub fn plan_nothing() {
    POINTS.with_borrow_mut(|points| points.planned = None);
}

/// Passes a point. Returns whether the node has crashed, there or before.
pub(super) fn pass(place: Place, step: Step, is_after: bool) -> bool {
    POINTS.with_borrow_mut(|points| {
        if points.crashed.contains_key(&place) {
            return true;
        }
        let point = Point { step, is_after };
        *points.passed.entry(point).or_default() += 1;
        let Some(planned) =
            points.planned.as_mut().filter(|planned| (planned.place, planned.point) == (place, point))
        else {
            return false;
        };
        if planned.passes > 0 {
            planned.passes -= 1;
            return false;
        }
        let planned = *planned;
        points.planned = None;
        let Some(disk) = points.disks.get(&place) else { return false };
        let left = disk.crash(planned.crash);
        points.crashed.insert(place, (planned, left));
        points.hit.insert(point);
        true
    })
}

/// Passes the point before or after an answer to a client, by the node that runs now. Returns whether it has crashed.
pub(crate) fn pass_reply(is_after: bool) -> bool {
    pass(POINTS.with_borrow(|points| points.place), Step::Reply, is_after)
}

/// Takes the disk of a node that has crashed in this instant.
pub(super) fn take_crashed(place: Place) -> Option<(Planned, SimulatedDisk)> {
    POINTS.with_borrow_mut(|points| points.crashed.remove(&place))
}

/// How often each point was passed, and those at which a node has crashed.
pub fn coverage() -> (BTreeMap<String, u64>, BTreeSet<String>) {
    POINTS.with_borrow(|points| {
        let passed = points.passed.iter().map(|(point, count)| (point.to_string(), *count)).collect();
        (passed, points.hit.iter().map(Point::to_string).collect())
    })
}
