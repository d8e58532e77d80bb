//! What a node watches about itself and others.
//!
//! - `disk`, `disk_admission`: free space, and which writes are refused while it is low. `flush_watch`: a leader whose
//!   disk is slow hands leadership over.
//! - `reports`: reports that nodes send each other, and the alarm when their states differ.

pub(crate) mod disk;
pub(crate) mod disk_admission;
pub(crate) mod flush_watch;
pub(crate) mod reports;
