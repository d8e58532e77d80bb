//! The kinds of faults.

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Kind {
    /// A process is killed; the machine goes on.
    Kill,
    /// A machine loses its power: what was not flushed is lost.
    PowerLoss,
    /// A machine loses its power in the middle of a write.
    TornWrite,
    /// All machines lose their power at once.
    Blackout,
    /// A process stops for a while, as by SIGSTOP.
    Pause,
    /// Nothing arrives at a node or from it.
    Isolation,
    /// Nothing arrives in one direction between two nodes.
    OneWay,
    /// The links between two nodes are cut, in both directions.
    Cut,
    /// All connections of two nodes break.
    Reset,
    /// A link takes far longer than the others.
    SlowLink,
    /// A wall clock jumps.
    ClockJump,
    /// A monotonic clock is too fast or too slow.
    ClockRate,
    /// A flush fails.
    FlushFails,
    /// A write finds no room.
    WriteFails,
    /// A file cannot be written.
    FileFails,
    /// A disk is nearly full for a while.
    LowSpace,
    /// An operator moves the leadership.
    Transfer,
    /// An operator asks for a snapshot.
    Snapshot,
    /// An operator drains a node for a while.
    Drain,
    /// An operator takes the vote of a node, and gives it back.
    Demotion,
    /// A node crashes at a named point.
    CrashPoint,
    /// Flushes take long for a while.
    SlowDisk,
    /// A node loses its disk, and comes back under another id.
    LostDisk,
    /// A machine is added, and joins by a token.
    Join,
    /// A machine is added, and joins by a token as a replica, which does not vote.
    JoinOfReplica,
    /// An operator removes a node, and takes its machine away.
    Removal,
    /// An operator puts a new machine into the place of another one, and takes that away.
    Replacement,
    /// A machine is lost, and an operator puts a new one into its place.
    LostMachine,
    /// The machines are in regions that are far from each other, from the beginning on.
    Regions,
    /// A node ended by itself, and is started again.
    EndedByItself,
    /// A node is restarted with a program that knows newer rules.
    Upgrade,
    /// A bit of a node's state flips in its memory.
    BitInMemory,
    /// A bit of what a node has stored flips at rest.
    BitOnDisk,
    /// A node that has fenced itself, or names damage at its start, is rebuilt.
    Rebuild,
    /// A new cluster is started from a backup that was taken under load.
    Restore,
}

impl Kind {
    /// All kinds that are chosen.
    pub const CHOSEN: [Self; 37] = [
        Self::BitInMemory,
        Self::BitOnDisk,
        Self::BitOnDisk,
        Self::LostDisk,
        Self::Join,
        Self::Join,
        Self::JoinOfReplica,
        Self::Removal,
        Self::Replacement,
        Self::Replacement,
        Self::LostMachine,
        Self::CrashPoint,
        Self::CrashPoint,
        Self::CrashPoint,
        Self::CrashPoint,
        Self::CrashPoint,
        Self::SlowDisk,
        Self::Kill,
        Self::PowerLoss,
        Self::TornWrite,
        Self::Blackout,
        Self::Pause,
        Self::Isolation,
        Self::OneWay,
        Self::Cut,
        Self::Reset,
        Self::SlowLink,
        Self::ClockJump,
        Self::ClockRate,
        Self::FlushFails,
        Self::WriteFails,
        Self::FileFails,
        Self::LowSpace,
        Self::Transfer,
        Self::Snapshot,
        Self::Drain,
        Self::Demotion,
    ];
}
