//! A node whose state is wrong, or whose data folder is damaged: it stops by itself, and comes back as a new node.
//!
//! A fenced node neither votes nor acknowledges nor leads, and serves no data. It only says so, and waits to be
//! rebuilt.
//!
//! - `durable_file`: small files of a data folder, written as a whole.
//! - `folder_note`: who a data folder belongs to, for when its database cannot be read.
//! - `fence`: the mark that a folder is fenced.
//! - `verdict`: the proof that a state is wrong. `judge`: collects it from the voters.
//! - `scrubber`: reads everything stored in the background.
//! - [`rebuild`]: the order to begin with an empty folder, which the next start carries out.
//! - `fencing`: lets the running node end, to be fenced or rebuilt.

mod durable_file;
pub(crate) mod fence;
pub mod fencing;
pub(crate) mod folder_note;
pub(crate) mod judge;
pub mod rebuild;
pub(crate) mod scrubber;
mod verdict;
