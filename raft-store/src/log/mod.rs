//! The Raft log and the vote of this node. Nothing here applies entries.
//!
//! All writes take the same path to the disk. Appends, votes, truncations and purges are written unsynced, in the order
//! of Raft's calls. The [`flusher`] makes many of them durable with one flush, and answers in the same order (openraft,
//! "IO ordering": a vote that overtook an entry could lose a committed one). The [`mark`] records beside the database
//! what is durable, so that [`open`] notices a log that came back shorter. Reads are served from the [`cache`].

mod cache;
mod flusher;
mod mark;
mod open;
mod reader;
mod tail;
mod writer;

pub use flusher::FlushStats;
pub use open::LogEnds;
pub use reader::LogReader;
pub use writer::LogStore;

pub(crate) use mark::Mark;
pub(crate) use open::{begin_log, read_log, read_mark, read_meta};
