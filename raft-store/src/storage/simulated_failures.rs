//! The failures of a simulated disk: crashes of the machine, and planned faults.

use crate::error::StoreError;

/// The writes that are left after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// The process dies and the machine survives: everything that was written is there.
    Process,
    /// The power fails: only what was flushed is there.
    Power,
    /// The power fails while the device is writing: this many batches after the last flush are there, and files end in
    /// the middle of what was not flushed.
    Torn(usize),
    /// The power fails, and the device has written some of what was not flushed, in an order of its own.
    Chosen {
        /// The number of batches after the last flush that are there.
        batches: usize,
        /// Whether files have the names that were not flushed.
        names: bool,
        /// Whether files have the contents that were not flushed.
        contents: bool,
    },
    /// The power fails, and a damaged record hides this many flushed batches and all later ones.
    Forgets(usize),
}

/// A planned failure. Each happens once, after a number of successes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A flush of batches fails.
    Flush {
        /// The flushes that still succeed.
        after: usize,
    },
    /// A batch fails for lack of space.
    Write {
        /// The batches that are still written.
        after: usize,
    },
    /// A write to a file fails for lack of space.
    File {
        /// The writes that still succeed.
        after: usize,
    },
    /// A flush of a file fails for lack of space, as on file systems that allocate late.
    FileSync {
        /// The flushes that still succeed.
        after: usize,
    },
}

/// The error of every handle to a disk that has crashed.
pub(super) fn crashed(doing: &'static str) -> StoreError {
    StoreError::Disk { doing, cause: "the simulated machine has crashed".into() }
}

/// Counts a fault down. Returns whether it happens now.
pub(super) fn strikes(fault: &mut Option<usize>) -> bool {
    match fault {
        None => false,
        Some(0) => {
            *fault = None;
            true
        }
        Some(after) => {
            *after -= 1;
            false
        }
    }
}
